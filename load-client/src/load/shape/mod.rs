//! How the load goes over time: stages, where they come from, and the instants that they stand for. Pure.

mod file;
mod preset;
mod ramp;
mod rate;
mod schedule;
mod stage;

pub use schedule::Arrivals;
pub use stage::{Span, Stage, Target};
// internal: what the program makes stages from, and a run makes of them
pub(crate) use file::parse;
pub(crate) use preset::Preset;
pub(crate) use ramp::Ramp;
pub(crate) use rate::{parse_rate, show_rate};
pub(crate) use schedule::{Schedule, Segment};
pub(crate) use stage::{segments, spans};
