//! `harness simulate`: counts how often each verdict is right, by experiments with a known change on a real stack.
//!
//! It compares the service with itself, and with a copy that has a busy loop in each request. Each experiment runs as
//! in `harness experiment`. The crate `load-client` has experiments with random numbers instead of measurements (`make
//! simulate` without a stack).

mod change;
mod course;
mod judge;
mod report;
mod table;

pub use change::Change;
pub use course::simulate;
pub use report::join;
