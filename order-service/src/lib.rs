//! An orders application: one axum `Router`, served over Kafka and over HTTP alike.
//!
//! It is the system under test of the experiment, and a service to copy from: `order` is the
//! domain, `routes` speak HTTP, `store` saves, `app` joins them. `asyncapi`
//! and `operations` say how it looks from Kafka. `run` alone picks what is real.

pub mod admin;
pub mod app;
pub mod asyncapi;
pub mod cli;
pub mod error;
pub mod failure_flags;
pub mod idempotency;
pub mod openapi;
pub mod operations;
pub mod order;
mod parse;
pub mod routes;
pub mod run;
pub mod secrets;
pub mod store;
pub mod telemetry;
