//! Converts an HTTP response to a reply record. Pure: neither Kafka nor IO.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::http::echo::{Echoed, hop_by_hop};
use crate::http::problem::Problem;
use crate::http::request::essence;
use crate::record::headers::http_name;
use crate::reply::address::Address;
use crate::{Headers, OutboundRecord, ReplyProfile};

/// Names that no application may write into a reply, whatever the profiles.
const STATUS_CODE: &str = "status-code";
const REPLY_TO: &str = "reply-to";

/// The maximum size in bytes of a failure's body in a header: the reply must fit into a record.
const MAX_ERROR_TEXT: usize = 16 << 10;

/// Makes the reply: the status, the response's own headers, the profile's headers, the echoed headers, then the
/// correlation.
///
/// Response headers whose name belongs to any of the active `profiles` are left out, so that no application and no echo
/// can pass for the bridge.
pub(crate) fn into_reply(
    response: Response<Bytes>,
    address: Address<'_>,
    key: Option<Bytes>,
    profiles: &[ReplyProfile],
) -> OutboundRecord {
    let (profile, status) = (address.profile, response.status());
    let value = value(&response, profile);
    let echoed = response
        .extensions()
        .get::<Echoed>()
        .map_or(&[][..], |echoed| &echoed.0);
    let mut headers = Headers::with_capacity(response.headers().len() + 4);
    push(&mut headers, &profile.status, digits(status));
    let push_own = |headers: &mut Headers, last: bool| {
        let own = response
            .headers()
            .iter()
            .filter(|(name, _)| echoed.contains(name) == last)
            .filter(|(name, _)| value.is_some() || *name != header::CONTENT_LENGTH);
        for (name, value) in own.filter(|(name, _)| !is_bridge_owned(name, profiles)) {
            headers.push_http(name.clone(), written(name, value, profile));
        }
    };
    push_own(&mut headers, false);
    push_additions(&mut headers, &response, profile);
    push_own(&mut headers, true);
    for (name, value) in address.correlation.iter() {
        headers.push_nullable(name, value.cloned());
    }
    OutboundRecord {
        topic: address.topic,
        key,
        value,
        headers,
        partition: address.partition.number(),
    }
}

/// Appends a header that a profile names. Usual names need no allocation.
fn push(headers: &mut Headers, name: &str, value: impl Into<Bytes>) {
    match http_name(name.as_bytes()) {
        Some(own) if own.as_str() == name => headers.push_http(own, value),
        // HTTP has no such names, or not in this case.
        _ => headers.push(name, value),
    }
}

/// Returns a header's value as the profile wants it.
fn written(name: &HeaderName, value: &HeaderValue, profile: &ReplyProfile) -> Bytes {
    let is_problem = || essence(value).eq_ignore_ascii_case(b"application/problem+json");
    if profile.plain_json_failures && *name == header::CONTENT_TYPE && is_problem() {
        return Bytes::from_static(b"application/json");
    }
    copied(value)
}

/// Copies a value, unless it is a constant that most replies have.
fn copied(value: &HeaderValue) -> Bytes {
    match value.as_bytes() {
        b"application/json" => Bytes::from_static(b"application/json"),
        b"text/plain; charset=utf-8" => Bytes::from_static(b"text/plain; charset=utf-8"),
        b"application/problem+json" => Bytes::from_static(b"application/problem+json"),
        other => Bytes::copy_from_slice(other),
    }
}

/// Returns a status as text.
fn digits(status: StatusCode) -> Bytes {
    match status {
        StatusCode::OK => Bytes::from_static(b"200"),
        StatusCode::CREATED => Bytes::from_static(b"201"),
        StatusCode::NO_CONTENT => Bytes::from_static(b"204"),
        other => Bytes::copy_from_slice(other.as_str().as_bytes()),
    }
}

fn value(response: &Response<Bytes>, profile: &ReplyProfile) -> Option<Bytes> {
    let null = profile.null_for_no_content && response.status() == StatusCode::NO_CONTENT;
    (!null).then(|| response.body().clone())
}

fn push_additions(headers: &mut Headers, response: &Response<Bytes>, profile: &ReplyProfile) {
    let status = response.status();
    if let Some(name) = &profile.error
        && (status.is_client_error() || status.is_server_error())
    {
        headers.push(name.as_str(), error_text(response));
    }
    for (name, value) in &profile.constants {
        headers.push(name.as_str(), value.clone());
    }
}

/// Returns a failure as JSON text: its body if that is JSON, otherwise a problem made from the status.
fn error_text(response: &Response<Bytes>) -> Bytes {
    let body = response.body();
    let is_short = body.len() <= MAX_ERROR_TEXT;
    if is_short && serde_json::from_slice::<serde_json::Value>(body).is_ok() {
        return body.clone();
    }
    let text = std::str::from_utf8(body).ok().filter(|_| is_short);
    Problem::new(response.status(), text.unwrap_or_default()).into_body()
}

