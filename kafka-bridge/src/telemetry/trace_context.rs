//! Reads the `traceparent` header of W3C Trace Context, <https://www.w3.org/TR/trace-context/>, and the `baggage`
//! header of <https://www.w3.org/TR/baggage/>. Pure.
//!
//! The bridge creates no spans in a trace. It passes the requester's context to the application and back with the
//! reply, and adds it to its log spans.

use http::HeaderValue;

use crate::Headers;

/// The header that carries a trace's context.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The header that carries a trace's baggage, which its services pass along.
pub(crate) const BAGGAGE: &str = "baggage";

/// How many bytes of baggage are passed on, the minimum that the specification requires.
const MAX_BAGGAGE: usize = 8192;

/// Returns the baggage of a record, one value per header. Returns none if it is too long or not a legal HTTP header
/// value.
pub(crate) fn baggage(headers: &Headers) -> Vec<HeaderValue> {
    let values = || headers.get_all(BAGGAGE).flatten();
    // Includes the comma that joins them.
    let size: usize = values().map(|value| value.len() + 1).sum();
    if size > MAX_BAGGAGE + 1 {
        return Vec::new();
    }
    let read = values().map(|value| HeaderValue::from_maybe_shared(value.clone()));
    read.collect::<Result<_, _>>().unwrap_or_default()
}

/// The length of four fields of 2, 32, 16 and 2 digits, and the separators.
const LENGTH: usize = 55;

/// Returns the context of a record: from exactly one header, in a form that the recommendation allows.
pub(crate) fn of(headers: &Headers) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT);
    let (first, second) = (values.next()?, values.next());
    if second.is_some() {
        return None;
    }
    let text = std::str::from_utf8(first?).ok()?;
    is_valid(text).then_some(text)
}

/// Checks `version "-" trace-id "-" parent-id "-" trace-flags`, in lower-case hexadecimal. Fields that a later version
/// may append are not passed on.
fn is_valid(text: &str) -> bool {
    // First of all, because the fields of a long text would take many times its memory.
    if text.len() != LENGTH {
        return false;
    }
    let fields: Vec<&str> = text.split('-').collect();
    let [version, trace_id, parent_id, flags] = fields[..] else {
        return false;
    };
    let is_hex = |field: &str, len| {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        field.len() == len && field.bytes().all(digits)
    };
    let is_id = |field: &str, len| is_hex(field, len) && field.bytes().any(|byte| byte != b'0');
    is_hex(version, 2)
        && version != "ff"
        && is_id(trace_id, 32)
        && is_id(parent_id, 16)
        && is_hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(values: &[&str]) -> Option<String> {
        let headers: Headers = values
            .iter()
            .map(|&value| ("Traceparent", value.to_owned()))
            .collect();
        of(&headers).map(str::to_owned)
    }

    #[test]
    fn h10_baggage_is_read_whole_or_not_at_all() {
        let read = |values: &[&[u8]]| {
            let values = values.iter().map(|value| ("Baggage", value.to_vec()));
            baggage(&values.collect())
        };
        assert_eq!(read(&[b"a=1", b"b=2;p"]), ["a=1", "b=2;p"]);
        let long = vec![b'x'; MAX_BAGGAGE];
        assert_eq!(read(&[&long]).len(), 1);
        assert!(read(&[&long, b""]).is_empty());
        assert!(read(&[b"a=1", b"b=2\r\nstatus-code: 500"]).is_empty());
        assert!(read(&[]).is_empty());
        let many = vec![&b""[..]; 100_000];
        assert!(read(&many).is_empty());
    }

    #[test]
    fn reads_one_valid_context() {
        assert_eq!(read(&[VALID]).as_deref(), Some(VALID));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[VALID, VALID]), None);
    }

    #[test]
    fn refuses_other_forms() {
        let upper = VALID.to_uppercase();
        let long = format!("{VALID}-00");
        let refused = [
            "",
            "00",
            &upper,
            &long,
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1\n",
        ];
        for text in refused {
            assert_eq!(read(&[text]), None, "{text:?}");
        }
    }
}
