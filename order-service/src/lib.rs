//! An orders application: one axum `Router`, served over Kafka and over HTTP.
//!
//! It is the system under test of the experiments, and a service to copy from: `order` is the domain, `routes` are the
//! HTTP operations, `store` saves orders, and `app` joins them. `asyncapi` and `operations` describe the interface over
//! Kafka. Only `run` connects to Kafka and the store.

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
