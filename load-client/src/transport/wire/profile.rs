//! The conventions of well-known frameworks, as each documents them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use crate::scenario::{Request, StatusSet};
use crate::transport::wire::{Correlation, IdFormat, Wire};

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
    /// Every profile.
    pub(crate) const ALL: [Self; 6] = [
        Self::Reference,
        Self::Spring,
        Self::SmallRye,
        Self::Nest,
        Self::FastStream,
        Self::Zilla,
    ];

    /// Its conventions.
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

    fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Spring => "spring",
            Self::SmallRye => "smallrye",
            Self::Nest => "nest",
            Self::FastStream => "faststream",
            Self::Zilla => "zilla",
        }
    }
}

fn named(reply_to: &str, correlation: &str) -> Wire {
    Wire {
        reply_to_header: reply_to.to_owned(),
        correlation: Correlation::Header(correlation.to_owned()),
        reply_correlation: None,
        correlation_format: IdFormat::Uuid,
        reply_partition_header: None,
        reply_partition: None,
        status_header: None,
        expect_status: StatusSet::default(),
        error_headers: Vec::new(),
    }
}

fn partition(name: &str, encoding: PartitionEncoding) -> Option<PartitionHeader> {
    let name = name.to_owned();
    Some(PartitionHeader { name, encoding })
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == text);
        let takes = || "takes reference, spring, smallrye, nest, faststream or zilla".to_owned();
        found.ok_or_else(takes)
    }
}

// What the conventions add to a request: constant headers, and its id at its place.

/// The header of the reference that asks for a header on the reply.
const SET_HEADER: &str = "x-reply-set-header";

/// Why a request cannot carry its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    /// The id has to go into a body that has no place for it.
    #[error("the id cannot be put at {pointer}: {reason}")]
    Body {
        /// Where it should be.
        pointer: String,
        /// What is in the way.
        reason: &'static str,
    },
}

/// A request as it goes out, less the headers that are the same for all requests of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing<'a> {
    pub(crate) key: Option<Cow<'a, [u8]>>,
    pub(crate) body: Option<Cow<'a, [u8]>>,
    pub(crate) headers: Vec<(&'a str, Cow<'a, [u8]>)>,
}

impl Wire {
    /// Headers that all requests with this reply topic have in common.
    pub(crate) fn constant_headers(&self, reply_topic: &str) -> Vec<(&str, Vec<u8>)> {
        let mut headers = vec![(&*self.reply_to_header, reply_topic.as_bytes().to_vec())];
        if let (Some(header), Some(partition)) =
            (&self.reply_partition_header, self.reply_partition)
        {
            headers.push((&header.name, header.value(partition)));
        }
        headers
    }

    /// Puts the id into a request. Headers of the request that are the run's own to set are left
    /// out: a captured record still has those of the client that made it.
    ///
    /// # Errors
    ///
    /// When the id goes into the body, and the body has no place for it.
    pub(crate) fn outgoing<'a>(&'a self, request: &'a Request) -> Result<Outgoing<'a>, Unsendable> {
        let mut buffer = [0; 36];
        let id = self.correlation_format.write(request.id, &mut buffer);
        let foreign = request.headers.iter();
        let foreign = foreign.filter(|(name, value)| !self.is_own(name, value));
        let mut headers: Vec<_> = foreign
            .map(|(name, value)| (&**name, Cow::Borrowed(&**value)))
            .collect();
        let mut key = request.key.as_deref().map(Cow::Borrowed);
        let mut body = request.body.as_deref().map(Cow::Borrowed);
        match &self.correlation {
            Correlation::Header(name) => headers.push((name, Cow::Owned(id.to_vec()))),
            Correlation::Echo(name) => {
                let value = [name.as_bytes(), b":", id].concat();
                headers.push((SET_HEADER, Cow::Owned(value)));
            }
            Correlation::Key => key = Some(Cow::Owned(id.to_vec())),
            Correlation::Payload(pointer) => {
                let text = String::from_utf8_lossy(id).into_owned();
                body = Some(Cow::Owned(with_id(body.as_deref(), pointer, text)?));
            }
        }
        Ok(Outgoing { key, body, headers })
    }

    fn is_own(&self, name: &str, value: &[u8]) -> bool {
        let asks_for_ours = match &self.correlation {
            Correlation::Echo(own) if name.eq_ignore_ascii_case(SET_HEADER) => {
                let asked = value.split(|byte| *byte == b':').next().unwrap_or_default();
                asked.trim_ascii().eq_ignore_ascii_case(own.as_bytes())
            }
            _ => false,
        };
        asks_for_ours || self.own_header(name).is_some()
    }

    /// Whether requests with this body can carry their id; asked before a run.
    ///
    /// # Errors
    ///
    /// When they cannot.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Unsendable> {
        self.outgoing(request).map(|_| ())
    }
}

/// A JSON body with the id at a pointer. Members are made where they are missing; the order of the
/// members is not kept.
fn with_id(body: Option<&[u8]>, pointer: &str, id: String) -> Result<Vec<u8>, Unsendable> {
    let failed = |reason| Unsendable::Body {
        pointer: pointer.to_owned(),
        reason,
    };
    let parsed = serde_json::from_slice::<Value>(body.unwrap_or_default());
    let mut json = parsed.ok().filter(Value::is_object);
    let json = json
        .as_mut()
        .ok_or_else(|| failed("the body is no JSON object"))?;
    let mut place = &mut *json;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Object(members) => members
                .entry(name)
                .or_insert_with(|| Value::Object(serde_json::Map::new())),
            Value::Array(items) => {
                let item = name
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index));
                item.ok_or_else(|| failed("the array has no such item"))?
            }
            _ => return Err(failed("a value is in the way")),
        };
    }
    *place = Value::String(id);
    serde_json::to_vec(json).map_err(|_| failed("the body cannot be written"))
}

// How a request names the partition that it wants its reply on.

/// The header that names the partition of the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PartitionHeader {
    /// Its name.
    pub name: String,
    /// How the number is written.
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
    /// The header's value.
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
