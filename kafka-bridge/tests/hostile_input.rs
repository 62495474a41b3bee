//! Records that mean harm, end to end over in-memory ports: none ends the loop, leaves its place, or
//! passes for somebody else. The numbers are those of the hazards that each test stands for.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{
    Body, Bridge, Builder, EchoSetHeaderLayer, Limits, Operation, OutboundRecord, Record,
    ReplyProfile,
};
use support::{MODES, builder, header, order, run, serve, statuses};

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// An application that notes what it is sent, and what it noted.
fn witness() -> (Builder<Router>, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let note = move |headers: HeaderMap, body: Bytes| async move {
        notes.lock().expect("no panic before").push((headers, body));
    };
    let app = Router::new()
        .fallback(note)
        .layer(EchoSetHeaderLayer::default());
    let operation = Operation::post("createOrder", "/orders").expect("a legal operation");
    (Bridge::builder(app).operation(operation), seen)
}

/// Serves one record and returns what the application saw of it.
async fn seen(
    change: impl FnOnce(Builder<Router>) -> Builder<Router>,
    record: Record,
) -> (HeaderMap, Bytes) {
    let (builder, seen) = witness();
    let (replies, _) = serve(change(builder), [record]).await;
    assert_eq!(statuses(&replies), ["200"]);
    let mut seen = seen.lock().expect("no panic before");
    seen.pop().expect("the application was called")
}