/// Returns whether a header does not belong in a reply, or only the bridge may write it.
fn is_bridge_owned(name: &HeaderName, profiles: &[ReplyProfile]) -> bool {
    // A requester that finds `reply-to` in a reply may mistake it for a request.
    hop_by_hop(name)
        || matches!(name.as_str(), STATUS_CODE | REPLY_TO)
        || profiles.iter().any(|profile| profile.owns(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::echo;
    use crate::reply::address::ReplyPartition;

    fn reply(response: Response<Bytes>, profiles: &[ReplyProfile]) -> OutboundRecord {
        let address = Address {
            topic: "r".into(),
            partition: ReplyPartition::Any,
            profile: &profiles[0],
            correlation: [("corr", "c")].into_iter().collect(),
        };
        into_reply(response, address, Some("k".into()), profiles)
    }

    fn names(reply: &OutboundRecord) -> Vec<(&str, &[u8])> {
        reply
            .headers
            .iter()
            .map(|(name, value)| (name, &value.unwrap()[..]))
            .collect()
    }

    fn failure(status: u16, body: &str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(body.to_owned()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    #[test]
    fn status_comes_first_and_echoed_headers_and_correlation_last() {
        let mut response = Response::new(Bytes::from("{}"));
        echo::set(&mut response, vec![echo::parse(b"x-request-id:7").unwrap()]);
        // A router adds the length after its inner layers have run, so after the echo.
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("a/b"));
        response
            .headers_mut()
            .insert("content-length", HeaderValue::from_static("2"));

        let reply = reply(response, &[ReplyProfile::reference()]);
        let expected: [(&str, &[u8]); 5] = [
            ("status-code", b"200"),
            ("content-type", b"a/b"),
            ("content-length", b"2"),
            ("x-request-id", b"7"),
            ("corr", b"c"),
        ];
        assert_eq!(names(&reply), expected);
        assert_eq!(reply.value.as_deref(), Some(&b"{}"[..]));
        assert_eq!(reply.key.as_deref(), Some(&b"k"[..]));
        assert_eq!((&*reply.topic, reply.partition), ("r", None));
    }

    #[test]
    fn h17_the_application_cannot_write_what_the_bridge_owns() {
        let mut response = Response::new(Bytes::new());
        for name in [
            "status-code",
            "reply-to",
            "connection",
            "transfer-encoding",
            "correlation_id",
            "reply_to",
            "kafka_correlationid",
            "reply_topic",
        ] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static("x"));
        }
        let reply = reply(response, &ReplyProfile::all());
        let expected: [(&str, &[u8]); 2] = [("status-code", b"200"), ("corr", b"c")];
        assert_eq!(names(&reply), expected);
    }

    #[test]
    fn h17_names_of_a_profile_of_the_users_own_are_owned_too() {
        let own = ReplyProfile {
            correlation: Some("Billing-Id".to_owned()),
            strip: vec!["x-internal".to_owned()],
            ..ReplyProfile::reference()
        };
        let mut response = Response::new(Bytes::new());
        echo::set(&mut response, vec![echo::parse(b"billing-id:7").unwrap()]);
        response
            .headers_mut()
            .insert("x-internal", HeaderValue::from_static("x"));
        let reply = reply(response, &[own]);
        let expected: [(&str, &[u8]); 2] = [("status-code", b"200"), ("corr", b"c")];
        assert_eq!(names(&reply), expected);
    }

    #[test]
    fn only_a_profile_that_asks_for_it_gets_null_for_no_content() {
        let no_content = || {
            let mut response = failure(204, "");
            response
                .headers_mut()
                .insert("content-length", HeaderValue::from_static("0"));
            response
        };
        let null = reply(no_content(), &[ReplyProfile::zilla()]);
        assert_eq!(null.value, None);
        let expected: [(&str, &[u8]); 2] = [(":status", b"204"), ("corr", b"c")];
        assert_eq!(names(&null), expected);

        let empty = reply(no_content(), &[ReplyProfile::reference()]);
        assert_eq!(empty.value.as_deref(), Some(&b""[..]));
        let empty = reply(failure(200, ""), &[ReplyProfile::zilla()]);
        assert_eq!(empty.value.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_failure_is_repeated_as_json_where_the_profile_has_a_header_for_it() {
        let profiles = [ReplyProfile::nest()];
        let error = |response| {
            let reply = reply(response, &profiles);
            let error = reply.headers.get("kafka_nest-err").map(<[u8]>::to_vec);
            error.map(|text| serde_json::from_slice::<serde_json::Value>(&text).unwrap())
        };
        assert_eq!(error(failure(200, "{}")), None);
        assert_eq!(error(failure(302, "")), None);
        assert_eq!(
            error(failure(422, r#"{"code":7}"#)).unwrap(),
            serde_json::json!({"code": 7})
        );
        let plain = error(failure(503, "store down")).unwrap();
        assert_eq!(
            (&plain["status"], &plain["detail"]),
            (&503.into(), &"store down".into())
        );

        // A long body is not repeated: it would double the reply.
        let long = error(failure(500, &format!("\"{}\"", "x".repeat(MAX_ERROR_TEXT)))).unwrap();
        assert_eq!(
            (&long["status"], &long["detail"]),
            (&500.into(), &"".into())
        );
    }
}
