//! How requests and replies find each other on Kafka: header names, encodings, good replies. Pure; other modules make
//! and read the records.
//!
//! Services differ only in these conventions, so that any service can be measured without changes. A profile names the
//! conventions of a framework. Every part of a [`Wire`] can also be set by itself.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::scenario::{BodyChecks, Request, StatusSet};

/// The conventions of requests and replies. The default is the profile `reference`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wire {
    /// The request header that names the topic of the reply.
    pub(crate) reply_to_header: String,
    /// Where a request carries its id.
    pub(crate) correlation: IdPlace,
    /// Where a reply carries the id of its request; `None` for the same place.
    pub(crate) reply_correlation: Option<IdPlace>,
    /// How the id is written.
    pub(crate) correlation_format: IdFormat,
    /// The request header that names the partition of the reply.
    pub(crate) reply_partition_header: Option<PartitionHeader>,
    /// The only partition for replies; `None` leaves the choice to the service.
    pub(crate) reply_partition: Option<i32>,
    /// The reply header with the status. With `None`, every reply without an error header is good.
    pub(crate) status_header: Option<String>,
    /// The good statuses of requests that do not set their own.
    pub(crate) expect_status: StatusSet,
    /// The body checks of requests that do not set their own.
    pub(crate) expect_body: BodyChecks,
    /// Reply headers whose presence means a failure.
    pub(crate) error_headers: Vec<String>,
}

impl Default for Wire {
    /// Returns the conventions of the order service: `reply-to`, `x-reply-set-header` and `status-code`.
    fn default() -> Self {
        Self {
            reply_to_header: "reply-to".to_owned(),
            correlation: IdPlace::Echo("x-request-id".to_owned()),
            reply_correlation: None,
            correlation_format: IdFormat::Uuid,
            reply_partition_header: None,
            reply_partition: None,
            status_header: Some("status-code".to_owned()),
            expect_status: StatusSet::default(),
            expect_body: BodyChecks::default(),
            error_headers: Vec::new(),
        }
    }
}

impl Wire {
    /// Returns the conventions of a well-known framework, as it documents them. The error lists the names.
    pub(crate) fn of_profile(name: &str) -> Result<Self, String> {
        let named = |reply_to: &str, correlation: &str| Self {
            reply_to_header: reply_to.to_owned(),
            correlation: IdPlace::Header(correlation.to_owned()),
            status_header: None,
            ..Self::default()
        };
        let partition = |name: &str, encoding| {
            let name = name.to_owned();
            Some(PartitionHeader { name, encoding })
        };
        Ok(match name {
            "reference" => Self::default(),
            // A `@KafkaListener` with `@SendTo` behind Spring's `ReplyingKafkaTemplate`.
            "spring" => Self {
                correlation_format: IdFormat::UuidBytes,
                reply_partition_header: partition("kafka_replyPartition", PartitionEncoding::Bytes),
                // Error handlers that answer set these headers. The default error handler sends no reply.
                error_headers: ["kafka_exception-message", "kafka_exception-fqcn"]
                    .map(str::to_owned)
                    .to_vec(),
                ..named("kafka_replyTopic", "kafka_correlationId")
            },
            // A service behind SmallRye's and Quarkus' `KafkaRequestReply`.
            "smallrye" => Self {
                reply_partition_header: partition("REPLY_PARTITION", PartitionEncoding::Bytes),
                ..named("REPLY_TOPIC", "REPLY_CORRELATION_ID")
            },
            // A NestJS microservice behind `ClientKafka.send`. If the reply is a stream, its first record ends the
            // request.
            "nest" => Self {
                reply_partition_header: partition("kafka_replyPartition", PartitionEncoding::Text),
                error_headers: vec!["kafka_nest-err".to_owned()],
                ..named("kafka_replyTopic", "kafka_correlationId")
            },
            // A FastStream subscriber behind `broker.request`.
            "faststream" => named("reply_to", "correlation_id"),
            // A service behind Zilla's `http-kafka` binding.
            "zilla" => Self {
                status_header: Some(":status".to_owned()),
                ..named("zilla:reply-to", "zilla:correlation-id")
            },
            _ => {
                let takes = "takes reference, spring, smallrye, nest, faststream or zilla";
                return Err(takes.to_owned());
            }
        })
    }

