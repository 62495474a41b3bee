//! Text with placeholders, compiled once and filled in for each request.
//!
//! A placeholder is a brace, a known name and a brace: `{uuid}`, `{random:1:100}`. The brace of JSON
//! is followed by a quotation mark, a blank or a brace and so is plain text. What looks like a
//! placeholder and is none is an error, for otherwise a misspelt one would be sent as it stands.
//!
//! `{{name}}` is the text `{name}`. Closing braces need no escape.

use std::io::Write;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use uuid::Uuid;

use crate::scenario::Draw;

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
    /// Room for the longest rendering, so that one allocation is enough.
    capacity: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Bytes),
    Uuid,
    RequestId,
    Counter,
    Random(i64, i64),
    User,
    Now,
    TimestampMilliseconds,
}

impl Template {
    /// Compiles a text. It may hold any bytes beside its placeholders.
    ///
    /// # Errors
    ///
    /// For an unknown placeholder, a wrong argument, or a brace that is not closed.
    pub(crate) fn compile(text: &[u8]) -> Result<Self, TemplateError> {
        parts(text).map(Self::of)
    }

    /// A text that is sent as it is, whatever its braces.
    pub(crate) fn verbatim(text: Bytes) -> Self {
        Self::of(vec![Part::Literal(text)])
    }

    fn of(parts: Vec<Part>) -> Self {
        let capacity = parts.iter().map(Part::longest).sum();
        Self { parts, capacity }
    }

    /// Fills the placeholders in. Text without any is shared and not copied.
    pub(crate) fn render(&self, draw: &Draw<'_>) -> Bytes {
        match &*self.parts {
            [] => Bytes::new(),
            [Part::Literal(text)] => text.clone(),
            parts => {
                let mut rendered = Vec::with_capacity(self.capacity);
                for part in parts {
                    part.write(draw, &mut rendered);
                }
                Bytes::from(rendered)
            }
        }
    }
}

impl Part {
    /// Most bytes that it can take.
    fn longest(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Uuid | Self::RequestId => 36,
            // `2026-01-02T03:04:05.678Z`, and as many digits as 64 bits have.
            Self::Now => 24,
            Self::Counter | Self::Random(..) | Self::TimestampMilliseconds => 20,
            Self::User => 10,
        }
    }

    fn write(&self, draw: &Draw<'_>, to: &mut Vec<u8>) {
        let mut buffer = Uuid::encode_buffer();
        let written = match self {
            Self::Literal(text) => to.write_all(text),
            Self::Uuid => to.write_all(
                Uuid::new_v4()
                    .hyphenated()
                    .encode_lower(&mut buffer)
                    .as_bytes(),
            ),
            Self::RequestId => {
                to.write_all(draw.id.hyphenated().encode_lower(&mut buffer).as_bytes())
            }
            Self::Counter => write!(to, "{}", draw.counter),
            Self::Random(low, high) => write!(to, "{}", draw.random(*low, *high)),
            Self::User => write!(to, "{}", draw.user),
            Self::Now => write!(to, "{}", humantime::format_rfc3339_millis(draw.now)),
            Self::TimestampMilliseconds => {
                let since = draw.now.duration_since(UNIX_EPOCH).unwrap_or_default();
                write!(to, "{}", since.as_millis())
            }
        };
        // Writing to memory cannot fail.
        debug_assert!(written.is_ok());
    }
}

// Takes a template apart. Each error says what to write instead.

const KNOWN: &str =
    "{uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now} and {timestamp_ms}";

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// A placeholder of no meaning.
    #[error(
        "unknown placeholder {{{name}}} at byte {at}; known are {KNOWN}; write {{{{{name}}}}} for the text itself"
    )]
    Unknown {
        /// Its name.
        name: String,
        /// Where its brace is, counted from 1.
        at: usize,
    },
    /// A known placeholder with arguments that it does not take.
    #[error("wrong placeholder {found} at byte {at}: write {takes}")]
    Arguments {
        /// As it stands there.
        found: String,
        /// Where its brace is, counted from 1.
        at: usize,
        /// How it is written.
        takes: &'static str,
    },
    /// A placeholder or an escape without its end.
    #[error("the {opened} at byte {at} is not closed; close it by {closed}")]
    NotClosed {
        /// What begins there.
        opened: String,
        /// Where its brace is, counted from 1.
        at: usize,
        /// What ends it.
        closed: &'static str,
    },
}

