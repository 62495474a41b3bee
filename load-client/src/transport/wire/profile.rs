//! The conventions of well-known frameworks, as each documents them.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::scenario::{BodyChecks, StatusSet};
use crate::transport::wire::{Correlation, IdFormat, ReplyCorrelation, Wire};

/// A framework whose conventions are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `reply-to`, `x-reply-set-header` and `status-code`, as the order service takes them.
    Reference,
    /// A `@KafkaListener` with `@SendTo` behind Spring's `ReplyingKafkaTemplate`.
    Spring,
    /// A service behind SmallRye's and Quarkus' `KafkaRequestReply`.
    SmallRye,
    /// A NestJS microservice behind `ClientKafka.send`. A reply that is a stream ends its request
    /// by its first record.
    Nest,
    /// A FastStream subscriber that is asked by `broker.request`.
    FastStream,
    /// A service behind Zilla's `http-kafka` binding.
    Zilla,
}

impl Profile {
    /// Every profile with its name.
    pub(crate) const ALL: [(&str, Self); 6] = [
        ("reference", Self::Reference),
        ("spring", Self::Spring),
        ("smallrye", Self::SmallRye),
        ("nest", Self::Nest),
        ("faststream", Self::FastStream),
        ("zilla", Self::Zilla),
    ];

    pub(crate) fn wire(self) -> Wire {
        match self {
            Self::Reference => Wire {
                correlation: Correlation::Echo("x-request-id".to_owned()),
                status_header: Some("status-code".to_owned()),
                ..named("reply-to", "")
            },
            Self::Spring => Wire {
                correlation_format: IdFormat::UuidBytes,
                reply_partition_header: partition("kafka_replyPartition", PartitionEncoding::Bytes),
                // Set by error handlers that answer; a plain one sends no reply at all.
                error_headers: ["kafka_exception-message", "kafka_exception-fqcn"]
                    .map(str::to_owned)
                    .to_vec(),
                ..named("kafka_replyTopic", "kafka_correlationId")
            },
            Self::SmallRye => Wire {
                reply_partition_header: partition("REPLY_PARTITION", PartitionEncoding::Bytes),
                ..named("REPLY_TOPIC", "REPLY_CORRELATION_ID")
            },
            Self::Nest => Wire {
                reply_partition_header: partition("kafka_replyPartition", PartitionEncoding::Text),
                error_headers: vec!["kafka_nest-err".to_owned()],
                ..named("kafka_replyTopic", "kafka_correlationId")
            },
            Self::FastStream => named("reply_to", "correlation_id"),
            Self::Zilla => Wire {
                status_header: Some(":status".to_owned()),
                ..named("zilla:reply-to", "zilla:correlation-id")
            },
        }
    }
}

fn named(reply_to: &str, correlation: &str) -> Wire {
    Wire {
        reply_to_header: reply_to.to_owned(),
        correlation: Correlation::AsReply(ReplyCorrelation::Header(correlation.to_owned())),
        reply_correlation: None,
        correlation_format: IdFormat::Uuid,
        reply_partition_header: None,
        reply_partition: None,
        status_header: None,
        expect_status: StatusSet::default(),
        expect_body: BodyChecks::default(),
        error_headers: Vec::new(),
    }
}

fn partition(name: &str, encoding: PartitionEncoding) -> Option<PartitionHeader> {
    let name = name.to_owned();
    Some(PartitionHeader { name, encoding })
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, profile)| profile == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        let takes = || "takes reference, spring, smallrye, nest, faststream or zilla".to_owned();
        found.map(|(_, profile)| profile).ok_or_else(takes)
    }
}

/// The header that names the partition of the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PartitionHeader {
    pub name: String,
    pub encoding: PartitionEncoding,
}

/// How the number of a partition is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PartitionEncoding {
    /// Four bytes, the most significant first.
    Bytes,
    /// Decimal digits.
    Text,
}

impl PartitionHeader {
    pub(crate) fn value(&self, partition: i32) -> Vec<u8> {
        match self.encoding {
            PartitionEncoding::Bytes => partition.to_be_bytes().to_vec(),
            PartitionEncoding::Text => partition.to_string().into_bytes(),
        }
    }
}

impl FromStr for PartitionHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (encoding, name) = match text.split_once(':') {
            Some(("bytes", name)) => (PartitionEncoding::Bytes, name),
            Some(("text", name)) => (PartitionEncoding::Text, name),
            _ => (PartitionEncoding::Text, ""),
        };
        if name.trim().is_empty() || name.contains('\0') {
            return Err("takes bytes:NAME or text:NAME".to_owned());
        }
        let name = name.to_owned();
        Ok(Self { name, encoding })
    }
}

impl fmt::Display for PartitionHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = match self.encoding {
            PartitionEncoding::Bytes => "bytes",
            PartitionEncoding::Text => "text",
        };
        write!(f, "{encoding}:{}", self.name)
    }
}
