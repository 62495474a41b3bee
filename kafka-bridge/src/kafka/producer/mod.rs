//! Replies and dead letters to their topics, each until its delivery report.

mod blame;
mod client;
mod dead_letter_topic;
mod gates;
mod new_partitions;
mod reply_sink;
mod reply_topics;
mod verdict;

pub use self::reply_sink::KafkaSink;
