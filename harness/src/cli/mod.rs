//! The command line: what was typed, and the checked settings that the rest of the program sees.

mod arguments;
mod check;
mod faults;
mod limits;
mod simulate;
pub(crate) mod typed;
mod values;

pub use arguments::{
    BenchArguments, Cli, Command, DemoArguments, ExperimentArguments, UpArguments,
};
pub use check::parse;
pub(crate) use check::rehearsal;
pub use faults::{FaultsArguments, SoakArguments};
pub use limits::LimitsArguments;
pub use simulate::SimulateArguments;
