//! Hostile records, end to end with in-memory ports. None ends the loop, is answered where it must not be, or changes
//! on its way. Headers that could do harm over HTTP are in `hostile_headers`. The numbers are those of the hazards.

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Response};
use axum::routing::post;
use bytes::Bytes;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Body, Bridge, Limits, Operation, Record, ReplyProfile};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use support::{MODES, builder, header, order, run, seen, serve, statuses, values, witness};

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

/// Panics outside of any handler, where its name says.
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
        records.push(record(&[b"payments", b"createOrder.reply"]));
        records.push(record(&[b"createOrder.reply", b"payments"]));
        for (record, offset) in records.iter_mut().zip(0..) {
            record.coordinates.offset = offset;
        }
        let count = records.len() as u64;
        // Everything is on the allow-list, so a denial does not depend on the list.
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

/// Counts how often a reply partition was ignored because it was unreadable.
#[derive(Clone, Default)]
struct Ignored(Arc<AtomicU64>);

impl metrics::Recorder for Ignored {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let is_it = key.name() == "kafka_bridge_ignored_reply_partitions_total"
            && key
                .labels()
                .any(|label| (label.key(), label.value()) == ("reason", "unreadable"));
        if is_it {
            Counter::from_arc(Arc::clone(&self.0))
        } else {
            Counter::noop()
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn h15_a_partition_that_cannot_be_read_is_counted() {
    let ignored = Ignored::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let with = |partition: &[u8]| {
        let record = Record::new("createOrder", 0, 0)
            .with_header("kafka_replyTopic", "createOrder.reply")
            .with_header("kafka_replyPartition", partition.to_vec());
        let bridge = builder().profiles([ReplyProfile::spring()]);
        metrics::with_local_recorder(&ignored, || {
            let (replies, _) = runtime.block_on(serve(bridge, [record]));
            assert_eq!(statuses(&replies), ["200"]);
        });
        ignored.0.load(Ordering::Relaxed)
    };
    assert_eq!(with(&[0, 0, 0, 1]), 0);
    assert_eq!(with(b"1"), 0);
    assert_eq!(with(&[0xff; 4]), 1);
    assert_eq!(with(b"-1"), 2);
}

/// The application's values are dropped after a timeout, and their drop may panic.
#[tokio::test(start_paused = true)]
async fn h10_a_panic_while_a_handler_is_dropped_is_an_answer_too() {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "as the test asked");
        }
    }
    let hang = || async {
        let _guard = Guard;
        std::future::pending::<()>().await;
    };
    let app = Router::new().route("/orders", post(hang));
    let bridge = Bridge::builder(app)
        .operation(Operation::post("createOrder", "/orders").unwrap())
        .drain_timeout(Duration::from_secs(60));
    let (commits, source) = MemoryBroker::with_records([support::order(0, "hang")]);
    let sink = MemorySink::default();
    let bridge = bridge.with_ports(source, sink.clone()).unwrap();
    bridge.await.expect("no record ends a bridge");
    assert_eq!(support::statuses(&sink.produced()), ["500"]);
    assert_eq!(commits.next_offset("createOrder", 0), Some(1));
}
