//! Measures round-trip times of request-reply services over Kafka, and compares sets of runs.

pub mod compare;
pub mod export;
pub mod output;
pub mod stats;
pub mod window;
