//! Copies librdkafka's borrowed messages into plain records.

use bytes::Bytes;
use metrics::counter;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Headers as _, Message};

use super::events::ConsumerEvents;
use super::unreadable::look;
use crate::telemetry::metric_names;
use crate::{Coordinates, Headers, Record};

/// Copies a message, and tags it with the generation of its partition's assignment.
pub(super) fn to_record(
    message: &BorrowedMessage<'_>,
    context: &ConsumerEvents,
    max_headers: usize,
) -> Record {
    let (topic_partition, generation) = context.locate(message.topic(), message.partition());
    let headers = message
        .headers()
        .map(|borrowed| to_headers(borrowed, max_headers));
    Record {
        coordinates: Coordinates {
            topic_partition,
            offset: message.offset(),
            generation,
        },
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    }
}

/// Copies the headers, at most one more than will be accepted: a record can hold a quarter of a
/// million of them, and each costs far more here than on the wire.
fn to_headers(borrowed: &BorrowedHeaders, max_headers: usize) -> Headers {
    let count = borrowed.count().min(max_headers.saturating_add(1));
    copied(count, |index| borrowed.try_get(index))
}

fn copied<'a>(count: usize, get: impl Fn(usize) -> Option<Header<'a, &'a [u8]>>) -> Headers {
    let mut headers = Headers::with_capacity(count);
    for index in 0..count {
        match look(|| get(index)) {
            Some(Some(header)) => {
                headers.push_nullable(header.key, header.value.map(Bytes::copy_from_slice));
            }
            Some(None) => {}
            None => counter!(metric_names::UNREADABLE_HEADERS).increment(1),
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
            copied(257, |index| {
                looks.set(looks.get() + 1);
                assert!(!unreadable(index), "as rdkafka does");
                let value = Some(&b"value"[..]);
                Some(Header { key: "key", value })
            })
        };
        assert_eq!(read(|index| index == 1).len(), 256);
        assert_eq!(read(|index| index % 2 == 1).len(), 129);
        assert_eq!(read(|index| index < 10).len(), 247);
        assert_eq!(read(|_| true).len(), 0);
        assert_eq!(looks.get(), 257, "each is looked at once");
    }
}
