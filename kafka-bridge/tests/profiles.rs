//! Other kinds of requesters, as bytes on the wire: what each one sends, and what it needs in return.
//!
//! Header names are literals on purpose: if they came from the bridge, a wrong name would be wrong here too.

mod support;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{
    Bridge, Builder, EchoSetHeaderLayer, Error, Operation, OutboundRecord, Record, ReplyProfile,
};
use support::{run, serve};

/// Sixteen bytes, most of which HTTP refuses in a header.
const BINARY_ID: [u8; 16] = [
    0x00, 0x0a, 0x0d, 0x7f, 0x80, 0xff, 0x01, 0x1f, 0x20, 0x09, 0x41, 0xc3, 0x28, 0xfe, 0x00, 0x00,
];

async fn handler(body: String) -> axum::response::Response {
    match body.as_str() {
        "refuse" => (StatusCode::UNPROCESSABLE_ENTITY, r#"{"code":"no-items"}"#).into_response(),
        "nothing" => StatusCode::NO_CONTENT.into_response(),
        "forge" => {
            let forged = [
                "kafka_correlationid",
                "correlation_id",
                "reply_correlation_id",
            ];
            let forged = forged
                .iter()
                .chain(&["status-code", "reply_topic", "reply_to", "x-fine"]);
            let headers: HeaderMap = forged
                .map(|name| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static("forged"),
                    )
                })
                .collect();
            (headers, body).into_response()
        }
        "panic" => panic!("as the test asked"),
        _ => body.into_response(),
    }
}

fn builder(profiles: &str) -> Builder<Router> {
    let app = Router::new()
        .route("/orders", post(handler))
        .layer(EchoSetHeaderLayer::default());
    let profiles = profiles
        .split(',')
        .map(|name| name.parse().expect("a profile's name"));
    Bridge::builder(app)
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
        .profiles(profiles.collect::<Vec<ReplyProfile>>())
}

fn request(body: &str, headers: &[(&str, &[u8])]) -> Record {
    let record = Record::new("createOrder", 0, 0).with_value(body.to_owned());
    let with =
        |record: Record, (name, value): &(&str, &[u8])| record.with_header(*name, value.to_vec());
    headers.iter().fold(record, with)
}

async fn reply(profiles: &str, request: Record) -> OutboundRecord {
    let (replies, commits) = serve(builder(profiles), [request]).await;
    assert_eq!(commits.next_offset("createOrder", 0), Some(1));
    let [reply] = &replies[..] else {
        panic!("one reply: {replies:?}")
    };
    reply.clone()
}

fn headers(reply: &OutboundRecord) -> Vec<(&str, Option<&[u8]>)> {
    let headers = reply.headers.iter();
    headers
        .map(|(name, value)| (name, value.map(|value| &value[..])))
        .collect()
}

fn value_of<'a>(reply: &'a OutboundRecord, name: &str) -> Option<&'a [u8]> {
    let headers = headers(reply);
    let own = headers.iter().find(|(own, _)| *own == name);
    own.and_then(|(_, value)| *value)
}

