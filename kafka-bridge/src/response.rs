//! From HTTP response to reply record. Pure: neither Kafka nor IO.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Response};

use crate::echo::{Echoed, hop_by_hop};
use crate::{Headers, OutboundRecord};

/// The reply header that carries the HTTP status, always the first.
pub(crate) const STATUS_CODE: &str = "status-code";

/// Makes the reply: `status-code`, the response's own headers, then the echoed ones.
pub(crate) fn into_reply(
    response: Response<Bytes>,
    topic: Arc<str>,
    key: Option<Bytes>,
) -> OutboundRecord {
    let (parts, body) = response.into_parts();
    let echoed = parts
        .extensions
        .get::<Echoed>()
        .map_or(&[][..], |echoed| &echoed.0);
    let mut headers = Headers::with_capacity(parts.headers.len() + 1);
    headers.push(STATUS_CODE, parts.status.as_str().to_owned());
    for last in [false, true] {
        let own = parts
            .headers
            .iter()
            .filter(|(name, _)| echoed.contains(name) == last);
        for (name, value) in own.filter(|(name, _)| !is_bridge_owned(name)) {
            headers.push(name.as_str(), Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    OutboundRecord {
        topic,
        key,
        value: Some(body),
        headers,
    }
}

/// Returns whether the header has no place in a reply, or only the bridge may write it.
fn is_bridge_owned(name: &HeaderName) -> bool {
    // A requester that finds `reply-to` in a reply may take it for a request.
    hop_by_hop(name) || matches!(name.as_str(), STATUS_CODE | "reply-to")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::echo;

    fn names(reply: &OutboundRecord) -> Vec<(&str, &[u8])> {
        reply
            .headers
            .iter()
            .map(|(name, value)| (name, &value.unwrap()[..]))
            .collect()
    }

    #[test]
    fn status_comes_first_and_echoed_headers_last() {
        let mut response = Response::new(Bytes::from("{}"));
        echo::set(&mut response, vec![echo::parse(b"x-request-id:7").unwrap()]);
        // A router adds the length after its inner layers ran, so after the echo.
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("a/b"));
        response
            .headers_mut()
            .insert("content-length", HeaderValue::from_static("2"));

        let reply = into_reply(response, "r".into(), Some("k".into()));
        let expected: [(&str, &[u8]); 4] = [
            ("status-code", b"200"),
            ("content-type", b"a/b"),
            ("content-length", b"2"),
            ("x-request-id", b"7"),
        ];
        assert_eq!(names(&reply), expected);
        assert_eq!(reply.value.as_deref(), Some(&b"{}"[..]));
        assert_eq!(reply.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(&*reply.topic, "r");
    }

    #[test]
    fn the_application_cannot_write_what_the_bridge_owns() {
        let mut response = Response::new(Bytes::new());
        for name in ["status-code", "reply-to", "connection", "transfer-encoding"] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static("x"));
        }
        let reply = into_reply(response, "r".into(), None);
        assert_eq!(names(&reply), [("status-code", &b"200"[..])]);
    }
}
