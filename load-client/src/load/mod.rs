//! The load: what is asked for, how it goes over time, and what drives it.

mod closed;
mod control;
mod open;
pub mod plan;
pub mod runner;
mod schedule;
pub(crate) mod shape;
mod users;

pub use control::Control;
pub use schedule::Arrivals;
