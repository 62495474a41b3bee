//! The record behind a request, as the application sees it.
//!
//! Has neither the request's body, which is the record's value, nor the HTTP form of the headers.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Coordinates, Headers, Record};

/// Gives access to the record that a request was made from, without its value, which is the request's body.
///
/// Every request that the bridge makes has it in its extensions. A request that came over HTTP does not. A clone needs
/// no allocation. With the feature `axum` it is an extractor, and `Option<KafkaRecord>` is one too.
///
/// # Examples
///
/// ```
/// use axum::Extension;
/// use kafka_bridge::KafkaRecord;
///
/// async fn handler(Extension(record): Extension<KafkaRecord>) -> String {
///     format!("{}[{}]@{}", record.topic(), record.partition(), record.offset())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaRecord(Arc<Record>);

impl From<Record> for KafkaRecord {
    /// Drops the record's value. For tests of an application that uses the record.
    fn from(mut record: Record) -> Self {
        record.value = None;
        Self(Arc::new(record))
    }
}

impl KafkaRecord {
    /// Returns the topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

    /// Returns the number of the record's partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.0.coordinates.topic_partition.partition
    }

    /// Returns the record's own offset.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.coordinates.offset
    }

    /// Returns topic, partition and offset as one value. It prints as `topic[partition]@offset`.
    #[must_use]
    pub fn coordinates(&self) -> &Coordinates {
        &self.0.coordinates
    }

    /// Returns when the record was written, in milliseconds since the Unix epoch. The time comes from the producer's
    /// clock, or from the broker's clock if the topic has `message.timestamp.type=LogAppendTime`.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.0.timestamp
    }

    /// Returns the record's key; `None` for a null key.
    #[must_use]
    pub fn key(&self) -> Option<&Bytes> {
        self.0.key.as_ref()
    }

    /// Returns the record's headers as they were written, including those that HTTP cannot carry or that the bridge
    /// hides from the request.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }
}
