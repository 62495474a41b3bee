//! The circumstances of a run, written beside its numbers: without them a number says nothing.

mod commit;
mod machine;
mod provenance;
mod record;

pub use commit::Commit;
pub use machine::Machine;
pub use provenance::Provenance;
pub use record::Environment;
