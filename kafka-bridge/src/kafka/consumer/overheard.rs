//! Reads facts that librdkafka reports only in its log lines: the id of a topic, and that a position was not in the
//! log.
//!
//! rdkafka's safe interface has no topic ids, and no event for a position reset. The lines are those of librdkafka
//! 2.12. The tests against Apache Kafka fail if another version changes them.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

/// The debug context of the lines with topic ids, which logs some lines for each metadata request.
const CONTEXT: &str = "metadata";

/// A fact from a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Overheard<'a> {
    /// A topic's id, when the topic is first seen, and when its id changes.
    TopicId { topic: &'a str, id: &'a str },
    /// A position was not in the log. The partition continues at the log's beginning.
    Reset {
        topic: &'a str,
        partition: i32,
        position: i64,
    },
}

/// Makes a client log the lines that this module reads, besides those that the user asked for.
pub(in crate::kafka) fn listen(config: &mut ClientConfig) {
    let debug = match config.get("debug") {
        Some(own) if !own.is_empty() => format!("{own},{CONTEXT}"),
        _ => CONTEXT.to_owned(),
    };
    config.set("debug", debug);
    config.set_log_level(RDKafkaLogLevel::Debug);
}

/// Reads one of librdkafka's log lines.
pub(super) fn read<'a>(facility: &str, line: &'a str) -> Option<Overheard<'a>> {
    // The line starts with the thread's name, unless `log.thread.name` is off.
    let line = match line.strip_prefix("[thrd:") {
        Some(named) => named.split_once("]: ")?.1,
        None => line,
    };
    match facility {
        "METADATA" => topic_id(line),
        "OFFSET" => reset(line),
        _ => None,
    }
}

/// Reads `Topic orders changed id from AAAAAAAAAAAAAAAAAAAAAA to 3bOCCXYyQkqV6V8JYAFLbA`.
fn topic_id(line: &str) -> Option<Overheard<'_>> {
    let (topic, ids) = line
        .strip_prefix("Topic ")?
        .split_once(" changed id from ")?;
    let (_, id) = ids.split_once(" to ")?;
    Some(Overheard::TopicId { topic, id })
}

/// Reads `orders [0]: offset reset (at offset 7 (leader epoch 0), broker 1) to ...`.
fn reset(line: &str) -> Option<Overheard<'_>> {
    let (partition, rest) = line.split_once("]: offset reset (at offset ")?;
    let (topic, partition) = partition.split_once(" [")?;
    let (position, _) = rest.split_once(' ')?;
    Some(Overheard::Reset {
        topic,
        partition: partition.parse().ok()?,
        // Not a number if there was no position.
        position: position.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_topic_ids_and_resets_and_no_other_line() {
        let line = "[thrd:main]: Topic orders changed id from AAAA to 3bOC";
        let told = Overheard::TopicId {
            topic: "orders",
            id: "3bOC",
        };
        assert_eq!(read("METADATA", line), Some(told));
        let line = "orders.v-1 [12]: offset reset (at offset 300 (leader epoch 0), broker 1) to cached \
                    BEGINNING offset 0 (leader epoch -1): fetch failed";
        let told = Overheard::Reset {
            topic: "orders.v-1",
            partition: 12,
            position: 300,
        };
        assert_eq!(read("OFFSET", line), Some(told));
        for (facility, line) in [
            ("METADATA", "[thrd:main]: Topic orders [0] Leader 1 Epoch 0"),
            ("METADATA", "[thrd:main"),
            (
                "OFFSET",
                "orders [0]: offset reset (at offset INVALID (leader epoch -1)) to",
            ),
            ("OFFSET", "orders [0]: something else"),
            ("FETCH", line),
        ] {
            assert_eq!(read(facility, line), None, "{line}");
        }
    }

    #[test]
    fn listens_beside_what_the_user_asked_for() {
        let mut config = ClientConfig::new();
        listen(&mut config);
        assert_eq!(config.get("debug"), Some("metadata"));
        config.set("debug", "cgrp,fetch");
        listen(&mut config);
        assert_eq!(config.get("debug"), Some("cgrp,fetch,metadata"));
        assert!(config.create::<rdkafka::consumer::BaseConsumer>().is_ok());
    }
}
