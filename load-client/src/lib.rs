//! Measures round-trip times of request-reply services over Kafka, and compares sets of runs.
//!
//! - [`compare`] answers whether one set of runs is faster than another, and how sure that is;
//!   [`output`] and [`export`] show the answer.
//! - [`web`] shows a run while it goes on, and takes orders for it.
//! - [`runner`] drives a [`plan`] through a [`transport`]; a [`recorder`] takes the samples.
//!
//! The crate is an outside observer: it shares no code with the service that it measures, so the
//! header names of the wire contract are literals here on purpose.

pub mod compare;
pub mod export;
pub mod moment;
pub mod output;
pub mod plan;
pub mod recorder;
pub mod runner;
pub mod sample;
pub mod scenario;
pub mod stats;
pub mod summary;
pub mod tally;
pub mod transport;
mod user;
pub mod web;
pub mod window;
