//! Parses cluster URLs and knows librdkafka's properties: where the brokers are, how a client authenticates, which
//! properties have two names, and which values must stay secret. Pure.
//!
//! ```
//! use kafka_cluster_url::{ClusterUrl, other_name, shown};
//!
//! let cluster = ClusterUrl::parse("kafka+sasl://me:hunter2@a:9092, b?mechanism=PLAIN")?;
//! assert_eq!(cluster.brokers, "a:9092,b:9092");
//! assert!(!format!("{cluster:?}").contains("hunter2"));
//!
//! assert_eq!(other_name("linger.ms"), Some("queue.buffering.max.ms"));
//! assert_eq!(shown("sasl.password", "hunter2"), "***");
//! # Ok::<(), kafka_cluster_url::UrlError>(())
//! ```

mod aliases;
mod brokers;
mod properties;
mod secrets;
mod tls;
mod url;

pub use aliases::{last, other_name};
pub use properties::Properties;
pub use secrets::{MASK, has_credentials, is_secret, masked_refusal, shown, without_credentials};
pub use tls::{NeedsTls, check_tls};
pub use url::{ClusterUrl, UrlError};
