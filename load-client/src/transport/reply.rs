//! Reads a reply record: the id of its request, and whether it reports success. Pure, and safe with any bytes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::wire::{IdPlace, Wire};
use crate::scenario::{StatusSet, clipped};

/// A reply with a correlation id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The id of the request that it answers.
    pub(super) id: Uuid,
    /// Its status, if the convention has one. `Err` if it reports a failure, or lacks what it must have.
    status: Result<Option<u16>, String>,
}

impl Reply {
    /// Fails when this is not a good reply to a request that expects these statuses.
    pub(super) fn judged(self, expected: &StatusSet) -> Result<(), String> {
        match self.status? {
            Some(status) if !expected.contains(status) => Err(format!("status {status}")),
            _ => Ok(()),
        }
    }
}

impl Wire {
    /// Reads a reply from the parts of a record. Returns `None` when it has no correlation id of our format, so that it
    /// answers another client. Header values may be null.
    pub(super) fn read_reply<'a>(
        &self,
        key: Option<&[u8]>,
        body: Option<&[u8]>,
        headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Option<Reply> {
        let (mut id, mut status, mut error) = (None, None, None);
        let mut id_header = None;
        match self.reply_correlation.as_ref().unwrap_or(&self.correlation) {
            IdPlace::Header(name) | IdPlace::Echo(name) => id_header = Some(name),
            IdPlace::Key => id = self.correlation_format.read(key?),
            IdPlace::Payload(pointer) => {
                // The parser refuses more than 128 levels, so a body cannot overflow the stack.
                let json: serde_json::Value = serde_json::from_slice(body?).ok()?;
                let text = json.pointer(pointer)?.as_str()?;
                id = self.correlation_format.read(text.as_bytes());
            }
        }
        for (name, value) in headers {
            // The first header of a name counts, because the service's own headers precede the echoed ones.
            let is = |own: &String| own.eq_ignore_ascii_case(name);
            if id_header.is_some_and(is) {
                id = id.or_else(|| self.correlation_format.read(value?));
            }
            let text = || String::from_utf8_lossy(value.unwrap_or_default());
            if self.status_header.as_ref().is_some_and(is) {
                status.get_or_insert_with(|| match text().trim().parse() {
                    Ok(status @ 100..=999) => Ok(Some(status)),
                    _ => Err(format!("the reply's {name} header is not a number")),
                });
            } else if self.error_headers.iter().any(is) {
                error.get_or_insert_with(|| format!("{name}: {}", clipped(text().trim())));
            }
        }
        let status = match (error, &self.status_header) {
            (Some(error), _) => Err(error),
            (None, None) => Ok(None),
            (None, Some(header)) => {
                status.unwrap_or_else(|| Err(format!("the reply has no {header} header")))
            }
        };
        Some(Reply { id: id?, status })
    }
}

/// Most characters of a refused reply's body that are shown.
const BEGINNING: usize = 200;

/// Returns the beginning of a body as one line, or `None` if the body is empty. Control characters, and bytes that are
/// not text, are escaped.
pub(super) fn beginning(body: &[u8]) -> Option<Box<str>> {
    // A character has at most four bytes.
    let looked_at = &body[..body.len().min(4 * BEGINNING)];
    let shown = looked_at.utf8_chunks().flat_map(|chunk| {
        let characters = chunk.valid().chars().map(|own| match own {
            '\'' | '"' | '\\' => (own.len_utf8(), own.to_string()),
            other => (other.len_utf8(), other.escape_debug().to_string()),
        });
        let bytes = chunk.invalid().iter();
        characters.chain(bytes.map(|own| (1, std::ascii::escape_default(*own).to_string())))
    });
    let (lengths, mut shown): (Vec<usize>, String) = shown.take(BEGINNING).unzip();
    if lengths.iter().sum::<usize>() < body.len() {
        shown.push_str("...");
    }
    (!body.is_empty()).then(|| shown.into())
}

/// Most failures per second whose bodies are kept.
const MAX_BODIES: usize = 100;

/// The failures that have kept the body of a reply in this second. Only the first body of each failure is shown, and
/// all bodies of a service that fails at a high rate would fill the memory.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    since: Option<Instant>,
    /// Pairs of request kind and reason.
    had: HashSet<(u16, String)>,
}

impl Bodies {
    /// Returns whether a reply that is refused for this reason keeps its body.
    pub(super) fn wants(&mut self, kind: u16, reason: &str, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= Duration::from_secs(1);
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.had.clear();
        }
        self.had.len() < MAX_BODIES && self.had.insert((kind, reason.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    type Header<'a> = (&'a str, Option<&'a str>);

    fn read_by(wire: &Wire, key: Option<&str>, headers: &[Header<'_>]) -> Option<Reply> {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (*name, value.map(str::as_bytes)));
        wire.read_reply(key.map(str::as_bytes), None, headers)
    }

    fn read(headers: &[Header<'_>]) -> Option<Reply> {
        read_by(&Wire::default(), None, headers)
    }

    fn profile(name: &str) -> Wire {
        Wire::of_profile(name).unwrap()
    }

    #[track_caller]
    fn assert_status(value: Option<&str>, expected: Result<(), &str>) {
        let reply = read(&[("status-code", value), ("x-request-id", Some(ID))]).unwrap();
        assert_eq!(reply.id.to_string(), ID);
        let judged = reply.judged(&StatusSet::default());
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
        let missing = "the reply has no status-code header".to_owned();
        assert_eq!(reply.status, Err(missing));
    }

    #[test]
    fn a_request_may_expect_another_status() {
        let reply = read(&[("status-code", Some("404")), ("x-request-id", Some(ID))]).unwrap();
        assert_eq!(reply.judged(&"404".parse().unwrap()), Ok(()));
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
        let nest = profile("nest");
        let id = ("kafka_correlationId", Some(ID));
        let good = read_by(&nest, None, &[id]).unwrap();
        assert_eq!(good.status, Ok(None));
        let long = format!("boom\n{}", "x".repeat(1000));
        let bad = read_by(&nest, None, &[("kafka_nest-err", Some(&*long)), id]).unwrap();
        let reason = bad.status.unwrap_err();
        assert!(reason.starts_with("kafka_nest-err: boom x"), "{reason}");
        assert!(reason.len() < 150);
        assert!(!reason.contains('\n'));
        let null = read_by(&nest, None, &[id, ("kafka_nest-err", None)]).unwrap();
        assert_eq!(null.status, Err("kafka_nest-err: ".to_owned()));
    }

    #[test]
    fn the_id_may_be_the_key() {
        let of_replies = Wire {
            reply_correlation: Some(IdPlace::Key),
            ..profile("faststream")
        };
        let of_both = Wire {
            correlation: IdPlace::Key,
            reply_correlation: None,
            ..profile("faststream")
        };
        for wire in [of_replies, of_both] {
            let reply = read_by(&wire, Some(ID), &[]).unwrap();
            assert_eq!(reply.id.to_string(), ID);
            assert_eq!(read_by(&wire, None, &[("correlation_id", Some(ID))]), None);
        }
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
            ..profile("faststream")
        };
        let read = |body: Option<&[u8]>| wire.read_reply(None, body, std::iter::empty());
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
