//! Serves any tower or axum HTTP service from Kafka: `axum::serve`, but for topics.
//!
//! A record becomes an HTTP request, the service answers it, and the answer becomes a reply
//! record on the topic that the request's `reply-to` header names
//! ([Return Address](https://www.enterpriseintegrationpatterns.com/patterns/messaging/ReturnAddress.html)).
//! Offsets are committed only after the reply's delivery report: records are handled at least
//! once, and a crash loses neither a request nor a reply.
//!
//! # Example
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
//! [`testing`] keep everything in memory, so an application's tests need no broker:
//!
//! ```
//! use axum::{Router, routing::post};
//! use kafka_bridge::testing::{MemoryBroker, MemorySink};
//! use kafka_bridge::{Bridge, Operation, Record};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = Router::new().route("/greetings", post(|name: String| async move {
//!     format!("hello {name}")
//! }));
//! let request = Record::new("greet", 0, 0)
//!     .with_value("world")
//!     .with_header("reply-to", "greet.reply");
//! let (commits, source) = MemoryBroker::with_records([request]);
//! let sink = MemorySink::default();
//!
//! Bridge::builder(app)
//!     .operation(Operation::post("greet", "/greetings")?)
//!     .with_ports(source, sink.clone())?
//!     .await?;
//!
//! let reply = &sink.produced()[0];
//! assert_eq!(reply.value.as_deref(), Some(&b"hello world"[..]));
//! assert_eq!(reply.headers.get("status-code"), Some(&b"200"[..]));
//! assert_eq!(commits.next_offset("greet", 0), Some(1)); // after the reply, not before
//! # Ok(())
//! # }
//! ```
//!
//! # What an application sees as over HTTP
//!
//! Extractors work as they do behind `axum::serve`: method, `Uri` and `OriginalUri` (path and query, no authority),
//! `MatchedPath`, `Path`, `Query`, headers, `Json` and other bodies, `State`, `Extension`. `host`, and with it the
//! extractor `Host` of axum-extra, is what [`Builder::host`] says, for a record has no host.
//!
//! There is no connection: `ConnectInfo` is refused with status 500, unless the application has the layer
//! `axum::extract::connect_info::MockConnectInfo`. An upgrade (`WebSocketUpgrade`) is refused. A response that streams is
//! read whole before it is sent. The HTTP version is always 1.1.
//!
//! # What to look at next
//!
//! - [`Dispatch`]: one record at a time, a task for each, or in order per key.
//! - [`Operation`]: from topics to methods and paths, parameters from headers, or all of it from an
//!   OpenAPI document.
//! - [`ReplyProfile`]: requesters built on Spring, SmallRye, NestJS, Zilla or FastStream.
//! - [`KafkaRecord`]: key, raw headers, topic, partition, offset and timestamp of the record behind a request.
//! - [`FailurePolicy`]: the failure is the answer, or is tried again and dead-lettered.
//! - [`Status`]: what a health check asks; [`describe_metrics`]: what is counted.
//! - `examples/`: hello, layers, path parameters, bounds.
//!
//! # Cargo features
//!
//! - `kafka` (default): the ports over librdkafka, and `Builder::connect`. Without it nothing of C is built: enough for a
//!   crate whose tests run over [`testing`].
//! - `axum`: [`KafkaRecord`] is an extractor of axum.
//! - `tls`: TLS and SASL/SCRAM by the system's OpenSSL.

#![cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "what only the ports over librdkafka call")
)]

mod bridge;
mod builder;
mod dispatch;
mod error;
mod health;
mod http;
mod operation;
mod outcome;
mod record;
mod reply;
mod settings;
mod telemetry;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod offsets;
pub mod ports;
pub mod testing;

pub use bridge::Bridge;
pub use builder::Builder;
pub use dispatch::Summary;
pub use dispatch::failure_policy::{FailurePolicy, Retry};
pub use error::Error;
pub use health::obstacles::{Blocked, Obstacle};
pub use health::{Status, Unhealthy};
pub use http::body::Body;
pub use http::deadline::DEFAULT_DEADLINE_HEADER;
pub use http::echo::{DEFAULT_ECHO_HEADER, EchoSetHeader, EchoSetHeaderLayer};
pub use http::header_filter::HeaderFilter;
pub use operation::{Operation, OperationError};
pub(crate) use outcome::{Outcome, SkipReason};
#[cfg(feature = "axum")]
pub use record::extract::NotFromKafka;
pub use record::headers::Headers;
pub use record::kafka_record::KafkaRecord;
pub use record::{Coordinates, OutboundRecord, Record, TopicPartition};
pub use reply::allow_list::{AddressDenied, Origin, ReplyPolicy};
pub use reply::profile::{ParseReplyProfileError, PartitionEncoding, ReplyProfile};
pub use settings::{Dispatch, Limits, ParseDispatchError, Settings, WithoutReplyTo};
pub use telemetry::metric_names::describe_metrics;
