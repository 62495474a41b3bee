//! Tests the library through its public API: the statistics against reference figures, against SciPy and on correlated
//! series; the bootstrap; and the destinations of outputs.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod correlation;
mod destination;
mod fixtures;
mod reference;
mod resample;
