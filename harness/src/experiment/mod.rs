//! The experiment: interleaved runs of both variants on one stack, compared, with a report.

mod latest;
mod order;
mod pairing;
mod plan;
mod progress;
mod report;
mod trials;

pub(crate) use latest::new_folder;
pub(crate) use pairing::{Blocks, Pairing, Sides};
pub(crate) use progress::Progress;

pub use latest::LATEST;
pub use order::{Block, blocks};
pub use plan::{Calibration, Design, Experiment};
pub use report::{Outcome, REPORT};
pub use trials::experiment;
