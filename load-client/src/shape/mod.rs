//! How the load goes over time: stages, where they come from, and the instants that they stand for. Pure.

mod file;
mod preset;
mod ramp;
mod rate;
mod schedule;
mod stage;

pub use file::{ShapeError, parse};
pub use preset::Preset;
pub use ramp::Ramp;
pub use rate::{parse_rate, show_rate};
pub use schedule::{Arrivals, Schedule, Segment};
pub use stage::{Span, Stage, Target, segments, spans};