    /// Checks that the parts fit together. The error names the flags that do not.
    pub(crate) fn validated(self) -> Result<Self, String> {
        let is_text = |place: &IdPlace| matches!(place, IdPlace::Echo(_) | IdPlace::Payload(_));
        let needs_text =
            is_text(&self.correlation) || self.reply_correlation.as_ref().is_some_and(is_text);
        if needs_text && self.correlation_format == IdFormat::UuidBytes {
            let reason = "--correlation-format: echo and payload need text, which uuid-bytes is not; use uuid or hex";
            return Err(reason.to_owned());
        }
        if self.reply_partition.is_some() && self.reply_partition_header.is_none() {
            let reason = "--reply-partition: the profile has no header for it; name one by --reply-partition-header";
            return Err(reason.to_owned());
        }
        Ok(self)
    }

    /// Returns the header of this name and its flag, if only the run itself may set that header.
    pub(crate) fn own_header(&self, name: &str) -> Option<(&str, &'static str)> {
        let id = match &self.correlation {
            IdPlace::Header(name) => Some(name),
            _ => None,
        };
        let partition = self.reply_partition_header.as_ref();
        let own = [
            (Some(&self.reply_to_header), "--reply-topic"),
            (id, "--correlation"),
            (partition.map(|header| &header.name), "--reply-partition"),
        ];
        let mut own = own
            .into_iter()
            .filter_map(|(own, flag)| Some((own?.as_str(), flag)));
        own.find(|(own, _)| own.eq_ignore_ascii_case(name))
    }
}

/// Where a record carries the id of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdPlace {
    /// A request carries it in `x-reply-set-header: NAME:<id>`, which asks the service to set the header `NAME` on its
    /// reply. A reply carries it in that header.
    Echo(String),
    /// In a header of this name.
    Header(String),
    /// The record's key is the id.
    Key,
    /// In the body, which is a JSON object, at this pointer (RFC 6901).
    Payload(String),
}

impl IdPlace {
    /// Parses a place that is set for replies alone.
    pub(crate) fn of_reply(text: &str) -> Result<Self, String> {
        let place = text.parse().ok();
        let place = place.filter(|place| !matches!(place, Self::Echo(_)));
        place.ok_or_else(|| "takes header:NAME, key or payload:/JSON/POINTER".to_owned())
    }
}

impl FromStr for IdPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "key" => Ok(Self::Key),
            // Only the first colon separates, because `zilla:correlation-id` is a name.
            Some(("header", name)) if is_name(name) => Ok(Self::Header(name.to_owned())),
            Some(("payload", pointer)) if is_pointer(pointer) => {
                Ok(Self::Payload(pointer.to_owned()))
            }
            Some(("echo", name)) if is_name(name) && !name.contains(':') => {
                Ok(Self::Echo(name.to_owned()))
            }
            _ => Err("takes header:NAME, key, payload:/JSON/POINTER or echo:NAME".to_owned()),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains('\0')
}

/// Returns whether this is a pointer to a member. The whole document cannot be an id.
fn is_pointer(pointer: &str) -> bool {
    let mut escapes = pointer.split('~').skip(1);
    pointer.len() > 1
        && pointer.starts_with('/')
        && escapes.all(|rest| rest.starts_with(['0', '1']))
}

impl Serialize for IdPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, name) = match self {
            Self::Echo(name) => ("echo", name),
            Self::Header(name) => ("header", name),
            Self::Payload(pointer) => ("payload", pointer),
            Self::Key => return serializer.serialize_str("key"),
        };
        serializer.collect_str(&format_args!("{kind}:{name}"))
    }
}

/// The format of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdFormat {
    /// A UUID's text with hyphens.
    Uuid,
    /// A UUID's 16 bytes, the most significant first.
    UuidBytes,
    /// A UUID's 32 hexadecimal digits.
    Hex,
}

impl IdFormat {
    /// Writes an id into a buffer, and returns the written part.
    fn write(self, id: Uuid, buffer: &mut [u8; 36]) -> &[u8] {
        match self {
            Self::Uuid => id.hyphenated().encode_lower(buffer).as_bytes(),
            Self::Hex => id.simple().encode_lower(buffer).as_bytes(),
            Self::UuidBytes => {
                buffer[..16].copy_from_slice(id.as_bytes());
                &buffer[..16]
            }
        }
    }

    /// Parses an id, or returns `None` if it is not of this format.
    pub(super) fn read(self, value: &[u8]) -> Option<Uuid> {
        match self {
            Self::UuidBytes => Uuid::from_slice(value).ok(),
            Self::Uuid | Self::Hex => Uuid::try_parse_ascii(value.trim_ascii()).ok(),
        }
    }
}

