//! Keyed dispatch: order within a lane, none between lanes, and the effect of a rebalance on waiting records (hazard
//! H13).

mod support;

use std::time::Duration;

use axum::Router;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Builder, Dispatch, Limits, Operation, Record, TopicPartition};
use support::{Journal, header, journaling, order, settle};
use tokio::time::sleep;

fn builder(journal: &Journal) -> Builder<Router> {
    Bridge::builder(journaling("/orders", journal))
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
        .operation(Operation::post("other", "/orders").expect("a legal operation"))
        .dispatch(Dispatch::Keyed)
        // An exhausted source starts the drain, so most of the work happens during the drain.
        .drain_timeout(Duration::from_secs(1000))
}

fn partition() -> TopicPartition {
    TopicPartition::new("createOrder", 0)
}

/// A record whose handling takes this many seconds.
fn record(
    topic: &str,
    partition: i32,
    offset: i64,
    key: Option<&'static str>,
    seconds: u8,
) -> Record {
    let record = Record::new(topic, partition, offset)
        .with_value(seconds.to_string())
        .with_header("reply-to", format!("{topic}.reply"))
        .with_header("x-id", format!("{topic}-{partition}-{offset}"));
    match key {
        Some(key) => record.with_key(key),
        None => record,
    }
}

fn position(journal: &Journal, entry: &str) -> usize {
    let journal = journal.lock().expect("no panic");
    let found = journal.iter().position(|own| own == entry);
    found.unwrap_or_else(|| panic!("{entry} in {journal:?}"))
}

async fn serve(records: impl IntoIterator<Item = Record>) -> Journal {
    let journal = Journal::default();
    let (_, source) = MemoryBroker::with_records(records);
    support::run(builder(&journal), source, MemorySink::default()).await;
    journal
}

#[tokio::test(start_paused = true)]
async fn h13_records_of_one_key_never_overlap_and_keep_their_order() {
    let at = |offset| record("createOrder", 0, offset, Some("a"), 3 - offset as u8);
    let journal = serve([at(0), at(1), at(2)]).await;
    let expected = [
        "start createOrder-0-0",
        "end createOrder-0-0",
        "start createOrder-0-1",
        "end createOrder-0-1",
        "start createOrder-0-2",
        "end createOrder-0-2",
    ];
    assert_eq!(*journal.lock().expect("no panic"), expected);
}

#[tokio::test(start_paused = true)]
async fn h13_other_keys_null_keys_partitions_and_topics_do_not_wait() {
    let journal = serve([
        record("createOrder", 0, 0, Some("a"), 9),
        record("createOrder", 0, 1, Some("b"), 1),
        record("createOrder", 0, 2, None, 2),
        record("createOrder", 0, 3, None, 1),
        record("createOrder", 1, 0, Some("a"), 1),
        record("other", 0, 0, Some("a"), 1),
    ])
    .await;
    let last = position(&journal, "end createOrder-0-0");
    assert_eq!(last, 11, "all others ended before it");
    assert!(position(&journal, "end createOrder-0-3") < position(&journal, "end createOrder-0-2"));
}

#[tokio::test(start_paused = true)]
async fn h13_by_partition_no_two_records_of_one_overlap_whatever_their_keys() {
    let journal = Journal::default();
    let (_, source) = MemoryBroker::with_records([
        record("createOrder", 0, 0, Some("a"), 9),
        record("createOrder", 0, 1, Some("b"), 1),
        record("createOrder", 0, 2, None, 1),
        record("createOrder", 1, 0, Some("a"), 1),
        record("other", 0, 0, None, 1),
    ]);
    let builder = builder(&journal).dispatch(Dispatch::Partition);
    support::run(builder, source, MemorySink::default()).await;
    let entry = |entry: &str| position(&journal, entry);
    assert!(entry("end createOrder-0-0") < entry("start createOrder-0-1"));
    assert!(entry("end createOrder-0-1") < entry("start createOrder-0-2"));
    for other in ["end createOrder-1-0", "end other-0-0"] {
        assert!(entry(other) < entry("end createOrder-0-0"));
    }
}

#[tokio::test(start_paused = true)]
async fn h13_an_empty_key_is_a_key() {
    let at = |offset| record("createOrder", 0, offset, Some(""), 1);
    let journal = serve([at(0), at(1)]).await;
    assert!(
        position(&journal, "end createOrder-0-0") < position(&journal, "start createOrder-0-1")
    );
}

#[tokio::test(start_paused = true)]
async fn h13_a_hot_key_does_not_starve_the_others_while_there_is_room() {
    let hot = (0..50).map(|offset| record("createOrder", 0, offset, Some("hot"), 1));
    let cold = (50..60).map(|offset| record("createOrder", 0, offset, Some("cold"), 0));
    let journal = serve(hot.chain(cold)).await;
    let cold = position(&journal, "end createOrder-0-59");
    assert!(cold < position(&journal, "start createOrder-0-2"), "{cold}");
}

