//! Text with placeholders, compiled once and filled in for each request.
//!
//! A placeholder is a brace, a known name and a brace: `{uuid}`, `{random:1:100}`. The brace of JSON
//! is followed by a quotation mark, a blank or a brace and so is plain text. What looks like a
//! placeholder and is none is an error, for otherwise a misspelt one would be sent as it stands.
//!
//! `{{name}}` is the text `{name}`. Closing braces need no escape.

mod compile;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use uuid::Uuid;

pub(crate) use compile::TemplateError;

use super::values::Draw;

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
        compile::parts(text).map(Self::of)
    }

    /// A text that is sent as it is, whatever its braces.
    #[must_use]
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
