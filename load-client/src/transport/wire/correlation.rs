//! Where the id of a request is carried, and how it is written.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

const TAKES: &str = "takes header:NAME, key, payload:/JSON/POINTER or echo:NAME";
const REPLY_TAKES: &str = "takes header:NAME, key or payload:/JSON/POINTER";

/// Where a request carries its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Correlation {
    /// In a header of this name.
    Header(String),
    /// In `x-reply-set-header: NAME:<id>`, which asks the service to put the header `NAME` on its
    /// reply.
    Echo(String),
    /// It is the record's key.
    Key,
    /// In the body, a JSON object, at this pointer (RFC 6901).
    Payload(String),
}

/// Where a reply carries the id of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReplyCorrelation {
    /// In a header of this name.
    Header(String),
    /// It is the record's key.
    Key,
    /// In the body, which is JSON, at this pointer (RFC 6901).
    Payload(String),
}

/// How an id is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdFormat {
    /// A UUID's text with hyphens.
    Uuid,
    /// A UUID's 16 bytes, the most significant first.
    UuidBytes,
    /// A UUID's 32 hexadecimal digits.
    Hex,
}

impl Correlation {
    pub(super) fn of_reply(&self) -> ReplyCorrelation {
        match self {
            Self::Header(name) | Self::Echo(name) => ReplyCorrelation::Header(name.clone()),
            Self::Key => ReplyCorrelation::Key,
            Self::Payload(pointer) => ReplyCorrelation::Payload(pointer.clone()),
        }
    }
}

impl FromStr for Correlation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("echo", name)) if is_name(name) && !name.contains(':') => {
                Ok(Self::Echo(name.to_owned()))
            }
            _ => match text.parse::<ReplyCorrelation>() {
                Ok(ReplyCorrelation::Header(name)) => Ok(Self::Header(name)),
                Ok(ReplyCorrelation::Key) => Ok(Self::Key),
                Ok(ReplyCorrelation::Payload(pointer)) => Ok(Self::Payload(pointer)),
                Err(_) => Err(TAKES.to_owned()),
            },
        }
    }
}

impl FromStr for ReplyCorrelation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "key" => Ok(Self::Key),
            // `zilla:correlation-id` is a name: the first colon alone separates.
            Some(("header", name)) if is_name(name) => Ok(Self::Header(name.to_owned())),
            Some(("payload", pointer)) if is_pointer(pointer) => {
                Ok(Self::Payload(pointer.to_owned()))
            }
            _ => Err(REPLY_TAKES.to_owned()),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains('\0')
}

/// A pointer to a member: the whole document is no place for an id.
fn is_pointer(pointer: &str) -> bool {
    let escapes = pointer.split('~').skip(1);
    pointer.len() > 1
        && pointer.starts_with('/')
        && escapes.into_iter().all(|rest| rest.starts_with(['0', '1']))
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(name) => write!(f, "echo:{name}"),
            other => other.of_reply().fmt(f),
        }
    }
}

impl fmt::Display for ReplyCorrelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Key => f.write_str("key"),
            Self::Payload(pointer) => write!(f, "payload:{pointer}"),
        }
    }
}

impl Serialize for Correlation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ReplyCorrelation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for IdFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "uuid" => Ok(Self::Uuid),
            "uuid-bytes" => Ok(Self::UuidBytes),
            "hex" => Ok(Self::Hex),
            _ => Err("takes uuid, uuid-bytes or hex".to_owned()),
        }
    }
}

impl IdFormat {
    /// Writes an id into a buffer, and answers the written part.
    pub(crate) fn write(self, id: Uuid, buffer: &mut [u8; 36]) -> &[u8] {
        match self {
            Self::Uuid => id.hyphenated().encode_lower(buffer).as_bytes(),
            Self::Hex => id.simple().encode_lower(buffer).as_bytes(),
            Self::UuidBytes => {
                buffer[..16].copy_from_slice(id.as_bytes());
                &buffer[..16]
            }
        }
    }

    /// Reads an id; `None` when it is none of ours.
    pub(crate) fn read(self, value: &[u8]) -> Option<Uuid> {
        match self {
            Self::UuidBytes => Uuid::from_slice(value).ok(),
            Self::Uuid | Self::Hex => Uuid::try_parse_ascii(value.trim_ascii()).ok(),
        }
    }
}
