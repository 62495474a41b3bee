//! Produces replies and dead letters, and waits for their delivery reports.

mod blame;
mod client;
mod dead_letter_topic;
mod gates;
mod new_partitions;
mod reply_sink;
mod reply_topics;
mod verdict;

pub use self::reply_sink::KafkaSink;
