//! The experiment: interleaved runs of two or more variants on one stack, compared, with a report.

mod blocks;
mod fail;
mod figures;
mod latest;
mod order;
mod plan;
mod progress;
mod repeat;
mod report;
mod revisions;
mod subject;
mod trials;

pub(crate) use blocks::{Blocks, Side, Sides};
pub(crate) use fail::hold;
pub(crate) use latest::new_folder;
pub(crate) use progress::Progress;
pub(crate) use revisions::check_out;

pub use fail::Failed;
pub use latest::LATEST;
pub use order::{Block, order};
pub use plan::{Calibration, Design, Experiment, Length};
pub use report::{Outcome, REPORT};
pub use subject::{Revisions, Subject};
pub use trials::experiment;
