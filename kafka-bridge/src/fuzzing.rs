//! The rules that hold for every input, as functions that panic if one is broken.
//!
//! The fuzz targets call them with libFuzzer's inputs, and the tests below with proptest's inputs and the committed
//! seeds. Not part of the public interface.

mod text;

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response};

use crate::http::{echo, request, response};
use crate::operation::path;
use crate::reply::address::{self, ReplyPartition};
use crate::settings::Limits;
use crate::{Body, HeaderFilter, Headers, Operation, Record, ReplyPolicy, ReplyProfile};

pub use self::text::record;

const TOPIC: &str = "t";

static OPERATION: LazyLock<Operation> = LazyLock::new(|| {
    Operation::new(TOPIC, Method::PUT, "/orders/{id}/items/{item}.json")
        .and_then(|operation| operation.path_parameter("item", "x-item"))
        .expect("a legal operation")
        .query_parameter("limit", "x-limit")
        .query_header("x-query")
});

static POLICY: LazyLock<ReplyPolicy> = LazyLock::new(|| {
    ReplyPolicy::derived_for(&ReplyProfile::all(), [TOPIC]).reserve(Some("t.reply.dead".to_owned()))
});

/// Names that no request may carry, in whatever case they are written.
const NEVER_PASS: [&str; 12] = [
    "authorization",
    "connection",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
];

/// Checks that any record becomes a request of its operation, or a problem.
///
/// # Panics
///
/// Panics if a header smuggles something in.
pub fn request(record: &Record) {
    let limits = Limits::default();
    match request::from_record(
        record.clone(),
        &OPERATION,
        &limits,
        &HeaderFilter::default(),
    ) {
        Err(problem) => {
            assert!(problem.status.is_client_error(), "{problem:?}");
            let body = problem.into_response().into_body();
            serde_json::from_slice::<serde_json::Value>(&body).expect("problems are JSON");
        }
        Ok(request) => {
            check_target(record, &request);
            check_headers(record, &request);
        }
    }
    // Without limits a record may have more headers than a header map can hold. Even then nothing panics.
    let unlimited = Limits {
        max_headers: usize::MAX,
        max_header_bytes: usize::MAX,
        max_request_bytes: usize::MAX,
        ..limits
    };
    let _ = request::from_record(
        record.clone(),
        &OPERATION,
        &unlimited,
        &HeaderFilter::default(),
    );
}

/// Checks that the path has the template's segments, with its own ones unchanged, and that the values come from the
/// headers.
fn check_target(record: &Record, request: &Request<Body>) {
    assert_eq!(request.method(), Method::PUT);
    let uri = request.uri();
    assert!(uri.host().is_none() && uri.scheme().is_none(), "{uri}");
    let segments: Vec<&str> = uri.path().split('/').collect();
    let ["", "orders", id, "items", item] = segments[..] else {
        panic!("{uri} left its template")
    };
    let item = item.strip_suffix(".json").expect("the template's own text");
    for (segment, header) in [(id, "id"), (item, "x-item")] {
        assert!(!["", ".", ".."].contains(&segment), "{uri}");
        let mut encoded = String::new();
        let value = record.headers.get(header).expect("a required header");
        path::encode(std::str::from_utf8(value).expect("UTF-8"), &mut encoded);
        assert_eq!(segment, encoded, "{header}");
    }
    assert!(path::is_query(uri.query().unwrap_or_default()), "{uri}");
}

fn check_headers(record: &Record, request: &Request<Body>) {
    let headers = request.headers();
    let length = record.value.as_ref().map_or(0, Bytes::len).to_string();
    let lengths: Vec<_> = headers.get_all("content-length").iter().collect();
    assert_eq!(lengths, [length.as_str()]);
    assert!(headers.contains_key("content-type"));
    for (name, value) in headers {
        check_line(name, value.as_bytes());
        let text = name.as_str();
        assert!(!NEVER_PASS.contains(&text), "{text} passed");
        assert!(
            !text.starts_with("proxy-") && !text.starts_with("x-forwarded-"),
            "{text} passed"
        );
        let is_own = text == "content-length" || text == "content-type";
        let mut inbound = record.headers.get_all(text).flatten();
        assert!(
            is_own || inbound.any(|own| own == value.as_bytes()),
            "{text} was made up"
        );
    }
}