#[tokio::test(start_paused = true)]
async fn h13_the_next_of_a_key_waits_for_the_delivery_report() {
    let journal = Journal::default();
    let sink = MemorySink::default().gated();
    let at = |offset| record("createOrder", 0, offset, Some("a"), 0);
    let (_, source) = MemoryBroker::with_records([at(0), at(1)]);
    let bridge = builder(&journal)
        .with_ports(source, sink.clone())
        .expect("settings that agree");
    let bridge = tokio::spawn(bridge.into_future());
    settle().await;
    assert_eq!(
        sink.produced().len(),
        1,
        "the second waits for the first one's report"
    );
    sink.acknowledge(2);
    bridge.await.expect("no panic").expect("no failure");
    assert_eq!(sink.produced().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_its_key_counts_as_in_flight() {
    let journal = Journal::default();
    let (broker, source) = MemoryBroker::new();
    broker.assign([partition()], 0);
    for offset in 0..5 {
        broker.send(record("createOrder", 0, offset, Some("a"), 1));
    }
    broker.send(record("createOrder", 0, 5, Some("b"), 0));
    let bounded = builder(&journal).limits(Limits {
        max_in_flight: 5,
        ..Limits::default()
    });
    let bridge = bounded
        .with_ports(source, MemorySink::default())
        .expect("settings that agree");
    let bridge = tokio::spawn(bridge.into_future());
    settle().await;
    assert_eq!(
        *journal.lock().expect("no panic"),
        ["start createOrder-0-0"],
        "no room for b yet"
    );
    sleep(Duration::from_secs(1)).await;
    position(&journal, "end createOrder-0-5");
    bridge.abort();
}

#[tokio::test(start_paused = true)]
async fn h13_what_waits_is_left_to_the_partitions_next_owner() {
    let journal = Journal::default();
    let (broker, source) = MemoryBroker::new();
    broker.assign([partition()], 1);
    let under = |mut record: Record, generation| {
        record.coordinates.generation = generation;
        record
    };
    broker.send(under(record("createOrder", 0, 0, Some("a"), 9), 1));
    broker.send(under(record("createOrder", 0, 1, Some("a"), 1), 1));
    let bridge = builder(&journal).revocation_timeout(Duration::from_secs(3));
    let bridge = bridge
        .with_ports(source, MemorySink::default())
        .expect("settings that agree");
    let bridge = tokio::spawn(bridge.into_future());
    settle().await;
    let positions = broker.revoke([partition()]).await;
    assert_eq!(positions[0].next_offset, 0);

    // The partition comes back: its records are handled once more, behind the running one.
    broker.assign([partition()], 2);
    broker.send(under(record("createOrder", 0, 0, Some("a"), 0), 2));
    broker.send(under(record("createOrder", 0, 1, Some("a"), 0), 2));
    sleep(Duration::from_secs(20)).await;
    let expected = [
        "start createOrder-0-0",
        "end createOrder-0-0",
        "start createOrder-0-0",
        "end createOrder-0-0",
        "start createOrder-0-1",
        "end createOrder-0-1",
    ];
    assert_eq!(*journal.lock().expect("no panic"), expected);
    assert_eq!(broker.commits().next_offset("createOrder", 0), Some(2));
    bridge.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lost_partitions_waiting_records_give_back_their_room() {
    let journal = Journal::default();
    let (broker, source) = MemoryBroker::new();
    broker.assign([partition(), TopicPartition::new("other", 0)], 0);
    for offset in 0..3 {
        broker.send(record("createOrder", 0, offset, Some("a"), 60));
    }
    let one = record("createOrder", 0, 0, Some("a"), 60).size();
    // Room for the running record and one more.
    let limits = Limits {
        max_in_flight_bytes: 2 * one,
        max_reply_bytes: 1,
        ..Limits::default()
    };
    let bridge = builder(&journal)
        .limits(limits)
        .request_timeout(Duration::from_secs(300));
    let bridge = bridge
        .with_ports(source, MemorySink::default())
        .expect("settings that agree");
    let bridge = tokio::spawn(bridge.into_future());
    settle().await;
    broker.lose([partition()]);
    settle().await;
    broker.send(record("other", 0, 0, Some("a"), 0));
    settle().await;
    position(&journal, "end other-0-0");
    bridge.abort();
}

#[tokio::test(start_paused = true)]
async fn h13_many_keys_each_keep_their_order() {
    let records = (0..1000).map(|offset| {
        let key = ["a", "b", "c", "d", "e", "f", "g"][offset % 7];
        let offset = i64::try_from(offset).expect("small");
        record("createOrder", 0, offset, Some(key), (offset % 5) as u8)
    });
    let journal = serve(records).await;
    let journal = journal.lock().expect("no panic").clone();
    for lane in 0..7 {
        let of_lane = |entry: &&String| {
            let offset: usize = entry
                .rsplit('-')
                .next()
                .expect("an offset")
                .parse()
                .expect("a number");
            offset % 7 == lane
        };
        let entries: Vec<&String> = journal.iter().filter(of_lane).collect();
        let expected: Vec<String> = (lane..1000)
            .step_by(7)
            .flat_map(|offset| {
                ["start", "end"].map(|what| format!("{what} createOrder-0-{offset}"))
            })
            .collect();
        assert!(entries.iter().copied().eq(&expected), "lane {lane}");
    }
}

#[tokio::test(start_paused = true)]
async fn replies_are_those_of_any_other_mode() {
    let records = (0..10).map(|offset| order(offset, "hello").with_key("a"));
    let (replies, commits) =
        support::serve(support::builder().dispatch(Dispatch::Keyed), records).await;
    let ids: Vec<_> = replies
        .iter()
        .filter_map(|reply| header(reply, "x-request-id"))
        .collect();
    assert_eq!(
        ids,
        (0..10).map(|id: i32| id.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(commits.next_offset("createOrder", 0), Some(10));
}