fn parts(text: &[u8]) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if is_escape(rest) {
            let end = find(rest, b"}}").ok_or_else(|| not_closed(rest, at, 2, "}}"))?;
            // One brace of each pair.
            literal.extend_from_slice(&rest[1..=end]);
            at += end + 2;
        } else if let Some((part, length)) = placeholder(rest, at)? {
            flush(&mut literal, &mut parts);
            parts.push(part);
            at += length;
        } else {
            literal.push(rest[0]);
            at += 1;
        }
    }
    flush(&mut literal, &mut parts);
    Ok(parts)
}

fn flush(literal: &mut Vec<u8>, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(Bytes::from(std::mem::take(literal))));
    }
}

/// `{{name`: two braces before anything else are two braces.
fn is_escape(rest: &[u8]) -> bool {
    rest.starts_with(b"{{") && name_length(&rest[2..]) > 0
}

/// The placeholder that starts here and its length; `None` for text.
fn placeholder(rest: &[u8], at: usize) -> Result<Option<(Part, usize)>, TemplateError> {
    if rest[0] != b'{' {
        return Ok(None);
    }
    let name_end = 1 + name_length(&rest[1..]);
    let follower = rest.get(name_end).copied();
    let (true, Some(b'}' | b':')) = (name_end > 1, follower) else {
        return Ok(None);
    };
    let name = String::from_utf8_lossy(&rest[1..name_end]);
    let plain = match &*name {
        "uuid" => Some((Part::Uuid, "{uuid}")),
        "request_id" => Some((Part::RequestId, "{request_id}")),
        "counter" => Some((Part::Counter, "{counter}")),
        "user" => Some((Part::User, "{user}")),
        "now" => Some((Part::Now, "{now}")),
        "timestamp_ms" => Some((Part::TimestampMilliseconds, "{timestamp_ms}")),
        "random" => None,
        _ => {
            let name = name.into_owned();
            return Err(TemplateError::Unknown { name, at: at + 1 });
        }
    };
    let end = find(rest, b"}").ok_or_else(|| not_closed(rest, at, 1, "}"))?;
    let found = String::from_utf8_lossy(&rest[..=end]);
    let (part, takes) = match plain {
        Some((part, takes)) => ((end == name_end).then_some(part), takes),
        None => (
            random(&found),
            "{random:LOW:HIGH} with whole numbers, LOW not above HIGH",
        ),
    };
    let part = part.ok_or_else(|| TemplateError::Arguments {
        found: found.chars().take(40).collect(),
        at: at + 1,
        takes,
    })?;
    Ok(Some((part, end + 1)))
}

fn random(found: &str) -> Option<Part> {
    let bounds = found.strip_prefix("{random:")?.strip_suffix('}')?;
    let (low, high) = bounds.split_once(':')?;
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low <= high).then_some(Part::Random(low, high))
}

fn name_length(text: &[u8]) -> usize {
    let starts = text
        .first()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    if starts {
        text.iter().take_while(is_word).count()
    } else {
        0
    }
}

