//! The soak: half of the possible load for a long time, with samples of memory and latency. It fails if one of them
//! grows beyond its bound, or if a request gets no reply. See `docs/reliability.md`.

mod drift;
mod load;
mod run;

pub use drift::{Drift, Growth, Sample, drift};
pub use run::soak;
