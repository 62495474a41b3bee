//! What is sent: the requests of a run, one after the other.

mod expect;
mod file;
mod fixed;
mod kind;
mod mix;
mod records;
mod request;
mod template;
mod values;
mod weighted_round_robin;

pub use expect::StatusSet;
pub(crate) use file::read_scenario;
pub use fixed::Fixed;
pub(crate) use kind::{Body, Kind};
pub(crate) use mix::Mix;
pub(crate) use records::{Format, Records, RecordsError};
pub use request::{Request, Scenario};
pub(crate) use template::Template;
