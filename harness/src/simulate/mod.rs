//! `harness simulate`: experiments whose truth is known, on a real stack. How often is each verdict said?
//!
//! The service is compared with itself, and with itself made slower by a busy loop in each request. Each experiment
//! runs as those of `harness experiment` do. What is drawn at random instead of measured is in `load-client`
//! (`make simulate` without a stack).

mod change;
mod course;
mod judge;
mod report;
mod table;

pub use change::Change;
pub use course::simulate;
pub use report::join;
