//! The load: what is asked for, how it goes over time, and what drives it.

pub mod plan;
pub mod runner;
pub mod shape;
