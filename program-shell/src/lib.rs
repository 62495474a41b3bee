//! Shared by the programs of this workspace: the [`signals`] that ask a program to stop, what a [`terminal`] can show,
//! the `http` server that flags open (feature `http`), and completion scripts and man pages (`manual`, feature
//! `manual`).
//!
//! It knows neither Kafka nor orders nor load, so that programs that must not depend on each other can share it.

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "manual")]
pub mod manual;
pub mod signals;
pub mod terminal;