fn check_line(name: &HeaderName, value: &[u8]) {
    let breaks = |byte: &u8| [b'\r', b'\n', 0].contains(byte);
    assert!(!name.as_str().bytes().any(|byte| breaks(&byte)), "{name:?}");
    assert!(!value.iter().any(breaks), "{name}: {value:?}");
}

/// Checks that any line sets at most one header, and only one that nobody owns.
///
/// # Panics
///
/// Panics if more than that is set.
pub fn reply_set_header(line: &[u8]) {
    let Some((name, value)) = echo::parse(line) else {
        return;
    };
    check_line(&name, value.as_bytes());
    let start = &line[..name.as_str().len()];
    assert!(start.eq_ignore_ascii_case(name.as_str().as_bytes()));
    assert_eq!(line[start.len()], b':');
    assert_eq!(
        line[start.len() + 1..].trim_ascii(),
        value.as_bytes().trim_ascii()
    );
    for profile in ReplyProfile::all() {
        assert!(!profile.owns(name.as_str()), "{name} is owned by {profile}");
    }
    assert!(!echo::hop_by_hop(&name), "{name}");

    let mut response = Response::new(Bytes::new());
    echo::set(&mut response, vec![(name.clone(), value.clone())]);
    let headers: Headers = [("reply-to", "t.reply")].into_iter().collect();
    let profiles = [ReplyProfile::reference()];
    let address = address::resolve(&headers, &POLICY, &profiles).expect("allowed");
    let reply = response::into_reply(response, address.expect("there"), None, &profiles);
    let own: Vec<_> = reply.headers.iter().collect();
    let [status, echoed] = own[..] else {
        panic!("{own:?} is not a status and one header")
    };
    assert_eq!(status.0, "status-code");
    assert_eq!(echoed.0, name.as_str());
    assert_eq!(echoed.1.map(|echoed| &echoed[..]), Some(value.as_bytes()));
}

/// Checks that any record has an address that the policy allows, or none, and that its reply follows its profile.
///
/// # Panics
///
/// Panics if a reply could go elsewhere, or is not what its requester expects.
pub fn reply_to(record: &Record, rotation: usize) {
    let mut profiles = ReplyProfile::all();
    let places = rotation % profiles.len();
    profiles.rotate_left(places);
    let Ok(Some(address)) = address::resolve(&record.headers, &POLICY, &profiles) else {
        return;
    };
    let (topic, profile) = (address.topic.clone(), address.profile);
    assert_eq!(POLICY.check(&topic), Ok(()));
    assert!(
        topic.starts_with("t.reply") || &*topic == "t-replies",
        "{topic}"
    );
    let own = record
        .headers
        .get(&profile.reply_topic)
        .expect("the profile's header");
    assert_eq!(own, topic.as_bytes());
    if let ReplyPartition::Number(number) = address.partition {
        assert!(number >= 0, "{number}");
    }
    check_reply(record, address, &profiles);
}

fn check_reply(record: &Record, address: address::Address<'_>, profiles: &[ReplyProfile]) {
    let profile = address.profile;
    let name = profile.correlation.as_deref();
    let sent: Vec<_> = record
        .headers
        .iter()
        .filter(|(own, _)| name.is_some_and(|name| own.eq_ignore_ascii_case(name)))
        .take(16)
        .collect();
    // An application that echoes all headers that it gets must not pass for the bridge.
    let mut response = Response::new(Bytes::new());
    for (name, value) in record.headers.iter() {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = value.map(|value| http::HeaderValue::from_bytes(value));
        if let (Ok(name), Some(Ok(value))) = (name, value) {
            let _ = response.headers_mut().try_append(name, value);
        }
    }
    let reply = response::into_reply(response, address, None, profiles);
    let all: Vec<_> = reply.headers.iter().collect();
    assert_eq!(all[0].0, profile.status);
    let (before, correlation) = all.split_at(all.len() - sent.len());
    assert_eq!(correlation, sent);
    for (name, _) in &before[1..] {
        let is_constant = profile.constants.iter().any(|(own, _)| own == name);
        assert!(
            is_constant || !profiles.iter().any(|own| own.owns(name)),
            "{name}"
        );
    }
}

/// Checks that a text is the name of one profile, or of none.
///
/// # Panics
///
/// Panics if a profile has a different name from the one it was found by.
pub fn profile(text: &str) {
    if let Ok(profile) = text.parse::<ReplyProfile>() {
        assert_eq!(profile.to_string(), text);
    }
}

#[cfg(test)]
mod tests;
