//! The soak: half of what the system can do, for long, with a look at memory and latency every now and then.
//! It fails when either grew beyond a bound, or a request was not answered. See `docs/reliability.md`.

mod drift;
mod load;
mod run;

pub use drift::{Drift, Growth, Sample, drift};
pub use run::soak;
