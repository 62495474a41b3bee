#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "only the ports over librdkafka use these items")
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
