//! Tests of the built program, as a user runs it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod browser;
mod checks;
mod compare;
mod config;
mod honest;
mod load;
mod measured;
mod merge;
mod outputs;
mod refusal;
mod responder;
mod run;
mod scenario;
mod service;
mod signals;
mod support;
mod usage;
mod variables;
mod web;
