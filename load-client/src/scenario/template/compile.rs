//! Takes a template apart. Each error says what to write instead.

use bytes::Bytes;

use super::Part;

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

pub(super) fn parts(text: &[u8]) -> Result<Vec<Part>, TemplateError> {
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
