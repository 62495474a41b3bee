//! Reads the time limit that a requester sets for its request from a record header. Pure.
//!
//! The header is a duration and not an instant, like gRPC's `grpc-timeout`: a requester can write the same header on
//! each record. It counts from the record's timestamp, because a record may wait in the topic longer than any request
//! takes.

use std::time::Duration;

use http::HeaderName;

use crate::Headers;

/// The suggested header name for [`crate::Builder::deadline_header`].
pub const DEFAULT_DEADLINE_HEADER: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// The maximum number of digits: 115 days in milliseconds.
const MAX_DIGITS: usize = 10;

/// How long the application may take for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) limit: Duration,
    /// The rest of the requester's time.
    pub(crate) left: Option<Duration>,
}

impl Allowance {
    /// Returns whether the requester's deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.left.is_some_and(|left| left.is_zero())
    }
}

/// Which time limit expired first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// The limit of the bridge or the operation.
    Limit,
    /// The deadline of the requester.
    Deadline,
}

/// Returns the header's value, which is in milliseconds; `None` if it is not such a number.
pub(crate) fn given(headers: &Headers, name: &HeaderName) -> Option<Duration> {
    let mut values = headers.get_all(name.as_str());
    let first = values.next()?;
    if values.any(|other| other != first) {
        return None;
    }
    let digits = first.filter(|value| (1..=MAX_DIGITS).contains(&value.len()))?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// Returns the rest of the given time. `written` and `now` are milliseconds since the Unix epoch.
///
/// A timestamp in the future gives at most the whole time, because clocks differ.
pub(crate) fn left(given: Duration, written: i64, now: i64) -> Duration {
    let age = u64::try_from(now.saturating_sub(written)).unwrap_or_default();
    given.saturating_sub(Duration::from_millis(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Option<u128> {
        let headers: Headers = values
            .iter()
            .map(|value| ("X-Request-Timeout-Ms", value.to_vec()))
            .collect();
        given(&headers, &DEFAULT_DEADLINE_HEADER).map(|given| given.as_millis())
    }

    #[test]
    fn h10_what_is_no_number_of_milliseconds_is_ignored() {
        assert_eq!(read(&[b"1500"]), Some(1500));
        assert_eq!(read(&[b"1500", b"1500"]), Some(1500));
        assert_eq!(read(&[b"0"]), Some(0));
        let hostile: [&[&[u8]]; 10] = [
            &[],
            &[b""],
            &[b"-1"],
            &[b"+1"],
            &[b" 1"],
            &[b"1.5"],
            &[b"1s"],
            &[b"99999999999"],
            &[b"\xff"],
            &[b"1", b"2"],
        ];
        for values in hostile {
            assert_eq!(read(values), None, "{values:?}");
        }
        let mut null = Headers::default();
        null.push_nullable("x-request-timeout-ms", None);
        assert_eq!(given(&null, &DEFAULT_DEADLINE_HEADER), None);
    }

    #[test]
    fn what_is_left_counts_from_the_records_timestamp() {
        let given = Duration::from_millis(100);
        let left = |written, now| left(given, written, now).as_millis();
        assert_eq!(left(1000, 1000), 100);
        assert_eq!(left(1000, 1060), 40);
        assert_eq!(left(1000, 1100), 0);
        assert_eq!(left(1000, 9999), 0);
        assert_eq!(left(1000, 0), 100, "a clock that lags gives no more");
        assert_eq!(left(i64::MIN, i64::MAX), 0);
        assert_eq!(left(i64::MAX, i64::MIN), 100);
    }
}
