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
    /// A column of the row that the request has drawn.
    Column(usize),
}

impl Template {
    /// Compiles a text. It may hold any bytes beside its placeholders. `columns` are those of the file that rows
    /// are drawn from; none without one.
    ///
    /// # Errors
    ///
    /// For an unknown placeholder or column, a wrong argument, or a brace that is not closed.
    pub(crate) fn compile(text: &[u8], columns: &[String]) -> Result<Self, TemplateError> {
        parts(text, columns).map(Self::of)
    }

    /// A text that is sent as it is, whatever its braces.
    pub(crate) fn verbatim(text: Bytes) -> Self {
        Self::of(vec![Part::Literal(text)])
    }

    /// Whether it has a column of a row.
    pub(super) fn has_column(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| matches!(part, Part::Column(_)))
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
            // Not known before the row.
            Self::Column(_) => 0,
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
            Self::Column(at) => {
                let value = draw.row.and_then(|row| row.get(*at));
                to.write_all(value.unwrap_or_default())
            }
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

const KNOWN: &str = "{uuid}, {request_id}, {counter}, {random:LOW:HIGH}, {user}, {now}, {timestamp_ms} and {csv.COLUMN}";

/// What a column's placeholder begins with.
const COLUMN: &[u8] = b"{csv.";
/// Columns that a message names.
const MAX_NAMED: usize = 20;
/// Letters of a column that a message shows.
const LONGEST_NAMED: usize = 40;

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
    /// A column that the file does not have, or a column without a file.
    #[error("{{csv.{name}}} at byte {at}: {reason}")]
    Column {
        /// Its name.
        name: String,
        /// Where its brace is, counted from 1.
        at: usize,
        /// Why there is none, and what to do.
        reason: String,
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

fn parts(text: &[u8], columns: &[String]) -> Result<Vec<Part>, TemplateError> {
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
        } else if let Some((part, length)) = column(rest, at, columns)? {
            flush(&mut literal, &mut parts);
            parts.push(part);
            at += length;
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

/// The column that is named here and the length of its placeholder; `None` for anything else.
fn column(
    rest: &[u8],
    at: usize,
    columns: &[String],
) -> Result<Option<(Part, usize)>, TemplateError> {
    let Some(named) = rest.strip_prefix(COLUMN) else {
        return Ok(None);
    };
    let end = find(named, b"}").ok_or_else(|| not_closed(rest, at, 1, "}"))?;
    let name = String::from_utf8_lossy(&named[..end]);
    if let Some(column) = columns.iter().position(|own| *own == name) {
        return Ok(Some((Part::Column(column), COLUMN.len() + end + 1)));
    }
    let known: Vec<&str> = columns.iter().take(MAX_NAMED).map(|own| &**own).collect();
    let reason = match known.is_empty() {
        true => "there is no file of rows: name one by feeder (--feeder)".to_owned(),
        false => format!("the file of the feeder has {}", known.join(", ")),
    };
    Err(TemplateError::Column {
        name: name.chars().take(LONGEST_NAMED).collect(),
        at: at + 1,
        reason,
    })
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
mod tests;
