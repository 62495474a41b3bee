//! Tests of the built program, as a user runs it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod compare;
mod run;
mod support;
mod usage;
