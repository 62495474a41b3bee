//! Converts a record to an HTTP request. Pure: neither Kafka nor IO.
//!
//! The record is hostile input. Headers that HTTP cannot carry are dropped, headers that would change the message's
//! framing are replaced by correct ones, and a record that exceeds a limit is refused.

use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use serde::de::IgnoredAny;

use crate::http::echo::hop_by_hop;
use crate::http::problem::Problem;
use crate::settings::Limits;
use crate::{Body, HeaderFilter, Headers, KafkaRecord, Operation, Record};

/// Makes the request of an operation.
pub(crate) fn from_record(
    mut record: Record,
    operation: &Operation,
    limits: &Limits,
    filter: &HeaderFilter,
) -> Result<Request<Body>, Problem> {
    check(&record, limits)?;
    let uri = operation.uri(&record.headers)?;
    let body = record.value.take().unwrap_or_default();
    let headers = to_http(&record.headers, filter)?;
    refuse_schema_id(&headers, &body)?;
    let size = body.len();
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = operation.method().clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    describe_body(request.headers_mut(), size);
    request.extensions_mut().insert(KafkaRecord::from(record));
    Ok(request)
}

fn check(record: &Record, limits: &Limits) -> Result<(), Problem> {
    let size = record.value.as_ref().map_or(0, Bytes::len);
    if size > limits.max_request_bytes {
        let limit = limits.max_request_bytes;
        let detail = format!("the body has {size} bytes, the limit is {limit}");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let (count, size) = (record.headers.len(), record.headers.size());
    if count > limits.max_headers || size > limits.max_header_bytes {
        let (max, bytes) = (limits.max_headers, limits.max_header_bytes);
        let detail =
            format!("{count} headers of {size} bytes, the limits are {max} and {bytes} bytes");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(())
}

/// Converts the headers that HTTP can carry and the filter allows. Names become lower case.
fn to_http(headers: &Headers, filter: &HeaderFilter) -> Result<HeaderMap, Problem> {
    let connection = connection_options(headers);
    // Leaves room for the headers of the body and for the host.
    let mut map = HeaderMap::with_capacity(headers.len().min(64) + 3);
    for (name, value) in headers.entries() {
        let (Some(name), Some(value)) = (name.to_http(), value) else {
            continue;
        };
        let Ok(value) = HeaderValue::from_maybe_shared(value.clone()) else {
            continue;
        };
        if is_transport(&name) || connection.contains(&name) || !filter.allows(&name) {
            continue;
        }
        // `append` panics when the map is full, and a hostile record could fill it.
        map.try_append(name, value)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "too many headers"))?;
    }
    Ok(map)
}

/// Refuses JSON after the five bytes of Confluent's wire format, which are the magic byte 0 and a schema id. A JSON
/// parser would only report an unexpected character. No JSON text begins with a zero byte.
fn refuse_schema_id(headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    let &[0, a, b, c, d, ref json @ ..] = &body[..] else {
        return Ok(());
    };
    // Parsed whole: a value in another format may begin with the same byte.
    let is_document =
        || matches!(json, [b'{' | b'[', ..]) && serde_json::from_slice::<IgnoredAny>(json).is_ok();
    if !is_json(headers) || !is_document() {
        return Ok(());
    }
    let id = u32::from_be_bytes([a, b, c, d]);
    let detail = format!(
        "the body is JSON after the prefix of Confluent's wire format (magic byte 0, schema id {id}): send it without \
         these 5 bytes, or with a content-type that is not JSON"
    );
    Err(Problem::new(StatusCode::BAD_REQUEST, detail))
}

/// Returns whether the body is JSON, which is also the default.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = essence(media_type).to_ascii_lowercase();
    essence == b"application/json" || essence.ends_with(b"+json")
}

/// Returns a media type without its parameters (RFC 9110, 8.3.1), in its original case.
pub(super) fn essence(media_type: &HeaderValue) -> &[u8] {
    let mut parts = media_type.as_bytes().split(|&byte| byte == b';');
    parts.next().unwrap_or_default().trim_ascii()
}

