//! What is sent: the requests of a run, one after the other.

mod fixed;
mod request;

pub use fixed::Fixed;
pub use request::{Request, Scenario};
