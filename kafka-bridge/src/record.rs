//! Records as plain owned data, free of any Kafka client's types.

#[cfg(feature = "axum")]
pub(crate) mod extract;
pub(crate) mod headers;
pub(crate) mod kafka_record;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::Headers;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition of a topic.
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

/// Where a record stands, and under which assignment of its partition it was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    /// The record's partition.
    pub topic_partition: TopicPartition,
    /// The record's own offset; what is committed after it is a *next* offset.
    pub offset: i64,
    /// Counts the assignments that the source has had, so that work begun under an assignment
    /// that was lost meanwhile can be told from work of the present one.
    pub generation: u64,
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.topic_partition, self.offset)
    }
}

/// A record as it was consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the record stands.
    pub coordinates: Coordinates,
    /// Milliseconds since the Unix epoch, when the record carries a timestamp.
    pub timestamp: Option<i64>,
    /// The record's key; null keys are common.
    pub key: Option<Bytes>,
    /// The record's value, which becomes the request's body; null stands for an empty body.
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

    /// Returns the bytes that the record holds in memory, which the in-flight bound counts.
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
    /// The partition to produce to; `None` leaves it to the key. One that the topic does not have
    /// is a wish that cannot be met, and no reason to lose the record.
    pub partition: Option<i32>,
}

impl OutboundRecord {
    /// Returns the bytes that the record holds in memory, which the in-flight bound counts.
    pub(crate) fn size(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}
