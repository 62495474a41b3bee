//! Reads the headers of a reply record: whose reply it is, and whether it says success. Pure.

use uuid::Uuid;

/// The header that carries our correlation id back.
const CORRELATION: &str = "x-request-id";
/// The header that carries the HTTP status of the answer.
const STATUS: &str = "status-code";

/// Headers as pairs of a name and a value; a value may be null.
type Headers<'a> = &'a mut dyn Iterator<Item = (&'a str, Option<&'a [u8]>)>;

/// A reply that carries a correlation id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The id of the request that it answers.
    pub(crate) id: Uuid,
    /// `Err` when the status is not 2xx, missing or unreadable.
    pub(crate) status: Result<(), String>,
}

/// Reads a reply; `None` when it has no correlation id, or none of our kind: not ours.
pub(crate) fn read_reply(headers: Headers<'_>) -> Option<Reply> {
    let (mut id, mut status) = (None, None);
    for (name, value) in headers {
        // The first of each name counts: the service's own headers precede the echoed ones.
        if name.eq_ignore_ascii_case(CORRELATION) {
            id = id.or_else(|| Uuid::try_parse_ascii(value?.trim_ascii()).ok());
        } else if name.eq_ignore_ascii_case(STATUS) {
            status.get_or_insert_with(|| read_status(value));
        }
    }
    let status = status.unwrap_or_else(|| Err("the reply has no status-code header".to_owned()));
    Some(Reply { id: id?, status })
}

fn read_status(value: Option<&[u8]>) -> Result<(), String> {
    let text = String::from_utf8_lossy(value.unwrap_or_default());
    match text.trim().parse::<u16>() {
        Ok(200..=299) => Ok(()),
        Ok(code @ 100..=999) => Err(format!("status {code}")),
        _ => Err("the reply's status-code header is not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    fn read(headers: &[(&str, Option<&str>)]) -> Option<Reply> {
        read_reply(
            &mut headers
                .iter()
                .map(|(name, value)| (*name, value.map(str::as_bytes))),
        )
    }

    #[track_caller]
    fn assert_status(value: Option<&str>, expected: Result<(), &str>) {
        let reply = read(&[("status-code", value), ("x-request-id", Some(ID))]).unwrap();
        assert_eq!(reply.id.to_string(), ID);
        assert_eq!(reply.status, expected.map_err(str::to_owned));
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
        assert_eq!(
            reply.status,
            Err("the reply has no status-code header".to_owned())
        );
    }

    #[test]
    fn a_record_without_our_id_is_not_ours() {
        assert_eq!(read(&[("status-code", Some("200"))]), None);
        assert_eq!(read(&[("x-request-id", Some("42"))]), None);
        assert_eq!(read(&[("x-request-id", None)]), None);
    }
}
