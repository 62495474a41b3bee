//! The headers of records that the harness itself sends.

use rdkafka::message::{Header, OwnedHeaders};

/// Names and values in librdkafka's form.
pub(crate) fn record_headers(headers: &[(&str, &str)]) -> OwnedHeaders {
    let none = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(none, |record, (key, value)| {
        record.insert(Header {
            key,
            value: Some(*value),
        })
    })
}
