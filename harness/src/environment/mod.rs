//! The circumstances of a run. They are written beside its figures, which mean nothing without them.

mod commit;
mod machine;
mod provenance;
mod record;

pub use commit::Commit;
pub use machine::Machine;
pub use provenance::Provenance;
pub use record::Environment;
