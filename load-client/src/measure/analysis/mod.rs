//! What a shape is run for: the drift of a soak, the breaking point of a stress, the recovery from a spike.
//! Pure: history and results in, a finding with a sentence out.

mod drift;
mod findings;
mod spike;
mod stress;

pub(crate) use drift::{Drift, latency_drift, memory_growth};
pub(crate) use findings::Findings;
pub(crate) use spike::{Recovery, recovery};
pub(crate) use stress::{BreakingPoint, breaking_point};

#[cfg(test)]
pub(crate) mod tests;
