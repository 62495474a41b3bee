//! What each program of this workspace shows its system: the [`signals`] that ask it to stop, what a [`terminal`]
//! takes, and the `http` server that its flags open (feature `http`).
//!
//! It knows neither Kafka nor orders nor load, so that programs which must not know one another can share it.

#[cfg(feature = "http")]
pub mod http;
pub mod signals;
pub mod terminal;
