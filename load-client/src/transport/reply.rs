//! Reads a reply record: whose reply it is, and whether it says success. Pure, and safe with any bytes.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::wire::{ReplyCorrelation, Wire};
use crate::scenario::{StatusSet, clipped};

/// A record of a reply topic. Header values may be null.
pub(crate) struct ReplyRecord<'a, H> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) headers: H,
}

/// A reply that carries a correlation id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The id of the request that it answers.
    pub(crate) id: Uuid,
    /// What it says of its success.
    pub(crate) answer: ReplyStatus,
}

/// What a reply says of its success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReplyStatus {
    /// There is a reply, and more is not asked.
    Good,
    /// A status, which is good or bad by what the request expects.
    Status(u16),
    /// It says that it failed, or does not say what it has to.
    Bad(String),
}

impl ReplyStatus {
    /// `Err` when the reply is no good one for a request that expects these statuses.
    pub(crate) fn judged(self, expected: &StatusSet) -> Result<(), String> {
        match self {
            Self::Good => Ok(()),
            Self::Status(status) if expected.contains(status) => Ok(()),
            Self::Status(status) => Err(format!("status {status}")),
            Self::Bad(reason) => Err(reason),
        }
    }
}

/// Reads replies by the conventions of a run.
#[derive(Debug, Clone)]
pub(crate) struct ReplyReader {
    wire: Wire,
    correlation: ReplyCorrelation,
}

impl ReplyReader {
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            correlation: wire.reply_correlation(),
            wire,
        }
    }

    /// Reads a reply; `None` when it has no correlation id, or none of our kind: not ours.
    pub(crate) fn read<'a, H>(&self, record: ReplyRecord<'a, H>) -> Option<Reply>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        let mut id = match &self.correlation {
            ReplyCorrelation::Header(_) => None,
            ReplyCorrelation::Key => record.key.and_then(|key| self.id(key)),
            ReplyCorrelation::Payload(pointer) => self.id_in(record.body?, pointer),
        };
        let (mut status, mut error) = (None, None);
        for (name, value) in record.headers {
            // The first of each name counts: the service's own headers precede the echoed ones.
            if self.carries_id(name) {
                id = id.or_else(|| self.id(value?));
            }
            if is(name, self.wire.status_header.as_deref()) {
                status.get_or_insert_with(|| read_status(name, value));
            } else if self.tells_error(name) {
                error.get_or_insert_with(|| read_error(name, value));
            }
        }
        let answer = match (error, &self.wire.status_header) {
            (Some(error), _) => error,
            (None, None) => ReplyStatus::Good,
            (None, Some(header)) => {
                let missing = || ReplyStatus::Bad(format!("the reply has no {header} header"));
                status.unwrap_or_else(missing)
            }
        };
        Some(Reply { id: id?, answer })
    }

    fn carries_id(&self, name: &str) -> bool {
        matches!(&self.correlation, ReplyCorrelation::Header(own) if own.eq_ignore_ascii_case(name))
    }

    fn tells_error(&self, name: &str) -> bool {
        let mut headers = self.wire.error_headers.iter();
        headers.any(|header| header.eq_ignore_ascii_case(name))
    }

    fn id(&self, value: &[u8]) -> Option<Uuid> {
        self.wire.correlation_format.read(value)
    }

    /// The parser refuses more than 128 levels, so that no body overflows the stack.
    fn id_in(&self, body: &[u8], pointer: &str) -> Option<Uuid> {
        let json: serde_json::Value = serde_json::from_slice(body).ok()?;
        self.id(json.pointer(pointer)?.as_str()?.as_bytes())
    }
}

fn is(name: &str, header: Option<&str>) -> bool {
    header.is_some_and(|header| header.eq_ignore_ascii_case(name))
}

fn read_status(name: &str, value: Option<&[u8]>) -> ReplyStatus {
    let text = String::from_utf8_lossy(value.unwrap_or_default());
    match text.trim().parse::<u16>() {
        Ok(status @ 100..=999) => ReplyStatus::Status(status),
        _ => ReplyStatus::Bad(format!("the reply's {name} header is not a number")),
    }
}

/// Characters of a refused reply's body that are shown.
const BEGINNING: usize = 200;

