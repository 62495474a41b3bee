//! The library through its public API: the statistics against reference figures, against SciPy and on series with
//! correlation, and the bootstrap; where outputs go.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod correlation;
mod destination;
mod fixtures;
mod reference;
mod resample;
