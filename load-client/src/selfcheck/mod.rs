//! Whether the load client itself was the bottleneck. Pure: readings in, findings out.
//!
//! A generator at its limit measures itself: its users wait for the processor, its schedule slips, its
//! queue grows, and all of it looks like a slow service. The limits are those of the project's statistics:
//! see [`rules`].

mod reading;
pub mod rules;
mod stalls;
mod validity;

pub use reading::{CpuReading, CpuUse, cpu_use, thread_seconds};
pub use rules::{LoadModel, Readings, check};
pub use stalls::{SHORTEST_STALL, Stalled, Stalls};
pub use validity::{Finding, Validity};
