//! The circumstances of a run, written beside its numbers: without them a number says nothing.

mod commit;
mod machine;
mod record;

pub use commit::Commit;
pub use machine::Machine;
pub use record::Environment;
pub(crate) use record::{OPTIMISED, now};
