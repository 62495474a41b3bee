//! Tests of the built program, as a user runs it.

mod run;
mod support;
mod usage;
