//! Checks each profile's requests as literal bytes, and combinations of options.

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::scenario::Request;

/// An id whose bytes all differ, so that a wrong order shows.
const ID: Uuid = Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff);
const TEXT: &[u8] = b"00112233-4455-6677-8899-aabbccddeeff";
const BYTES: &[u8] = b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

fn request() -> Request {
    Request {
        id: ID,
        body: Some(Bytes::from_static(b"{}")),
        ..Request::new(0)
    }
}

/// Returns all headers of a request, in order.
fn headers(wire: &Wire) -> Vec<(String, Vec<u8>)> {
    let request = request();
    let constant = wire.constant_headers("the.replies").into_iter();
    let constant = constant.map(|(name, value)| (name.to_owned(), value));
    let own = wire.outgoing(&request).unwrap().headers.into_iter();
    constant
        .chain(own.map(|(name, value)| (name.to_owned(), value.into_owned())))
        .collect()
}

#[track_caller]
fn assert_headers(wire: &Wire, expected: &[(&str, &[u8])]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
        .collect();
    assert_eq!(headers(wire), expected);
}

fn profile(name: &str) -> Wire {
    Wire::of_profile(name).unwrap()
}

fn with_partition(name: &str) -> Wire {
    let wire = Wire {
        reply_partition: Some(258),
        ..profile(name)
    };
    wire.validated().unwrap()
}

#[test]
fn requests_of_each_profile_are_these_bytes() {
    assert_headers(
        &Wire::default(),
        &[
            ("reply-to", b"the.replies"),
            (
                "x-reply-set-header",
                b"x-request-id:00112233-4455-6677-8899-aabbccddeeff",
            ),
        ],
    );
    assert_headers(
        &with_partition("spring"),
        &[
            ("kafka_replyTopic", b"the.replies"),
            ("kafka_replyPartition", b"\x00\x00\x01\x02"),
            ("kafka_correlationId", BYTES),
        ],
    );
    assert_headers(
        &with_partition("smallrye"),
        &[
            ("REPLY_TOPIC", b"the.replies"),
            ("REPLY_PARTITION", b"\x00\x00\x01\x02"),
            ("REPLY_CORRELATION_ID", TEXT),
        ],
    );
    assert_headers(
        &with_partition("nest"),
        &[
            ("kafka_replyTopic", b"the.replies"),
            ("kafka_replyPartition", b"258"),
            ("kafka_correlationId", TEXT),
        ],
    );
    assert_headers(
        &profile("faststream"),
        &[("reply_to", b"the.replies"), ("correlation_id", TEXT)],
    );
    assert_headers(
        &profile("zilla"),
        &[
            ("zilla:reply-to", b"the.replies"),
            ("zilla:correlation-id", TEXT),
        ],
    );
}

#[test]
fn ids_are_read_as_they_are_written() {
    for (format, written) in [
        (IdFormat::Uuid, TEXT),
        (IdFormat::UuidBytes, BYTES),
        (IdFormat::Hex, b"00112233445566778899aabbccddeeff"),
    ] {
        let mut buffer = [0; 36];
        assert_eq!(format.write(ID, &mut buffer), written);
        assert_eq!(format.read(written), Some(ID));
        for foreign in [&b""[..], b"x", b"\xff\xfe", &[0; 17]] {
            assert_eq!(format.read(foreign), None);
        }
    }
}

#[test]
fn the_id_may_be_the_key() {
    let wire = Wire {
        correlation: IdPlace::Key,
        ..profile("spring")
    };
    let request = request();
    let outgoing = wire.outgoing(&request).unwrap();
    assert_eq!(outgoing.key.as_deref(), Some(BYTES));
    assert!(outgoing.headers.is_empty());
}