fn not_closed(rest: &[u8], at: usize, braces: usize, closed: &'static str) -> TemplateError {
    let opened = &rest[..braces + name_length(&rest[braces..])];
    TemplateError::NotClosed {
        opened: String::from_utf8_lossy(opened).into_owned(),
        at: at + 1,
        closed,
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Values;

    fn rendered(template: &str) -> String {
        let values = Values::new(1);
        let mut draw = values.draw(3, Uuid::from_u128(0xabc));
        draw.now = UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        let template = Template::compile(template.as_bytes()).unwrap();
        String::from_utf8(template.render(&draw).to_vec()).unwrap()
    }

    fn error(template: &str) -> String {
        let error = Template::compile(template.as_bytes()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn each_placeholder_is_filled_in() {
        assert_eq!(
            rendered("{request_id} {counter} {user} {now} {timestamp_ms}"),
            "00000000-0000-0000-0000-000000000abc 1 3 2026-01-02T03:04:05.678Z 1767323045678"
        );
        assert_eq!(rendered("a{random:-7:-7}b"), "a-7b");
        let uuids = rendered("{uuid}{uuid}");
        let (first, second) = uuids.split_at(36);
        assert!(Uuid::parse_str(first).is_ok() && Uuid::parse_str(second).is_ok());
        assert_ne!(first, second);
    }

    #[test]
    fn json_is_left_alone() {
        for plain in [
            r#"{"items":[{"sku":"id-1234","count":1}]}"#,
            r#"{"a":{"b":{}}}"#,
            "{ \"a\" : {\n\t\"b\":1}}",
            "{}",
            "[{},{}]",
            "{\"query\":\"{ orders { id } }\"}",
            "{{}}",
            "{",
            "a{b",
            "{1}",
            "{orders{",
            "}}",
            "",
        ] {
            assert_eq!(rendered(plain), plain);
        }
        let filled = rendered(r#"{"a":{"id":"{request_id}","n":{counter}}}"#);
        let expected = r#"{"a":{"id":"00000000-0000-0000-0000-000000000abc","n":1}}"#;
        assert_eq!(filled, expected);
    }

    #[test]
    fn doubled_braces_are_the_text_itself() {
        assert_eq!(rendered("{{uuid}}"), "{uuid}");
        assert_eq!(rendered("{{anything else}}"), "{anything else}");
        assert_eq!(rendered("{orders{{id}}}"), "{orders{id}}");
        assert_eq!(rendered("{{a}}{counter}{{b}}"), "{a}1{b}");
    }

    #[test]
    fn a_rendering_fits_into_its_one_allocation() {
        let values = Values::new(1);
        let draw = values.draw(u32::MAX, Uuid::nil());
        let template = Template::compile(
            b"{uuid}{now}{user}{timestamp_ms}{random:-9223372036854775808:9}{counter}x",
        )
        .unwrap();
        assert!(template.render(&draw).len() <= template.capacity);
        for alone in ["{uuid}", "{request_id}", "{now}", "{user}"] {
            let template = Template::compile(alone.as_bytes()).unwrap();
            assert_eq!(template.render(&draw).len(), template.capacity, "{alone}");
        }
        let plain = Template::compile(b"{\"a\":1}").unwrap();
        let (first, second) = (plain.render(&draw), plain.render(&draw));
        assert_eq!(first.as_ptr(), second.as_ptr(), "text is shared");
    }

    #[test]
    fn what_looks_like_a_placeholder_and_is_none_is_an_error() {
        insta::assert_snapshot!(error("a {uid} b"), @"unknown placeholder {uid} at byte 3; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now} and {timestamp_ms}; write {{uid}} for the text itself");
        insta::assert_snapshot!(error("{word:1}"), @"unknown placeholder {word} at byte 1; known are {uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now} and {timestamp_ms}; write {{word}} for the text itself");
        insta::assert_snapshot!(error("{uuid:4}"), @"wrong placeholder {uuid:4} at byte 1: write {uuid}");
        insta::assert_snapshot!(error("{counter:"), @"the {counter at byte 1 is not closed; close it by }");
        insta::assert_snapshot!(error("{{uuid}"), @"the {{uuid at byte 1 is not closed; close it by }}");
        for wrong in [
            "{random}",
            "{random:1}",
            "{random:2:1}",
            "{random:a:b}",
            "{random:1:2:3}",
        ] {
            let error = error(wrong);
            assert!(error.contains("write {random:LOW:HIGH}"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_compile_or_are_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(template) = Template::compile(&text) {
                let values = Values::new(1);
                let rendered = template.render(&values.draw(0, Uuid::nil()));
                prop_assert!(rendered.len() <= template.capacity);
            }
        }

        #[test]
        fn text_without_names_after_braces_is_unchanged(text in "[{}\"a-z0-9: ,]{0,80}") {
            let looks_like_one = text.as_bytes().windows(2).any(|pair| {
                pair[0] == b'{' && pair[1].is_ascii_alphabetic()
            });
            prop_assume!(!looks_like_one);
            prop_assert_eq!(rendered(&text), text);
        }

        #[test]
        fn an_escaped_name_is_itself(name in "[a-z_][a-z0-9_:]{0,20}") {
            prop_assert_eq!(rendered(&format!("<{{{{{name}}}}}>")), format!("<{{{name}}}>"));
        }
    }
}