fn values(record: &OutboundRecord, name: &str) -> Vec<Option<Vec<u8>>> {
    let own = record.headers.iter().filter(|(own, _)| *own == name);
    own.map(|(_, value)| value.map(|value| value.to_vec()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn h10_headers_nulls_large_bodies_and_panics_do_not_end_the_loop() {
    let limit = Limits::default().max_request_bytes;
    assert_eq!(limit, 1 << 20);
    for mode in MODES {
        let mut many = order(0, "many");
        for number in 0..30_000 {
            many.headers.push(format!("x-{number}"), "v");
        }
        let mut null = order(1, "");
        null.value = None;
        null.headers.push_nullable("x-null", None);
        null.headers.push_nullable("content-length", None);
        let records = [
            many,
            null,
            order(2, &"x".repeat(limit)),
            order(3, &"x".repeat(limit + 1)),
            order(4, "panic"),
            order(5, "after"),
        ];
        let limits = Limits {
            max_reply_bytes: limit,
            ..Limits::default()
        };
        let (replies, commits) = serve(builder().limits(limits).dispatch(mode), records).await;
        let mut answers: Vec<_> = replies
            .iter()
            .map(|reply| {
                (
                    header(reply, "x-request-id").unwrap(),
                    header(reply, "status-code").unwrap(),
                )
            })
            .collect();
        answers.sort();
        let expected = ["400", "200", "200", "413", "500", "200"];
        let told: Vec<_> = answers.iter().map(|(_, status)| status.as_str()).collect();
        assert_eq!(told, expected, "{mode}");
        assert_eq!(commits.next_offset("createOrder", 0), Some(6));
    }
}

/// Panics where its name says, outside of any handler.
#[derive(Clone)]
enum Rude {
    Readiness,
    Call,
    Body,
}

impl tower::Service<Request<Body>> for Rude {
    type Response = Response<axum::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        assert!(!matches!(self, Self::Readiness), "as the test asked");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(!matches!(self, Self::Call), "as the test asked");
        let body = futures_util::stream::once(async {
            panic!("as the test asked");
            #[expect(unreachable_code, reason = "gives the item its type")]
            Ok::<Bytes, Infallible>(Bytes::new())
        });
        std::future::ready(Ok(Response::new(axum::body::Body::from_stream(body))))
    }
}

#[tokio::test(start_paused = true)]
async fn h10_a_service_that_panics_anywhere_is_an_answer() {
    for rude in [Rude::Readiness, Rude::Call, Rude::Body] {
        let operation = Operation::post("createOrder", "/orders").unwrap();
        let bridge = Bridge::builder(rude).operation(operation);
        let (commits, source) = MemoryBroker::with_records([order(0, "a"), order(1, "b")]);
        let sink = MemorySink::default();
        let bridge = bridge.with_ports(source, sink.clone()).unwrap();
        bridge
            .with_graceful_shutdown(std::future::pending())
            .await
            .unwrap();
        assert_eq!(statuses(&sink.produced()), ["500", "500"]);
        assert_eq!(commits.next_offset("createOrder", 0), Some(2));
    }
}

#[tokio::test(start_paused = true)]
async fn h15_hostile_return_addresses_get_nothing_under_any_profile() {
    let addresses: [&[u8]; 11] = [
        b"createOrder",
        b"__consumer_offsets",
        b"__transaction_state",
        b"..",
        b".",
        b"",
        b"payments",
        b"createOrder.dlq",
        b"\xff\xfe",
        &[b'x'; 250],
        b"createOrder.reply\n",
    ];
    for profile in ReplyProfile::all() {
        let name = profile.reply_topic.clone();
        let record = |values: &[&[u8]]| {
            let record = Record::new("createOrder", 0, 0).with_value("panic");
            let with = |record: Record, value: &&[u8]| record.with_header(&*name, value.to_vec());
            values.iter().fold(record, with)
        };
        let mut records: Vec<Record> = addresses.iter().map(|address| record(&[address])).collect();
        records.push(record(&[b"createOrder.reply", b"createOrder.reply"]));
        records.push(record(&[b"createOrder.reply", b"payments"]));
        for (record, offset) in records.iter_mut().zip(0..) {
            record.coordinates.offset = offset;
        }
        let count = records.len() as u64;
        // Everything is on the allow-list: what is denied is denied in any case.
        let open = || {
            builder()
                .profiles([profile.clone()])
                .reply_topics(["createOrder*", "_*", "x*", ".*"])
        };
        let (commits, source) = MemoryBroker::with_records(records.clone());
        let sink = MemorySink::default();
        let summary = run(
            open().dead_letter_topic("createOrder.dlq"),
            source,
            sink.clone(),
        )
        .await;
        assert_eq!(summary.dead_lettered, count, "{name}");
        for letter in sink.produced() {
            assert_eq!(&*letter.topic, "createOrder.dlq");
            assert!(
                header(&letter, "dead-letter-cause")
                    .unwrap()
                    .contains("reply topic")
            );
        }
        assert_eq!(
            commits.next_offset("createOrder", 0),
            Some(records.len() as i64)
        );
    }
}

/// Writes every second letter in upper case.
fn odd_case(name: &str) -> String {
    let odd = |(index, letter): (usize, char)| match index % 2 {
        0 => letter.to_ascii_uppercase(),
        _ => letter,
    };
    name.chars().enumerate().map(odd).collect()
}

#[tokio::test(start_paused = true)]
async fn h16_no_header_of_a_connection_or_of_a_front_passes_in_any_case() {
    let names = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "expect",
        "authorization",
        "cookie",
        "proxy-authorization",
        "proxy-authenticate",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "dead-letter-offset",
        ":method",
        ":path",
        ":authority",
    ];
    for name in names {
        for name in [name.to_owned(), name.to_ascii_uppercase(), odd_case(name)] {
            let record = order(0, "abc").with_header(&*name, "100");
            let (headers, _) = seen(|builder| builder, record).await;
            let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
            let expected = [
                "reply-to",
                "x-reply-set-header",
                "content-type",
                "content-length",
            ];
            assert_eq!(names, expected, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h16_a_name_passes_when_it_is_allowed_and_not_when_it_is_denied() {
    let record = || {
        order(0, "abc")
            .with_header("Authorization", "Basic eA==")
            .with_header("X-Forwarded-For", "10.0.0.1")
            .with_header("X-Tenant", "a")
            .with_header("Host", "elsewhere")
    };
    let open = |builder: Builder<Router>| {
        let builder = builder.allow_request_header("authorization");
        builder
            .allow_request_header("host")
            .deny_request_header("X-Tenant")
    };
    let (headers, _) = seen(open, record()).await;
    assert_eq!(headers["authorization"], "Basic eA==");
    for name in ["x-forwarded-for", "x-tenant", "host"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    let (headers, _) = seen(|builder| builder, record()).await;
    assert!(!headers.contains_key("authorization"));
    assert_eq!(headers["x-tenant"], "a");
}

#[tokio::test(start_paused = true)]
async fn h16_names_that_the_connection_header_lists_do_not_pass() {
    let record = order(0, "abc")
        .with_header("X-Hop", "1")
        .with_header("x-end", "1")
        .with_header("CONNECTION", "close, X-HOP");
    let (headers, _) = seen(|builder| builder, record).await;
    assert!(!headers.contains_key("x-hop"));
    assert!(headers.contains_key("x-end"));
}

#[tokio::test(start_paused = true)]
async fn h16_the_body_is_the_value_whatever_length_the_record_claims() {
    for claim in ["0", "2", "4", "999999", "-1", "3, 5", "chunked", ""] {
        for name in ["content-length", "Content-Length", "CONTENT-length"] {
            let record = order(0, "abc")
                .with_header(name, claim)
                .with_header(name, "7")
                .with_header("Transfer-Encoding", "chunked");
            let (headers, body) = seen(|builder| builder, record).await;
            let lengths: Vec<_> = headers.get_all("content-length").iter().collect();
            assert_eq!(lengths, ["3"], "{name}: {claim}");
            assert_eq!(body, "abc");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h17_reply_set_header_vectors_end_to_end() {
    let echoed: [(&[u8], &str, &[u8]); 8] = [
        (b"x-request-id:abc", "x-request-id", b"abc"),
        (b"x-request-id: abc", "x-request-id", b"abc"),
        (b"a:\t1", "a", b"1"),
        (b"x-request-id:   abc  ", "x-request-id", b"abc"),
        (b"x-a:", "x-a", b""),
        (b"x-a: b: c", "x-a", b"b: c"),
        (b"a: \xff", "a", b"\xff"),
        (b"X-Foo: v", "x-foo", b"v"),
    ];
    let skipped: [&[u8]; 20] = [
        b"a: 1\r\nb: 2",
        b"a: 1\nb: 2",
        b"a: 1\rb: 2",
        b"a: 1\n folded",
        b"a: 1\n\nbody",
        b"novalue",
        b": v",
        b"X-Foo : v",
        b" a: 1",
        b"",
        b"\xc3\xa9: 1",
        b"Set-Cookie: s=1",
        b"status-code: 500",
        b"STATUS-code:500",
        b"content-type: text/html",
        b"transfer-encoding: chunked",
        b"dead-letter-cause: forged",
        b"retry-attempt: 99",
        b"kafka_correlationId: forged",
        b"correlation_id: forged",
    ];
    let lines = echoed.iter().map(|(line, ..)| *line).chain(skipped);
    for (line, index) in lines.zip(0..) {
        let record = Record::new("createOrder", 0, 0)
            .with_value("hello")
            .with_header("reply-to", "createOrder.reply")
            .with_header("x-reply-set-header", line.to_vec());
        let (replies, _) = serve(builder(), [record]).await;
        let headers: Vec<_> = replies[0].headers.iter().collect();
        let (own, set) = headers.split_at(3);
        assert_eq!(own[0], ("status-code", Some(&Bytes::from_static(b"200"))));
        assert_eq!((own[1].0, own[2].0), ("content-type", "content-length"));
        let expected = echoed
            .get(index)
            .map(|(_, name, value)| (*name, &value[..]));
        let set = set.iter().map(|(name, value)| (*name, &value.unwrap()[..]));
        assert_eq!(
            set.collect::<Vec<_>>(),
            Vec::from_iter(expected),
            "{line:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h17_repeats_are_set_in_order_up_to_a_cap() {
    let mut record = order(0, "hello");
    for number in 1..100 {
        record
            .headers
            .push("x-reply-set-header", format!("x-n: {number}"));
    }
    for (body, status) in [("hello", "200"), ("panic", "500")] {
        record.value = Some(body.into());
        let (replies, _) = serve(builder(), [record.clone()]).await;
        assert_eq!(statuses(&replies), [status]);
        let set = values(&replies[0], "x-n");
        let expected: Vec<_> = (1..16_u8)
            .map(|number| Some(number.to_string().into_bytes()))
            .collect();
        assert_eq!(set, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn h17_forged_dead_letter_headers_reach_neither_application_nor_letter() {
    let forged = || {
        Record::new("createOrder", 3, 7)
            .with_value("hello")
            .with_header("Dead-Letter-Cause", "forged")
            .with_header("dead-letter-offset", "1")
            .with_header("dead-letter-attempts", "-5")
            .with_header("DEAD-LETTER-TOPIC", "payments")
            .with_header("x-fine", "1")
    };
    let (headers, _) = seen(
        |builder| builder,
        forged().with_header("reply-to", "createOrder.reply"),
    )
    .await;
    assert!(
        headers
            .keys()
            .all(|name| !name.as_str().starts_with("dead-letter-")),
        "{headers:?}"
    );

    let denied = forged().with_header("reply-to", "payments");
    let (letters, _) = serve(builder().dead_letter_topic("createOrder.dlq"), [denied]).await;
    let letter = &letters[0];
    assert_eq!(header(letter, "x-fine").unwrap(), "1");
    let own = letter
        .headers
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with("dead-letter-"));
    for (name, value) in own {
        let value = String::from_utf8(value.unwrap().to_vec()).unwrap();
        assert!(
            !["forged", "1", "-5", "payments"].contains(&value.as_str()),
            "{name}: {value}"
        );
    }
    assert_eq!(values(letter, "dead-letter-offset"), [Some(b"7".to_vec())]);
    assert_eq!(
        values(letter, "dead-letter-topic"),
        [Some(b"createOrder".to_vec())]
    );
    assert_eq!(
        values(letter, "dead-letter-partition"),
        [Some(b"3".to_vec())]
    );
}

#[tokio::test(start_paused = true)]
async fn h18_every_byte_comes_back_in_the_correlation_and_only_legal_values_reach_http() {
    for byte in 0..=255_u8 {
        for value in [vec![byte], vec![b'a', byte, b'a']] {
            let record = Record::new("createOrder", 0, 0)
                .with_header("kafka_replyTopic", "createOrder.reply")
                .with_header("kafka_correlationId", value.clone());
            let (builder, seen) = witness();
            let (replies, _) = serve(builder.profiles([ReplyProfile::spring()]), [record]).await;
            assert_eq!(
                values(&replies[0], "kafka_correlationId"),
                [Some(value.clone())]
            );

            let is_legal = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
            let headers = &seen.lock().unwrap()[0].0;
            let passed = headers
                .get("kafka_correlationid")
                .map(|value| value.as_bytes());
            assert_eq!(passed, is_legal.then_some(&value[..]), "{byte:#x}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h18_dead_letters_are_byte_identical_with_nulls_and_repeats() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut record = Record::new("createOrder", 0, 0)
        .with_key(every_byte.clone())
        .with_value(every_byte.clone())
        .with_header("reply-to", "payments")
        .with_header("X-Binary", every_byte.clone());
    record.headers.push_nullable("X-Binary", None);
    record.headers.push("X-Binary", "");
    let (letters, _) = serve(
        builder().dead_letter_topic("createOrder.dlq"),
        [record.clone()],
    )
    .await;
    let letter = &letters[0];
    assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
    let copied: Vec<_> = letter.headers.iter().take(record.headers.len()).collect();
    assert_eq!(copied, record.headers.iter().collect::<Vec<_>>());
    assert_eq!(
        values(letter, "X-Binary"),
        [Some(every_byte), None, Some(vec![])]
    );
}

#[tokio::test(start_paused = true)]
async fn h18_repeated_and_null_correlations_come_back_as_they_were() {
    let mut record = Record::new("createOrder", 0, 0)
        .with_value("panic")
        .with_header("kafka_replyTopic", "createOrder.reply")
        .with_header("kafka_correlationId", vec![0_u8, 255]);
    record.headers.push_nullable("kafka_correlationId", None);
    record.headers.push("kafka_correlationId", "b");
    let (replies, _) = serve(builder().profiles([ReplyProfile::spring()]), [record]).await;
    assert_eq!(statuses(&replies), ["500"]);
    let copied = values(&replies[0], "kafka_correlationId");
    assert_eq!(copied, [Some(vec![0, 255]), None, Some(b"b".to_vec())]);
}