/// The header that names the partition of the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PartitionHeader {
    name: String,
    encoding: PartitionEncoding,
}

/// The format of a partition's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PartitionEncoding {
    /// Four bytes, the most significant first.
    Bytes,
    /// Decimal digits.
    Text,
}

impl FromStr for PartitionHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (encoding, name) = match text.split_once(':') {
            Some(("bytes", name)) if is_name(name) => (PartitionEncoding::Bytes, name),
            Some(("text", name)) if is_name(name) => (PartitionEncoding::Text, name),
            _ => return Err("takes bytes:NAME or text:NAME".to_owned()),
        };
        let name = name.to_owned();
        Ok(Self { name, encoding })
    }
}

/// The header of the reference that asks for a header on the reply.
const SET_HEADER: &str = "x-reply-set-header";

/// A request as it is sent, without the headers that are the same for all requests of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing<'a> {
    pub(super) key: Option<Cow<'a, [u8]>>,
    pub(super) body: Option<Cow<'a, [u8]>>,
    pub(super) headers: Vec<(&'a str, Cow<'a, [u8]>)>,
}

impl Wire {
    /// Returns the headers that all requests with this reply topic share.
    pub(super) fn constant_headers(&self, reply_topic: &str) -> Vec<(&str, Vec<u8>)> {
        let mut headers = vec![(&*self.reply_to_header, reply_topic.as_bytes().to_vec())];
        if let (Some(header), Some(partition)) =
            (&self.reply_partition_header, self.reply_partition)
        {
            let value = match header.encoding {
                PartitionEncoding::Bytes => partition.to_be_bytes().to_vec(),
                PartitionEncoding::Text => partition.to_string().into_bytes(),
            };
            headers.push((&header.name, value));
        }
        headers
    }

    /// Puts the id into a request. Headers that only the run may set are left out, because a captured record still has
    /// those of its original client. Fails when the body has no place for the id, but must carry it.
    pub(crate) fn outgoing<'a>(&'a self, request: &'a Request) -> Result<Outgoing<'a>, String> {
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
            IdPlace::Echo(name) => {
                let value = [name.as_bytes(), b":", id].concat();
                headers.push((SET_HEADER, Cow::Owned(value)));
            }
            IdPlace::Header(name) => headers.push((name, Cow::Owned(id.to_vec()))),
            IdPlace::Key => key = Some(Cow::Owned(id.to_vec())),
            IdPlace::Payload(pointer) => {
                let text = String::from_utf8_lossy(id).into_owned();
                body = Some(Cow::Owned(with_id(body.as_deref(), pointer, text)?));
            }
        }
        Ok(Outgoing { key, body, headers })
    }

    fn is_own(&self, name: &str, value: &[u8]) -> bool {
        let asks_for_ours = match &self.correlation {
            IdPlace::Echo(own) if name.eq_ignore_ascii_case(SET_HEADER) => {
                let asked = value.split(|byte| *byte == b':').next().unwrap_or_default();
                asked.trim_ascii().eq_ignore_ascii_case(own.as_bytes())
            }
            _ => false,
        };
        asks_for_ours || self.own_header(name).is_some()
    }
}

/// Returns a JSON body with the id at a pointer. Missing members are created. The order of the members is not kept.
fn with_id(body: Option<&[u8]>, pointer: &str, id: String) -> Result<Vec<u8>, String> {
    let failed = |reason: &str| format!("the id cannot be put at {pointer}: {reason}");
    let parsed = serde_json::from_slice::<Value>(body.unwrap_or_default());
    let json = parsed.ok().filter(Value::is_object);
    let mut json = json.ok_or_else(|| failed("the body is not a JSON object"))?;
    let mut place = &mut json;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Object(members) => members
                .entry(name)
                .or_insert_with(|| Value::Object(serde_json::Map::new())),
            Value::Array(items) => {
                let index = name.parse::<usize>().ok();
                let item = index.and_then(|index| items.get_mut(index));
                item.ok_or_else(|| failed("the array has no such item"))?
            }
            _ => {
                return Err(failed(
                    "a value on the path is neither an object nor an array",
                ));
            }
        };
    }
    *place = Value::String(id);
    Ok(json.to_string().into_bytes())
}

#[cfg(test)]
mod tests;
