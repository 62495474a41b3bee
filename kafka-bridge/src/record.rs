//! Defines records as plain owned data, without any Kafka client's types.

#[cfg(feature = "axum")]
pub(crate) mod extract;
pub(crate) mod headers;
pub(crate) mod kafka_record;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::Headers;

/// Identifies a partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Creates the identifier of a partition.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Says where a record is, and under which assignment of its partition it was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    /// The record's partition.
    pub topic_partition: TopicPartition,
    /// The record's own offset. A commit uses the *next* offset.
    pub offset: i64,
    /// The number of the source's assignments so far. It distinguishes work of a lost assignment from work of the
    /// present one.
    pub generation: u64,
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.topic_partition, self.offset)
    }
}

/// A consumed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the record is.
    pub coordinates: Coordinates,
    /// The record's timestamp in milliseconds since the Unix epoch, if it has one.
    pub timestamp: Option<i64>,
    /// The record's key. Null keys are common.
    pub key: Option<Bytes>,
    /// The record's value, which becomes the request's body. A null value gives an empty body.
    pub value: Option<Bytes>,
    /// The record's headers.
    pub headers: Headers,
}

impl Record {
    /// Returns a record without key, value and headers, delivered under generation 0.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32, offset: i64) -> Self {
        let topic_partition = TopicPartition::new(topic, partition);
        Self {
            coordinates: Coordinates {
                topic_partition,
                offset,
                generation: 0,
            },
            timestamp: None,
            key: None,
            value: None,
            headers: Headers::default(),
        }
    }

    /// Sets the value.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Appends a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Returns the topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.coordinates.topic_partition.topic
    }

    /// Returns the bytes that the record holds in memory. The in-flight limit counts them.
    #[must_use]
    pub fn size(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

fn size(key: Option<&Bytes>, value: Option<&Bytes>, headers: &Headers) -> usize {
    key.map_or(0, Bytes::len) + value.map_or(0, Bytes::len) + headers.size()
}

/// A record to be produced: a reply or a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRecord {
    /// The topic to produce to.
    pub topic: Arc<str>,
    /// The record's key.
    pub key: Option<Bytes>,
    /// The record's value.
    pub value: Option<Bytes>,
    /// The record's headers, in order.
    pub headers: Headers,
    /// The partition to produce to; `None` leaves the choice to the key. If the topic does not have the partition, the
    /// record still goes to the topic.
    pub partition: Option<i32>,
}

impl OutboundRecord {
    /// Returns the bytes that the record holds in memory. The in-flight limit counts them.
    pub(crate) fn size(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}
