//! The record behind a request, as the application sees it.
//!
//! Not the request's body, which is the record's value, and not what HTTP made of the headers.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Coordinates, Headers, Record};

/// The record that a request was made from, without its value: that is the request's body.
///
/// Every request that the bridge makes has it among its extensions; a request that came over HTTP has none. A clone
/// costs no memory. With the feature `axum` it is an extractor, and `Option<KafkaRecord>` is one too.
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
    /// Drops the record's value; for tests of an application that looks at the record.
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

    /// Returns topic, partition and offset as one value, which prints as `topic[partition]@offset`.
    #[must_use]
    pub fn coordinates(&self) -> &Coordinates {
        &self.0.coordinates
    }

    /// Returns when the record was written, in milliseconds since the Unix epoch: by the clock of its producer, or of
    /// the broker where the topic has `message.timestamp.type=LogAppendTime`.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.0.timestamp
    }

    /// Returns the record's key; `None` for a null one.
    #[must_use]
    pub fn key(&self) -> Option<&Bytes> {
        self.0.key.as_ref()
    }

    /// Returns the record's headers as they were written, those among them that HTTP cannot carry or that the bridge
    /// keeps from the request.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }
}