#[test]
fn the_id_may_be_in_the_body() {
    let body = |pointer: &str, body: &'static str| {
        let wire = Wire {
            correlation: format!("payload:{pointer}").parse().unwrap(),
            ..Wire::default()
        };
        let request = Request {
            body: (body != "null").then(|| body.into()),
            ..request()
        };
        let outgoing = wire.outgoing(&request);
        outgoing.map(|outgoing| String::from_utf8(outgoing.body.unwrap().into_owned()).unwrap())
    };
    let id = str::from_utf8(TEXT).unwrap();
    assert_eq!(body("/id", "{}").unwrap(), format!(r#"{{"id":"{id}"}}"#));
    assert_eq!(
        body("/a~1b/c", r#"{"z":1}"#).unwrap(),
        format!(r#"{{"a/b":{{"c":"{id}"}},"z":1}}"#)
    );
    assert_eq!(
        body("/a/0", r#"{"a":[7,8]}"#).unwrap(),
        format!(r#"{{"a":["{id}",8]}}"#)
    );
    for (pointer, wrong, reason) in [
        ("/id", "[]", "not a JSON object"),
        ("/id", "null", "not a JSON object"),
        ("/id", "{", "not a JSON object"),
        ("/a/9", r#"{"a":[]}"#, "no such item"),
        ("/a/b", r#"{"a":1}"#, "neither an object"),
    ] {
        let error = body(pointer, wrong).unwrap_err();
        assert!(error.contains(reason) && error.contains(pointer), "{error}");
    }
}

#[test]
fn headers_of_a_captured_record_that_are_the_runs_own_are_replaced() {
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    let captured = Request {
        headers: vec![
            header("Reply-To", "old.replies"),
            header("x-reply-set-header", "x-request-id: old"),
            header("x-reply-set-header", "tenant:blue"),
            header("trace", "1"),
        ],
        ..request()
    };
    let wire = Wire::default();
    let outgoing = wire.outgoing(&captured).unwrap();
    let sent: Vec<_> = outgoing
        .headers
        .iter()
        .map(|(name, value)| (*name, str::from_utf8(value).unwrap()))
        .collect();
    assert_eq!(
        sent,
        [
            ("x-reply-set-header", "tenant:blue"),
            ("trace", "1"),
            (
                "x-reply-set-header",
                "x-request-id:00112233-4455-6677-8899-aabbccddeeff"
            )
        ]
    );
    let nest = profile("nest");
    assert_eq!(
        nest.own_header("KAFKA_REPLYPARTITION"),
        Some(("kafka_replyPartition", "--reply-partition"))
    );
    assert_eq!(nest.own_header("tenant"), None);
}

#[test]
fn contradictions_name_their_flags() {
    let spring = || profile("spring");
    let payload = Wire {
        correlation: "payload:/id".parse().unwrap(),
        ..spring()
    };
    let reply = Wire {
        reply_correlation: Some("payload:/id".parse().unwrap()),
        ..spring()
    };
    for wire in [payload, reply] {
        let error = wire.validated().unwrap_err();
        assert!(error.starts_with("--correlation-format: "), "{error}");
    }
    let partition = Wire {
        reply_partition: Some(1),
        ..Wire::default()
    };
    let error = partition.validated().unwrap_err();
    assert!(error.contains("--reply-partition-header"), "{error}");
}

#[test]
fn texts_round_trip_and_others_are_refused() {
    for text in ["header:zilla:id", "echo:x-id", "key", "payload:/a/b~1c"] {
        let place: IdPlace = text.parse().unwrap();
        assert_eq!(serde_json::to_value(place).unwrap(), text);
    }
    for wrong in [
        "",
        "header:",
        "header",
        "key:",
        "payload:",
        "payload:/",
        "payload:id",
        "payload:/a~2",
        "echo:a:b",
    ] {
        assert!(wrong.parse::<IdPlace>().is_err(), "{wrong}");
    }
    assert!(IdPlace::of_reply("echo:a").is_err());
    assert_eq!(IdPlace::of_reply("key"), Ok(IdPlace::Key));
    for name in [
        "reference",
        "spring",
        "smallrye",
        "nest",
        "faststream",
        "zilla",
    ] {
        assert!(profile(name).validated().is_ok(), "{name}");
    }
    assert!(Wire::of_profile("kafka").is_err());
    let header: PartitionHeader = "bytes:a:b".parse().unwrap();
    assert_eq!(header.name, "a:b");
    assert!("a".parse::<PartitionHeader>().is_err());
}
