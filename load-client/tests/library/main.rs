//! The statistics through the public API: against reference figures, against SciPy, and on series with correlation.

mod correlation;
mod fixtures;
mod reference;
