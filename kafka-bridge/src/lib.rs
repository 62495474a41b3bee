//! Serves any tower or axum HTTP service from Kafka: `axum::serve`, but for topics.
//!
//! A record becomes an HTTP request, the service answers it, and the answer becomes a reply
//! record on the topic that the request's `reply-to` header names
//! ([Return Address](https://www.enterpriseintegrationpatterns.com/patterns/messaging/ReturnAddress.html)).
//! Offsets are committed only after the reply's delivery report: records are handled at least
//! once, and a crash loses neither a request nor a reply.
//!
//! # Examples
//!
//! ```no_run
//! use axum::{Router, routing::post};
//! use kafka_bridge::{Bridge, Dispatch, EchoSetHeaderLayer, Operation};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let app = Router::new()
//!     .route("/orders", post(|body: String| async move { body }))
//!     .layer(EchoSetHeaderLayer::default());
//!
//! let summary = Bridge::builder(app)
//!     .operation(Operation::post("createOrder", "/orders")?)
//!     .dispatch(Dispatch::Tasks)
//!     .connect("kafka://localhost:9092", "order-service")?
//!     .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
//!     .await?;
//! println!("{} records replied", summary.replied);
//! # Ok(())
//! # }
//! ```
//!
//! The same bridge runs over any [`ports::RecordSource`] and [`ports::ReplySink`]; those in
//! [`testing`] keep everything in memory, so an application's tests need no broker.

mod address;
mod body;
mod bridge;
mod builder;
mod config;
mod dead_letter;
mod dispatch;
mod echo;
mod error;
mod failure_policy;
mod header_filter;
mod headers;
mod health;
mod metric_names;
mod openapi;
mod operation;
mod path;
mod problem;
mod profile;
mod record;
mod reply_to;
mod request;
mod response;
mod service;
mod target;
mod trace_context;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod kafka;
pub mod offsets;
pub mod ports;
pub mod testing;

pub use body::Body;
pub use bridge::Bridge;
pub use builder::Builder;
pub use config::{Dispatch, Limits, ParseDispatchError, Settings, WithoutReplyTo};
pub use dispatch::Summary;
pub use echo::{DEFAULT_ECHO_HEADER, EchoSetHeader, EchoSetHeaderLayer};
pub use error::Error;
pub use failure_policy::{FailurePolicy, Retry};
pub use header_filter::HeaderFilter;
pub use headers::Headers;
pub use health::{Status, Unhealthy};
pub use metric_names::describe_metrics;
pub use operation::{Operation, OperationError};
pub use profile::{ParseReplyProfileError, PartitionEncoding, ReplyProfile};
pub use record::{Coordinates, OutboundRecord, Record, Timestamp, TopicPartition};
pub use reply_to::{AddressDenied, ReplyPolicy};
pub use service::{Outcome, RecordService, SkipReason};