/// How a body begins, as one line: control characters, and bytes that are no text, are escaped. `None` when it
/// is empty.
pub(crate) fn beginning(body: &[u8]) -> Option<Box<str>> {
    // No character has more than four bytes.
    let looked_at = &body[..body.len().min(4 * BEGINNING)];
    let mut shown = String::new();
    let (mut count, mut bytes) = (0, 0);
    for chunk in looked_at.utf8_chunks() {
        for character in chunk.valid().chars().take(BEGINNING - count) {
            match character {
                '\'' | '"' | '\\' => shown.push(character),
                other => shown.extend(other.escape_debug()),
            }
            (count, bytes) = (count + 1, bytes + character.len_utf8());
        }
        for byte in chunk.invalid().iter().take(BEGINNING - count) {
            shown.extend(std::ascii::escape_default(*byte).map(char::from));
            (count, bytes) = (count + 1, bytes + 1);
        }
    }
    if bytes < body.len() {
        shown.push_str("...");
    }
    (!body.is_empty()).then(|| shown.into())
}

/// Failures whose bodies are kept in a second.
const MAX_BODIES: usize = 100;

/// Which failures have had the body of a reply kept in this second. Only the first of each is shown, and of a service
/// that fails at a high rate all of them would fill the memory.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    since: Option<Instant>,
    /// The reasons, by kind of request.
    had: HashMap<u16, HashSet<String>>,
    count: usize,
}

impl Bodies {
    /// Returns whether a reply that is refused for a reason is to keep its body.
    pub(crate) fn wants(&mut self, kind: u16, reason: &str, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= Duration::from_secs(1);
        if self.since.is_none_or(is_over) {
            *self = Self {
                since: Some(now),
                ..Self::default()
            };
        }
        let had = self.had.entry(kind).or_default();
        let is_wanted = self.count < MAX_BODIES && !had.contains(reason);
        if is_wanted {
            had.insert(reason.to_owned());
            self.count += 1;
        }
        is_wanted
    }
}

fn read_error(name: &str, value: Option<&[u8]>) -> ReplyStatus {
    let text = String::from_utf8_lossy(value.unwrap_or_default());
    ReplyStatus::Bad(format!("{name}: {}", clipped(text.trim())))
}

#[cfg(test)]
mod tests {
    use super::super::wire::Profile;
    use super::*;

    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    type Header<'a> = (&'a str, Option<&'a str>);

