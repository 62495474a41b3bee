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
mod wheel;

pub use expect::StatusSet;
pub use file::{ScenarioError, read_scenario};
pub use fixed::Fixed;
pub use kind::{Body, Kind};
pub use mix::Mix;
pub use records::{Format, Records, RecordsError};
pub use request::{Request, Scenario};
pub use template::{Template, TemplateError};
