//! Kafka record headers: ordered, repeatable, with values that may be null or any bytes.
//!
//! Not HTTP headers: those accept fewer names and values (see `request`).

use bytes::Bytes;

/// The headers of one record, in the order in which they were written.
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
pub struct Headers(Vec<(String, Option<Bytes>)>);

impl Headers {
    /// Returns an empty list with room for `capacity` headers.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.0.push((name.into(), Some(value.into())));
    }

    /// Appends a header whose value may be null, as Kafka allows.
    pub fn push_nullable(&mut self, name: impl Into<String>, value: Option<Bytes>) {
        self.0.push((name.into(), value));
    }

    /// Returns the number of headers, repeats included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no header at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes that the headers take in memory, the measure that limits are held against:
    /// names, values, and what each header costs however short it is.
    #[must_use]
    pub fn size(&self) -> usize {
        let value_len = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        self.0
            .iter()
            .map(|(name, value)| {
                name.len() + value_len(value) + size_of::<(String, Option<Bytes>)>()
            })
            .sum()
    }

    /// Iterates over names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Bytes>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// Iterates over the values of `name`, compared without regard to ASCII case.
    ///
    /// Kafka compares names by byte, HTTP does not; a client of either kind is served.
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
                .map(|(name, value)| (name.into(), Some(value.into())))
                .collect(),
        )
    }
}

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
}