    fn read_by(wire: &Wire, key: Option<&str>, headers: &[Header<'_>]) -> Option<Reply> {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (*name, value.map(str::as_bytes)));
        ReplyReader::new(wire.clone()).read(ReplyRecord {
            key: key.map(str::as_bytes),
            body: None,
            headers,
        })
    }

    fn read(headers: &[Header<'_>]) -> Option<Reply> {
        read_by(&Wire::default(), None, headers)
    }

    #[track_caller]
    fn assert_status(value: Option<&str>, expected: Result<(), &str>) {
        let reply = read(&[("status-code", value), ("x-request-id", Some(ID))]).unwrap();
        assert_eq!(reply.id.to_string(), ID);
        let judged = reply.answer.judged(&StatusSet::default());
        assert_eq!(judged, expected.map_err(str::to_owned));
    }

    #[test]
    fn two_hundreds_are_good() {
        assert_status(Some("200"), Ok(()));
        assert_status(Some("201"), Ok(()));
    }

    #[test]
    fn all_else_is_a_failure() {
        assert_status(Some("500"), Err("status 500"));
        assert_status(Some("301"), Err("status 301"));
        assert_status(
            Some("fine"),
            Err("the reply's status-code header is not a number"),
        );
        assert_status(None, Err("the reply's status-code header is not a number"));
        let reply = read(&[("x-request-id", Some(ID))]).unwrap();
        let missing = ReplyStatus::Bad("the reply has no status-code header".to_owned());
        assert_eq!(reply.answer, missing);
    }

    #[test]
    fn a_request_may_expect_another_status() {
        let reply = read(&[("status-code", Some("404")), ("x-request-id", Some(ID))]).unwrap();
        assert_eq!(reply.answer.judged(&"404".parse().unwrap()), Ok(()));
    }

    #[test]
    fn a_record_without_our_id_is_not_ours() {
        assert_eq!(read(&[("status-code", Some("200"))]), None);
        assert_eq!(read(&[("x-request-id", Some("42"))]), None);
        assert_eq!(read(&[("x-request-id", None)]), None);
        let second = [("x-request-id", None), ("x-request-id", Some(ID))];
        assert_eq!(read(&second).unwrap().id.to_string(), ID);
    }

    #[test]
    fn without_a_status_header_any_reply_is_good_that_tells_no_error() {
        let nest = Profile::Nest.wire();
        let id = ("kafka_correlationId", Some(ID));
        let good = read_by(&nest, None, &[id]).unwrap();
        assert_eq!(good.answer, ReplyStatus::Good);
        let long = format!("boom\n{}", "x".repeat(1000));
        let bad = read_by(&nest, None, &[("kafka_nest-err", Some(&*long)), id]).unwrap();
        let ReplyStatus::Bad(reason) = bad.answer else {
            panic!("{bad:?}");
        };
        assert!(reason.starts_with("kafka_nest-err: boom x"), "{reason}");
        assert!(reason.len() < 150);
        assert!(!reason.contains('\n'));
        let null = read_by(&nest, None, &[id, ("kafka_nest-err", None)]).unwrap();
        assert_eq!(null.answer, ReplyStatus::Bad("kafka_nest-err: ".to_owned()));
    }

    #[test]
    fn the_id_may_be_the_key() {
        let wire = Wire {
            reply_correlation: Some(ReplyCorrelation::Key),
            ..Profile::FastStream.wire()
        };
        let reply = read_by(&wire, Some(ID), &[]).unwrap();
        assert_eq!(reply.id.to_string(), ID);
        assert_eq!(read_by(&wire, None, &[("correlation_id", Some(ID))]), None);
    }

    #[test]
    fn a_body_begins_on_one_line_with_nothing_that_a_terminal_obeys() {
        let shown = |body: &[u8]| beginning(body).map(String::from);
        assert_eq!(shown(b""), None);
        let problem = r#"{"title":"it's \ full"}"#;
        assert_eq!(shown(problem.as_bytes()).as_deref(), Some(problem));
        assert_eq!(
            shown("a\n\t\u{1b}[31m\u{202e}\u{7}é\u{0}".as_bytes()).as_deref(),
            Some(r"a\n\t\u{1b}[31m\u{202e}\u{7}é\0")
        );
        assert_eq!(
            shown(b"\xff\xfeok\xe2\x82").as_deref(),
            Some(r"\xff\xfeok\xe2\x82")
        );
        for character in ["x", "é", "€", "𝄞", "\u{1b}"] {
            let whole = shown(character.repeat(200).as_bytes()).unwrap();
            assert!(!whole.ends_with("..."), "{whole}");
            let cut = shown(character.repeat(100_000).as_bytes()).unwrap();
            assert_eq!(cut, format!("{whole}..."));
        }
        let cut = shown(&[0xff; 201]).unwrap();
        assert_eq!(cut, format!("{}...", r"\xff".repeat(200)));
    }

    #[test]
    fn hostile_bodies_are_not_ours() {
        let wire = Wire {
            reply_correlation: Some("payload:/meta/id".parse().unwrap()),
            ..Profile::FastStream.wire()
        };
        let reader = ReplyReader::new(wire);
        let read = |body: Option<&[u8]>| {
            let headers = std::iter::empty();
            reader.read(ReplyRecord {
                key: None,
                body,
                headers,
            })
        };
        let good = format!(r#"{{"meta":{{"id":"{ID}"}}}}"#);
        assert_eq!(read(Some(good.as_bytes())).unwrap().id.to_string(), ID);
        let deep = "[".repeat(100_000);
        let null: Option<&[u8]> = None;
        assert_eq!(read(null), None);
        for body in [
            deep.as_str(),
            "",
            "{",
            "null",
            r#"{"meta":{"id":1}}"#,
            r#"{"meta":[]}"#,
            r#"{"id":"x"}"#,
        ] {
            assert_eq!(read(Some(body.as_bytes())), None);
        }
        assert_eq!(read(Some(b"\xff\xfe")), None);
    }

    #[test]
    fn one_body_a_failure_and_second_is_kept_and_not_too_many() {
        let (mut bodies, begin) = (Bodies::default(), Instant::now());
        assert!(bodies.wants(0, "status 500", begin));
        assert!(!bodies.wants(0, "status 500", begin));
        assert!(bodies.wants(1, "status 500", begin), "another kind");
        let later = begin + Duration::from_secs(1);
        assert!(bodies.wants(0, "status 500", later), "after a reset too");
        let kept = (0..1000).filter(|status| bodies.wants(0, &status.to_string(), later));
        assert_eq!(kept.count(), MAX_BODIES - 1);
    }
}
