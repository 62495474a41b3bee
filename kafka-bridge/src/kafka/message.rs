//! Copies librdkafka's borrowed messages into plain records.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use metrics::counter;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message};

use super::rebalance::Rebalancing;
use crate::{Coordinates, Headers, Record, metric_names};

/// Copies a message, and tags it with the generation of its partition's assignment.
pub(super) fn to_record(
    message: &BorrowedMessage<'_>,
    context: &Rebalancing,
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
    let mut headers = Headers::with_capacity(count);
    for index in 0..count {
        // rdkafka 0.39 panics on a name that is not UTF-8 (`try_get` in its message.rs unwraps);
        // one hostile header must not cost the thread, so it costs itself only.
        match catch_unwind(AssertUnwindSafe(|| borrowed.try_get(index))) {
            Ok(Some(header)) => {
                headers.push_nullable(header.key, header.value.map(Bytes::copy_from_slice));
            }
            Ok(None) => {}
            Err(_) => counter!(metric_names::UNREADABLE_HEADERS).increment(1),
        }
    }
    headers
}
