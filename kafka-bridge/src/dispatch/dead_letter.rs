//! Makes the dead letter: the record that replaces a reply that cannot be produced. Pure.

use std::sync::Arc;

use crate::{Headers, OutboundRecord, Record};

/// The prefix of each header that the bridge adds. Inbound headers with it are dropped, so that no client can forge a
/// cause or an origin.
const PREFIX: &str = "dead-letter-";

/// Copies a record for the dead-letter topic. Key, value and headers stay the same, then come the cause and the
/// record's origin.
pub(crate) fn letter(record: &Record, topic: Arc<str>, cause: &str) -> OutboundRecord {
    let mut headers = Headers::with_capacity(record.headers.len() + 4);
    let is_own = |name: &str| {
        name.get(..PREFIX.len())
            .is_some_and(|p| p.eq_ignore_ascii_case(PREFIX))
    };
    for (name, value) in record.headers.iter().filter(|(name, _)| !is_own(name)) {
        headers.push_nullable(name, value.cloned());
    }
    let at = &record.coordinates;
    headers.push(format!("{PREFIX}cause"), cause.to_owned());
    headers.push(
        format!("{PREFIX}topic"),
        at.topic_partition.topic.to_string(),
    );
    headers.push(
        format!("{PREFIX}partition"),
        at.topic_partition.partition.to_string(),
    );
    headers.push(format!("{PREFIX}offset"), at.offset.to_string());
    OutboundRecord {
        topic,
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
        partition: None,
    }
}

/// Makes the same letter without the record's value and adds the value's size; `None` if the record has no value. The
/// origin in the letter locates the original record for as long as its topic keeps it.
pub(crate) fn shortened(record: &Record, topic: Arc<str>, cause: &str) -> Option<OutboundRecord> {
    let size = record
        .value
        .as_ref()
        .filter(|value| !value.is_empty())?
        .len();
    let mut letter = letter(record, topic, cause);
    letter.value = None;
    letter
        .headers
        .push(format!("{PREFIX}value"), format!("left out, {size} bytes"));
    Some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h17_carries_cause_and_origin_and_drops_forgeries() {
        let record = Record::new("createOrder", 3, 7)
            .with_key("k")
            .with_value("v")
            .with_header("a", "1")
            .with_header("Dead-Letter-Cause", "forged");
        let letter = letter(&record, "dead".into(), "refused: unknown topic");

        let headers: Vec<_> = letter
            .headers
            .iter()
            .map(|(n, v)| (n, &v.unwrap()[..]))
            .collect();
        let expected: [(&str, &[u8]); 5] = [
            ("a", b"1"),
            ("dead-letter-cause", b"refused: unknown topic"),
            ("dead-letter-topic", b"createOrder"),
            ("dead-letter-partition", b"3"),
            ("dead-letter-offset", b"7"),
        ];
        assert_eq!(headers, expected);
        assert_eq!(
            (letter.key.as_deref(), letter.value.as_deref()),
            (Some(&b"k"[..]), Some(&b"v"[..]))
        );
    }

    #[test]
    fn h18_headers_key_and_value_are_byte_identical_with_nulls_and_repeats() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let mut record = Record::new("createOrder", 0, 0)
            .with_key(every_byte.clone())
            .with_value(every_byte.clone())
            .with_header("A", every_byte.clone())
            .with_header("\u{e9} \n", every_byte.clone());
        record.headers.push_nullable("A", None);
        record.headers.push("A", "");
        let letter = letter(&record, "dead".into(), "cause");

        let copied: Vec<_> = letter.headers.iter().take(4).collect();
        assert_eq!(copied, record.headers.iter().collect::<Vec<_>>());
        assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
        assert_eq!(letter.headers.len(), 8);
    }
}
