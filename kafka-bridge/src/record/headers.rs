//! Kafka record headers: ordered, repeatable, with values that may be null or any bytes.
//!
//! HTTP accepts fewer names and values, see `request`.

use bytes::Bytes;
use http::{HeaderName, header};

/// Holds the headers of one record, in the order in which they were written.
///
/// # Examples
///
/// ```
/// use kafka_bridge::Headers;
///
/// let mut headers = Headers::default();
/// headers.push("reply-to", "createOrder.reply");
/// assert_eq!(headers.get("Reply-To"), Some(&b"createOrder.reply"[..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Name, Option<Bytes>)>);

/// A header's name: any text, or a name that HTTP knows and that needs no allocation.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Text(String),
    Http(HeaderName),
}

impl Name {
    /// Returns the name as an HTTP header name, in lower case, if HTTP allows it.
    pub(crate) fn to_http(&self) -> Option<HeaderName> {
        match self {
            Self::Text(text) => http_name(text.as_bytes()),
            Self::Http(name) => Some(name.clone()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Http(name) => name.as_str(),
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl Headers {
    /// Returns an empty list with room for `capacity` headers.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.0.push((Name::Text(name.into()), Some(value.into())));
    }

    /// Appends a header with an HTTP header name.
    pub(crate) fn push_http(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.0.push((Name::Http(name), Some(value.into())));
    }

    /// Appends a header whose value may be null, as Kafka allows.
    pub fn push_nullable(&mut self, name: impl Into<String>, value: Option<Bytes>) {
        self.0.push((Name::Text(name.into()), value));
    }

    /// Returns the number of headers, including repeated ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes that the headers take in memory, which limits count: names, values, and the fixed cost of each
    /// header.
    #[must_use]
    pub fn size(&self) -> usize {
        let value_len = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        self.0
            .iter()
            .map(|(name, value)| {
                name.as_str().len() + value_len(value) + size_of::<(Name, Option<Bytes>)>()
            })
            .sum()
    }

    /// Iterates over names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Bytes>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// Iterates over names, in their internal form, and values in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &(Name, Option<Bytes>)> {
        self.0.iter()
    }

    /// Iterates over the values of `name`, which is compared without regard to ASCII case.
    ///
    /// Kafka compares names by byte and HTTP ignores case, so this serves clients of both kinds.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a Bytes>> {
        self.iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Returns the first non-null value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut own = self
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        own.find_map(|(_, value)| value).map(Bytes::as_ref)
    }
}

impl<N: Into<String>, V: Into<Bytes>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self(
            headers
                .into_iter()
                .map(|(name, value)| (Name::Text(name.into()), Some(value.into())))
                .collect(),
        )
    }
}

/// Returns the HTTP header name of a text, in lower case. The names that nearly every record has are constants and need
/// no allocation.
pub(crate) fn http_name(text: &[u8]) -> Option<HeaderName> {
    Some(match text {
        b"reply-to" => REPLY_TO,
        b"status-code" => STATUS_CODE,
        b"traceparent" => TRACEPARENT,
        b"x-reply-set-header" => crate::DEFAULT_ECHO_HEADER,
        b"x-request-id" => X_REQUEST_ID,
        b"idempotency-key" => IDEMPOTENCY_KEY,
        b"content-type" => header::CONTENT_TYPE,
        _ => return HeaderName::from_bytes(text).ok(),
    })
}

const REPLY_TO: HeaderName = HeaderName::from_static("reply-to");
const STATUS_CODE: HeaderName = HeaderName::from_static("status-code");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_costs_memory_however_short_it_is() {
        let short: Headers = std::iter::repeat_n(("", ""), 1000).collect();
        assert!(short.size() >= 1000 * 32, "{}", short.size());
        let long: Headers = [("name", "value")].into_iter().collect();
        assert_eq!(long.size() - short.size() / 1000, "namevalue".len());
    }

    #[test]
    fn names_that_are_there_already_are_those_that_were_written() {
        for text in [
            "reply-to",
            "status-code",
            "traceparent",
            "x-reply-set-header",
            "x-request-id",
            "idempotency-key",
            "content-type",
            "X-Other",
        ] {
            let read = HeaderName::from_bytes(text.as_bytes()).ok();
            assert_eq!(http_name(text.as_bytes()), read, "{text}");
        }
        assert_eq!(http_name(b"no name"), None);
    }
}