/// Returns the names that the record's own `connection` headers restrict to one connection (RFC 9110, 7.6.1). A set,
/// because a hostile record can list thousands, and each of its headers is looked up. An empty set takes no memory.
fn connection_options(headers: &Headers) -> HashSet<HeaderName> {
    let lists = headers.get_all("connection").flatten();
    lists
        .flat_map(|list| list.split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// Returns whether the header concerns an HTTP connection, which no record has. The content length is not one of them:
/// it is replaced by the body's own.
fn is_transport(name: &HeaderName) -> bool {
    hop_by_hop(name) || [header::HOST, header::EXPECT].contains(name)
}

/// Sets the body's real length, and its type if the record has none.
fn describe_body(headers: &mut HeaderMap, size: usize) {
    // Records seldom carry a media type, and nearly all of them hold JSON.
    if !headers.contains_key(header::CONTENT_TYPE) {
        let json = HeaderValue::from_static("application/json");
        let _ = headers.try_insert(header::CONTENT_TYPE, json);
    }
    let _ = headers.try_insert(header::CONTENT_LENGTH, length(size));
}

/// Sets the host of a request. It comes from the bridge, never from the record.
pub(crate) fn set_host(request: &mut Request<Body>, host: &HeaderValue) {
    let _ = request.headers_mut().try_insert(header::HOST, host.clone());
}

/// Formats a length. `HeaderValue::from` would allocate twice.
fn length(size: usize) -> HeaderValue {
    let digits = Bytes::from(size.to_string().into_bytes().into_boxed_slice());
    HeaderValue::from_maybe_shared(digits).unwrap_or_else(|_| HeaderValue::from(size))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn operation() -> Operation {
        Operation::new("createOrder", Method::POST, "/orders").unwrap()
    }

    fn request(record: Record) -> Request<Body> {
        from_record(
            record,
            &operation(),
            &Limits::default(),
            &HeaderFilter::default(),
        )
        .unwrap()
    }

    #[test]
    fn topic_decides_method_and_path() {
        let request = request(Record::new("createOrder", 3, 7).with_value("{}"));
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "/orders");
        assert_eq!(request.headers()["content-length"], "2");
        assert_eq!(request.headers()["content-type"], "application/json");
    }

    #[test]
    fn h19_the_application_is_told_which_record_it_is_and_when_it_was_written() {
        let mut record = Record::new("createOrder", 3, 7)
            .with_key("k")
            .with_value("v")
            .with_header("Connection", "x")
            .with_header("x", "\0");
        record.timestamp = Some(5);
        let headers = record.headers.clone();
        let request = request(record);
        let seen: &KafkaRecord = request.extensions().get().unwrap();
        assert_eq!(seen.coordinates().to_string(), "createOrder[3]@7");
        assert_eq!((seen.partition(), seen.offset()), (3, 7));
        assert_eq!((seen.topic(), seen.timestamp()), ("createOrder", Some(5)));
        assert_eq!(seen.key().map(|key| &key[..]), Some(&b"k"[..]));
        assert_eq!(seen.headers(), &headers);
    }

    #[test]
    fn null_value_is_an_empty_body() {
        assert_eq!(
            request(Record::new("createOrder", 0, 0)).headers()["content-length"],
            "0"
        );
    }

    #[test]
    fn keeps_the_media_type_that_the_record_states() {
        let record = Record::new("createOrder", 0, 0).with_header("Content-Type", "text/plain");
        let request = request(record);
        assert_eq!(request.headers().get_all("content-type").iter().count(), 1);
        assert_eq!(request.headers()["content-type"], "text/plain");
    }

    #[test]
    fn legal_headers_pass_lower_cased_with_repeats() {
        let record = Record::new("createOrder", 0, 0)
            .with_header("X-Tag", "a")
            .with_header("x-tag", "b")
            .with_header("Reply-To", "r");
        let request = request(record);
        let tags: Vec<_> = request.headers().get_all("x-tag").iter().collect();
        assert_eq!(tags, ["a", "b"]);
        assert_eq!(request.headers()["reply-to"], "r");
    }

    #[test]
    fn h16_framing_and_connection_headers_never_pass() {
        let names = [
            "Content-Length",
            "HOST",
            "Transfer-Encoding",
            "connection",
            "TE",
            "Keep-Alive",
        ];
        for name in names {
            let request = request(
                Record::new("createOrder", 0, 0)
                    .with_value("abc")
                    .with_header(name, "9"),
            );
            let passed = request.headers().get(name.to_ascii_lowercase());
            let truth = (name == "Content-Length").then(|| HeaderValue::from_static("3"));
            assert_eq!(passed, truth.as_ref(), "{name}");
        }
    }

    #[test]
    fn h16_names_that_the_connection_header_lists_never_pass() {
        let record = Record::new("createOrder", 0, 0)
            .with_header("X-Hop", "1")
            .with_header("x-hop-2", "1")
            .with_header("x-end", "1")
            .with_header("Connection", "close, x-hop")
            .with_header("connection", "\t,X-HOP-2 ,,");
        let request = request(record);
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-end", "content-type", "content-length"]);
    }

    #[test]
    fn h16_the_filter_never_opens_the_way_for_framing() {
        let open = HeaderFilter::default().allow("*");
        let record = Record::new("createOrder", 0, 0)
            .with_header("Authorization", "Basic x")
            .with_header("transfer-encoding", "chunked")
            .with_header("host", "elsewhere")
            .with_header("proxy-authorization", "Basic x");
        let request = from_record(record, &operation(), &Limits::default(), &open).unwrap();
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["authorization", "content-type", "content-length"]);
    }

    #[test]
    fn a_record_without_a_path_value_is_refused_after_the_limits() {
        let operation = Operation::new("updateOrder", Method::PUT, "/orders/{id}").unwrap();
        let (limits, filter) = (Limits::default(), HeaderFilter::default());
        let status = |record| {
            let refused = from_record(record, &operation, &limits, &filter);
            refused.unwrap_err().status
        };
        let record = Record::new("updateOrder", 0, 0);
        assert_eq!(status(record.clone()), StatusCode::BAD_REQUEST);
        let big = record.with_value(vec![0; limits.max_request_bytes + 1]);
        assert_eq!(status(big), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn h18_every_byte_passes_or_is_left_out_and_nothing_panics() {
        for byte in 0..=255_u8 {
            let record = Record::new("createOrder", 0, 0).with_header("x-byte", vec![byte]);
            let passed = request(record)
                .headers()
                .get("x-byte")
                .map(|v| v.as_bytes().to_vec());
            let legal = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
            assert_eq!(passed, legal.then(|| vec![byte]), "{byte:#x}");
        }
    }

    #[test]
    fn json_behind_a_schema_id_is_refused_in_words_and_what_is_no_json_passes() {
        let made = |body: &[u8], media_type: Option<&str>| {
            let mut record = Record::new("createOrder", 0, 0).with_value(body.to_vec());
            if let Some(media_type) = media_type {
                record.headers.push("Content-Type", media_type.to_owned());
            }
            from_record(
                record,
                &operation(),
                &Limits::default(),
                &HeaderFilter::default(),
            )
        };
        let framed = b"\0\0\0\0\x2a{\"items\":[]}";
        for media_type in [
            None,
            Some("application/json"),
            Some("Application/Vnd.Shop+JSON; charset=utf-8"),
        ] {
            let problem = made(framed, media_type).unwrap_err();
            assert_eq!(problem.status, 400);
            assert!(
                problem.detail.contains("schema id 42"),
                "{}",
                problem.detail
            );
        }
        for media_type in ["application/octet-stream", "application/vnd.confluent.avro"] {
            assert!(made(framed, Some(media_type)).is_ok(), "{media_type}");
        }
        // Avro behind the id, too short, another magic byte, plain JSON.
        let others: [&[u8]; 6] = [
            b"\0\0\0\0\x2a{\x04a",
            b"\0\0\0\0\x2a\x04a",
            b"\0\0\0\0\x2a",
            b"\0{",
            b"\x01\0\0\0\x2a{}",
            b"{}",
        ];
        for body in others {
            assert!(made(body, None).is_ok(), "{body:?}");
        }
    }

    #[test]
    fn refuses_what_is_beyond_a_limit() {
        let limits = Limits::default();
        let big =
            Record::new("createOrder", 0, 0).with_value(vec![0; limits.max_request_bytes + 1]);
        let filter = HeaderFilter::default();
        let refused = |record| {
            from_record(record, &operation(), &limits, &filter)
                .unwrap_err()
                .status
        };
        let status = refused(big);
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);

        let mut many = Record::new("createOrder", 0, 0);
        for number in 0..30_000 {
            many.headers.push(format!("x-{number}"), "v");
        }
        let status = refused(many);
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn h10_a_full_header_map_is_refused_and_does_not_panic() {
        let mut many = Record::new("createOrder", 0, 0);
        for number in 0..30_000 {
            many.headers.push(format!("x-{number}"), "v");
        }
        let limits = Limits {
            max_headers: usize::MAX,
            max_header_bytes: usize::MAX,
            ..Limits::default()
        };
        let refused = from_record(many, &operation(), &limits, &HeaderFilter::default());
        let status = refused.unwrap_err().status;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}
