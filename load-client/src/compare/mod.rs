//! Compares two sets of runs: did it get faster, by how much, how sure?
//!
//! The unit is a run, not a request: the requests of one run share its machine state, so that
//! hundreds of thousands of them prove a difference between two *runs*, never between two
//! *systems*. Runs are therefore paired block by block, each block gives one log-ratio, and the
//! interval over the blocks carries the verdict. The figures of the seed's article (median
//! change, Welch's t over all requests, histograms) are kept beside it.
//!
//! ```no_run
//! use load_client::compare::{Options, compare, read_run};
//!
//! let baseline = [read_run("baseline-1.csv".as_ref())?, read_run("baseline-2.csv".as_ref())?];
//! let changed = [read_run("changed-1.csv".as_ref())?, read_run("changed-2.csv".as_ref())?];
//! let comparison = compare(&baseline, &changed, &Options::default())?;
//! println!("{}", comparison.conclusion);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod comparison;
mod curves;
mod effects;
mod fail_on;
mod failures;
mod kinds;
mod metric;
mod notices;
mod options;
mod order;
mod read;
mod refusal;
mod resolution;
mod run;
mod shape;
mod steps;
mod summary;
pub(crate) mod tables;
mod verdict;
mod within;
mod wording;

pub use comparison::{Comparison, PerRequest};
pub use effects::{Blocks, Effect};
pub use metric::Metric;
pub use options::{Detail, Options};
pub use read::{ReadError, read_run};
pub use run::Run;
pub use steps::{CompareError, compare};
pub use verdict::Verdict;
pub use wording::percent;
// internal: what the reports and the command show
pub(crate) use curves::CurvePoint;
pub(crate) use fail_on::FailOn;
pub(crate) use kinds::Kind;
pub(crate) use run::TimeBin;
pub(crate) use summary::{RunFigures, Side, SideSummary};

#[cfg(test)]
mod tests;
