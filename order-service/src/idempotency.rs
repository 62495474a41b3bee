//! Recognizes a repeated request, so that it creates one order. Pure: it knows no store.
//!
//! The order's id follows from the identity of the request, so that a repetition finds the order under the same id. See
//! `docs/adr/0007-idempotency.md`.

use std::str::FromStr;

use uuid::Uuid;

use crate::order::Item;

/// How long an idempotency key may be, in bytes.
pub const MAX_KEY_BYTES: usize = 255;

/// The namespace of this service's ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x9b1d_6f04_53f7_4c0e_8a52_d1c7_30be_72a9);

/// A key that the requester chooses for one request, and sends again with each repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A text is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("idempotency-key takes 1 to {MAX_KEY_BYTES} visible ASCII characters, once")]
pub struct InvalidKey;

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    /// Takes the key with or without double quotes. The IETF's draft has them.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let quoted = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        let legal = key.bytes().all(|byte| byte.is_ascii_graphic());
        if legal && (1..=MAX_KEY_BYTES).contains(&key.len()) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidKey)
        }
    }
}

/// The place of the request in Kafka, and the headers by which its requester recognizes the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordIdentity {
    /// The record's topic.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The record's timestamp, if it has one. A topic that was deleted and created again has the same offsets, but
    /// other timestamps.
    pub timestamp: Option<i64>,
    /// Names and values of the headers that differ between requests.
    pub correlation: Vec<(&'static str, Vec<u8>)>,
}

/// The identity of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestIdentity {
    /// It has none: each request is a new one.
    Unknown,
    /// The requester's key.
    Key(IdempotencyKey),
    /// The request's record. A redelivered record has the same identity.
    Record(RecordIdentity),
}

impl RequestIdentity {
    /// Returns the id of the order that a request for `items` creates.
    #[must_use]
    pub fn order_id(&self, items: &[Item]) -> Uuid {
        match self {
            Self::Unknown => Uuid::new_v4(),
            Self::Key(key) => Name::new("key").part(key.0.as_bytes()).id(),
            Self::Record(record) => record.name().items(items).id(),
        }
    }

    /// Returns a digest of the content, to compare with that of a repetition. `None` if the id depends on the content.
    #[must_use]
    pub fn content(&self, items: &[Item]) -> Option<Uuid> {
        match self {
            Self::Key(_) => Some(Name::new("content").items(items).id()),
            Self::Unknown | Self::Record(_) => None,
        }
    }
}

impl RecordIdentity {
    fn name(&self) -> Name {
        let name = Name::new("record")
            .part(self.topic.as_bytes())
            .part(&self.partition.to_be_bytes())
            .part(&self.offset.to_be_bytes())
            .part(&self.timestamp.map(i64::to_be_bytes).unwrap_or_default())
            .part(&self.correlation.len().to_be_bytes());
        let headers = self.correlation.iter();
        headers.fold(name, |name, (header, value)| {
            name.part(header.as_bytes()).part(value)
        })
    }
}

/// The name that an id is computed from. Each part has its length, so that different lists of parts differ.
struct Name(Vec<u8>);

impl Name {
    fn new(kind: &str) -> Self {
        Self(Vec::with_capacity(256)).part(kind.as_bytes())
    }

    fn part(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&bytes.len().to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn items(self, items: &[Item]) -> Self {
        items.iter().fold(self, |name, item| {
            name.part(item.sku.as_bytes())
                .part(&item.count.to_be_bytes())
        })
    }

    fn id(self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(sku: &str) -> Vec<Item> {
        let sku = sku.to_owned();
        vec![Item { sku, count: 1 }]
    }

    fn key(text: &str) -> RequestIdentity {
        RequestIdentity::Key(text.parse().unwrap())
    }

    fn record() -> RecordIdentity {
        RecordIdentity {
            topic: "createOrder".to_owned(),
            partition: 3,
            offset: 7,
            timestamp: Some(5),
            correlation: vec![("x-reply-set-header", b"x-request-id:1".to_vec())],
        }
    }

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        let longest = "k".repeat(MAX_KEY_BYTES);
        for text in ["a", "!~", &longest, "\"quoted\""] {
            assert!(text.parse::<IdempotencyKey>().is_ok(), "{text}");
        }
        let too_long = "k".repeat(MAX_KEY_BYTES + 1);
        for text in ["", "\"\"", "a b", "a\tb", "é", "\x7f", &too_long] {
            assert_eq!(text.parse::<IdempotencyKey>(), Err(InvalidKey), "{text}");
        }
        assert_eq!("\"a\"".parse::<IdempotencyKey>(), "a".parse());
    }

    #[test]
    fn a_key_stands_for_one_order_whatever_is_in_it() {
        assert_eq!(
            key("k").order_id(&items("a")),
            key("k").order_id(&items("b"))
        );
        assert_ne!(
            key("k").order_id(&items("a")),
            key("l").order_id(&items("a"))
        );
        assert_eq!(key("k").content(&items("a")), key("l").content(&items("a")));
        assert_ne!(key("k").content(&items("a")), key("k").content(&items("b")));
    }

    #[test]
    fn h19_only_the_same_record_with_the_same_content_has_the_same_id() {
        let id =
            |record: RecordIdentity, sku| RequestIdentity::Record(record).order_id(&items(sku));
        let first = id(record(), "a");
        assert_eq!(first, id(record(), "a"));
        assert_ne!(first, id(record(), "b"));
        let other = |change: fn(&mut RecordIdentity)| {
            let mut other = record();
            change(&mut other);
            id(other, "a")
        };
        assert_ne!(first, other(|record| record.topic.push('2')));
        assert_ne!(first, other(|record| record.partition = 4));
        assert_ne!(first, other(|record| record.offset = 8));
        assert_ne!(first, other(|record| record.timestamp = Some(6)));
        assert_ne!(first, other(|record| record.correlation[0].1.push(b'1')));
        assert_ne!(first, other(|record| record.correlation.clear()));
    }

    #[test]
    fn without_an_identity_each_request_is_new() {
        let unknown = RequestIdentity::Unknown;
        assert_ne!(unknown.order_id(&items("a")), unknown.order_id(&items("a")));
    }
}
