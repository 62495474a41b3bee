//! The command line: the flags, their checks, and the settings for the rest of the program.

mod arguments;
mod check;
mod distributed;
mod experiment;
mod faults;
mod limits;
mod simulate;
pub(crate) mod typed;
mod values;

pub use arguments::{Cli, Command, DemoArguments, UpArguments};
pub use check::parse;
pub(crate) use check::rehearsal;
pub use distributed::{DistributedArguments, Killed};
pub use experiment::{BenchArguments, ExperimentArguments, SubjectArguments};
pub use faults::{FaultsArguments, SoakArguments};
pub use limits::LimitsArguments;
pub use simulate::SimulateArguments;
