//! Copies librdkafka's borrowed messages to plain records.

use bytes::{Bytes, BytesMut};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Headers as _, Message};

use super::events::ConsumerEvents;
use super::unreadable::look;
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;
use crate::{Coordinates, Headers, Record};

/// Copies a message, and tags it with the generation of its partition's assignment.
pub(super) fn to_record(
    message: &BorrowedMessage<'_>,
    context: &ConsumerEvents,
    max_headers: usize,
) -> Record {
    let (topic_partition, generation) = context.locate(message.topic(), message.partition());
    let borrowed = message.headers();
    let count = borrowed.map_or(0, |headers| accepted(headers, max_headers));
    let mut parts = Parts::with_room(message.key().map_or(0, <[u8]>::len) + count * VALUE_LEN);
    let key = message.key().map(|key| parts.copy(key));
    let label = &context.label;
    let headers =
        borrowed.map(|headers| copied(label, count, &mut parts, |index| headers.try_get(index)));
    Record {
        coordinates: Coordinates {
            topic_partition,
            offset: message.offset(),
            generation,
        },
        timestamp: message.timestamp().to_millis(),
        key,
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    }
}

/// Returns how many headers to copy, at most one more than the limit. A record can hold a quarter of a million headers,
/// and each costs far more here than on the wire.
fn accepted(borrowed: &BorrowedHeaders, max_headers: usize) -> usize {
    borrowed.count().min(max_headers.saturating_add(1))
}

/// The expected length of a header's value, in bytes. A longer value costs one more buffer.
const VALUE_LEN: usize = 48;

/// One buffer for the key and all header values: request, reply and [`crate::KafkaRecord`] then share them without an
/// allocation for each. The record's value has its own buffer, which can be freed earlier.
struct Parts(BytesMut);

impl Parts {
    fn with_room(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes))
    }

    fn copy(&mut self, part: &[u8]) -> Bytes {
        self.0.extend_from_slice(part);
        self.0.split().freeze()
    }
}

fn copied<'a>(
    label: &BridgeLabel,
    count: usize,
    parts: &mut Parts,
    get: impl Fn(usize) -> Option<Header<'a, &'a [u8]>>,
) -> Headers {
    let mut headers = Headers::with_capacity(count);
    for index in 0..count {
        match look(|| get(index)) {
            Some(Some(header)) => {
                headers.push_nullable(header.key, header.value.map(|value| parts.copy(value)));
            }
            Some(None) => {}
            None => label.count(metric_names::UNREADABLE_HEADERS, []),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn h10_unreadable_header_names_cost_themselves_and_none_of_the_others() {
        let looks = Cell::new(0);
        let read = |unreadable: fn(usize) -> bool| {
            looks.set(0);
            copied(
                &BridgeLabel::default(),
                257,
                &mut Parts::with_room(0),
                |index| {
                    looks.set(looks.get() + 1);
                    assert!(!unreadable(index), "as rdkafka does");
                    let value = Some(&b"value"[..]);
                    Some(Header { key: "key", value })
                },
            )
        };
        assert_eq!(read(|index| index == 1).len(), 256);
        assert_eq!(read(|index| index % 2 == 1).len(), 129);
        assert_eq!(read(|index| index < 10).len(), 247);
        assert_eq!(read(|_| true).len(), 0);
        assert_eq!(looks.get(), 257, "each is looked at once");
    }
}