#[tokio::test(start_paused = true)]
async fn spring_gets_its_sixteen_bytes_back_on_the_partition_of_its_choice() {
    let request = request(
        "hello",
        &[
            ("kafka_replyTopic", b"createOrder.reply"),
            ("kafka_correlationId", &BINARY_ID),
            ("kafka_replyPartition", &[0, 0, 0, 5]),
            ("spring_json_header_types", br#"{"a":"java.lang.String"}"#),
        ],
    );
    let reply = reply("spring", request).await;
    assert_eq!(
        (&*reply.topic, reply.partition),
        ("createOrder.reply", Some(5))
    );
    let expected: [(&str, Option<&[u8]>); 4] = [
        ("status-code", Some(b"200")),
        ("content-type", Some(b"text/plain; charset=utf-8")),
        ("content-length", Some(b"5")),
        ("kafka_correlationId", Some(&BINARY_ID)),
    ];
    assert_eq!(headers(&reply), expected);
    assert_eq!(reply.value.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test(start_paused = true)]
async fn smallrye_gets_its_correlation_and_never_its_reply_topic() {
    for body in ["forge", "panic"] {
        let request = request(
            body,
            &[
                ("REPLY_TOPIC", b"createOrder-replies"),
                (
                    "REPLY_CORRELATION_ID",
                    b"6f1c9a7e-8f51-4b2a-9d0e-0c7b3f6a1d22",
                ),
                ("REPLY_PARTITION", &[0, 0, 0, 2]),
            ],
        );
        let reply = reply("smallrye", request).await;
        assert_eq!(
            (&*reply.topic, reply.partition),
            ("createOrder-replies", Some(2))
        );
        let headers = headers(&reply);
        let last = headers.last().unwrap();
        let correlation = &b"6f1c9a7e-8f51-4b2a-9d0e-0c7b3f6a1d22"[..];
        assert_eq!(*last, ("REPLY_CORRELATION_ID", Some(correlation)));
        for name in ["REPLY_TOPIC", "REPLY_PARTITION"] {
            let found = headers
                .iter()
                .any(|(own, _)| own.eq_ignore_ascii_case(name));
            assert!(!found, "{name} in {headers:?}");
        }
        let own = headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case("reply_correlation_id"));
        assert_eq!(own.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn nest_gets_a_complete_stream_of_one_and_failures_as_json() {
    let with = |body: &str| {
        request(
            body,
            &[
                ("kafka_replyTopic", b"createOrder.reply"),
                ("kafka_correlationId", b"5f0d2d5a3b1c4e6f7a8b9"),
                ("kafka_replyPartition", b"3"),
            ],
        )
    };
    for (body, error) in [
        ("hello", None),
        ("refuse", Some(serde_json::json!({"code": "no-items"}))),
    ] {
        let reply = reply("nest", with(body)).await;
        assert_eq!(
            (&*reply.topic, reply.partition),
            ("createOrder.reply", Some(3))
        );
        assert_eq!(
            value_of(&reply, "kafka_correlationId"),
            Some(&b"5f0d2d5a3b1c4e6f7a8b9"[..])
        );
        assert_eq!(
            value_of(&reply, "kafka_nest-is-disposed").map(<[u8]>::len),
            Some(1)
        );
        let told = value_of(&reply, "kafka_nest-err");
        let told = told.map(|text| serde_json::from_slice::<serde_json::Value>(text).unwrap());
        assert_eq!(told, error, "{body}");
    }
    // The bridge's own failures use the same header.
    let reply = reply("nest", with("panic")).await;
    let told = value_of(&reply, "kafka_nest-err").unwrap();
    let told: serde_json::Value = serde_json::from_slice(told).unwrap();
    assert_eq!(told["status"], 500);
    assert_eq!(told["title"], "Internal Server Error");
    assert_eq!(headers(&reply).last().unwrap().0, "kafka_correlationId");
}

#[tokio::test(start_paused = true)]
async fn zilla_gets_a_status_of_its_own_and_its_correlation_verbatim_and_last() {
    let correlation = &b"3f96592e-c8f1-4167-8c46-85f2aabb70a5-d41d8cd98f00b204e9800998ecf8427e"[..];
    let with = |body: &str| {
        request(
            body,
            &[
                (":method", b"POST"),
                (":scheme", b"http"),
                (":authority", b"localhost:7114"),
                (":path", b"/orders"),
                ("content-type", b"text/plain"),
                ("idempotency-key", b"3f96592e-c8f1-4167-8c46-85f2aabb70a5"),
                ("x-reply-set-header", b"x-request-id: 7"),
                ("zilla:reply-to", b"createOrder.reply"),
                ("zilla:correlation-id", correlation),
            ],
        )
    };
    let hello = reply("zilla", with("hello")).await;
    let expected: [(&str, Option<&[u8]>); 5] = [
        (":status", Some(b"200")),
        ("content-type", Some(b"text/plain; charset=utf-8")),
        ("content-length", Some(b"5")),
        ("x-request-id", Some(b"7")),
        ("zilla:correlation-id", Some(correlation)),
    ];
    assert_eq!(headers(&hello), expected);
    assert_eq!(hello.value.as_deref(), Some(&b"hello"[..]));

    let nothing = reply("zilla", with("nothing")).await;
    assert_eq!(nothing.value, None);
    assert_eq!(headers(&nothing)[0], (":status", Some(&b"204"[..])));
    assert_eq!(value_of(&nothing, "content-length"), None);

    let forged = reply("zilla", with("forge")).await;
    assert_eq!(value_of(&forged, "status-code"), None);
    assert_eq!(value_of(&forged, "x-fine"), Some(&b"forged"[..]));

    let failed = reply("zilla", with("panic")).await;
    assert_eq!(headers(&failed)[0], (":status", Some(&b"500"[..])));
    assert_eq!(
        *headers(&failed).last().unwrap(),
        ("zilla:correlation-id", Some(correlation))
    );
}

#[tokio::test(start_paused = true)]
async fn faststream_gets_its_correlation_once() {
    for body in ["hello", "forge", "refuse", "panic"] {
        let request = request(
            body,
            &[
                ("content-type", b"text/plain"),
                ("reply_to", b"createOrder.reply.rpc"),
                ("correlation_id", b"8a7c"),
                ("x-reply-set-header", b"correlation_id: forged"),
            ],
        );
        let reply = reply("faststream", request).await;
        assert_eq!(&*reply.topic, "createOrder.reply.rpc");
        let headers = headers(&reply);
        assert_eq!(headers[0].0, "status-code");
        let own: Vec<_> = headers
            .iter()
            .filter(|(name, _)| *name == "correlation_id")
            .collect();
        assert_eq!(own, [&("correlation_id", Some(&b"8a7c"[..]))], "{body}");
        assert!(!headers.iter().any(|(name, _)| *name == "reply_to"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_reference_is_answered_as_ever_whatever_else_is_active() {
    for profiles in [
        "reference",
        "spring,smallrye,nest,zilla,faststream,reference",
    ] {
        let request = request(
            "hello",
            &[
                ("reply-to", b"createOrder.reply"),
                ("x-reply-set-header", b"x-request-id:7"),
            ],
        );
        let reply = reply(profiles, request).await;
        let expected: [(&str, Option<&[u8]>); 4] = [
            ("status-code", Some(b"200")),
            ("content-type", Some(b"text/plain; charset=utf-8")),
            ("content-length", Some(b"5")),
            ("x-request-id", Some(b"7")),
        ];
        assert_eq!(headers(&reply), expected);
        assert_eq!(reply.partition, None);
    }
}

#[tokio::test(start_paused = true)]
async fn spring_and_nest_are_told_apart_in_either_order() {
    for profiles in ["spring,nest", "nest,spring"] {
        for (partition, disposed) in [(&b"4"[..], true), (&[0, 0, 0, 4], false)] {
            let request = request(
                "hello",
                &[
                    ("kafka_replyTopic", b"createOrder.reply"),
                    ("kafka_correlationId", b"a"),
                    ("kafka_replyPartition", partition),
                ],
            );
            let reply = reply(profiles, request).await;
            assert_eq!(reply.partition, Some(4), "{profiles}");
            let found = value_of(&reply, "kafka_nest-is-disposed").is_some();
            assert_eq!(found, disposed, "{profiles} {partition:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_cannot_be_read_is_ignored_and_the_reply_still_goes_out() {
    for partition in [
        &b""[..],
        &[0, 0, 1],
        &[0xff; 4],
        b"-1",
        b"9999999999",
        b"one",
    ] {
        let request = request(
            "hello",
            &[
                ("kafka_replyTopic", b"createOrder.reply"),
                ("kafka_replyPartition", partition),
            ],
        );
        let reply = reply("spring", request).await;
        assert_eq!(
            (&*reply.topic, reply.partition),
            ("createOrder.reply", None)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_with_names_of_its_own_gets_a_profile_of_its_own() {
    let own = ReplyProfile {
        name: "billing".to_owned(),
        reply_topic: "billing-answers".to_owned(),
        correlation: Some("billing-id".to_owned()),
        status: "billing-status".to_owned(),
        constants: vec![("billing-version".to_owned(), Bytes::from_static(b"1"))],
        reply_topic_suffixes: vec!["-answers".to_owned()],
        ..ReplyProfile::spring()
    };
    let request = request(
        "hello",
        &[
            ("billing-answers", b"createOrder-answers"),
            ("billing-id", &BINARY_ID),
            ("x-reply-set-header", b"billing-status: 999"),
            ("kafka_replyPartition", &[0, 0, 0, 1]),
        ],
    );
    let (replies, _) = serve(builder("reference").profiles([own]), [request]).await;
    let reply = &replies[0];
    assert_eq!(
        (&*reply.topic, reply.partition),
        ("createOrder-answers", Some(1))
    );
    let expected: [(&str, Option<&[u8]>); 5] = [
        ("billing-status", Some(b"200")),
        ("content-type", Some(b"text/plain; charset=utf-8")),
        ("content-length", Some(b"5")),
        ("billing-version", Some(b"1")),
        ("billing-id", Some(&BINARY_ID)),
    ];
    assert_eq!(headers(reply), expected);
}

#[tokio::test(start_paused = true)]
async fn only_an_active_profile_is_an_address() {
    let spring = request("hello", &[("kafka_replyTopic", b"createOrder.reply")]);
    let (_, source) = MemoryBroker::with_records([spring]);
    let sink = MemorySink::default();
    let summary = run(builder("reference"), source, sink.clone()).await;
    assert_eq!((summary.skipped, sink.produced()), (1, vec![]));

    // Only SmallRye's requesters derive this reply topic, so only they may use it.
    let to_replies = request("hello", &[("reply-to", b"createOrder-replies")]);
    let (replies, _) = serve(builder("reference,spring"), [to_replies]).await;
    assert_eq!(replies, []);
}

#[test]
fn no_profile_at_all_is_refused() {
    let (_, source) = MemoryBroker::new();
    let none = builder("reference").profiles([]);
    let refused = none.with_ports(source, MemorySink::default());
    assert!(matches!(refused, Err(Error::NoProfile)));
}
