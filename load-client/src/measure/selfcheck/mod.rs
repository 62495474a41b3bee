//! Whether the load client itself was the bottleneck. Pure: readings in, findings out.
//!
//! A generator at its limit measures itself: its users wait for the processor, its schedule slips, its
//! queue grows, and all of it looks like a slow service. The limits are those of the project's statistics:
//! see [`rules`].

mod reading;
pub(crate) mod rules;
mod stalls;
pub(crate) mod validity;

pub(crate) use reading::{CpuReading, CpuUse, cpu_use, thread_seconds};
pub(crate) use rules::{LoadModel, Readings, check};
pub(crate) use stalls::{Stalled, Stalls};
pub(crate) use validity::Validity;
