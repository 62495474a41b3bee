//! Records that are finished behind a slow record are not handled again by the partition's next owner.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Dispatch, TopicPartition};
use support::{builder, header, order, settle};
use tokio::time::sleep;

const BEHIND: i64 = 20;

fn partition() -> TopicPartition {
    TopicPartition::new("createOrder", 0)
}

/// Sends a slow record and those behind it, in a generation.
fn send_all(broker: &MemoryBroker, generation: u64) {
    for offset in 0..=BEHIND {
        let mut record = order(offset, if offset == 0 { "slow" } else { "a" });
        record.coordinates.generation = generation;
        broker.send(record);
    }
}

/// Returns how often each record was answered.
fn replies(sink: &MemorySink) -> BTreeMap<i64, u32> {
    let mut counts = BTreeMap::new();
    for reply in sink.produced() {
        let id = header(&reply, "x-request-id").expect("the record's own");
        *counts
            .entry(id.trim().parse().expect("an offset"))
            .or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn h33_a_partition_that_comes_back_repeats_what_was_not_finished_and_nothing_else() {
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        let (broker, source) = MemoryBroker::new();
        let sink = MemorySink::default();
        let bridge = builder().dispatch(mode).with_ports(source, sink.clone());
        let bridge = tokio::spawn(bridge.expect("settings that agree").into_future());
        broker.assign([partition()], 1);
        send_all(&broker, 1);
        settle().await;
        let released = broker.revoke([partition()]).await;
        assert_eq!(
            released[0].next_offset, 0,
            "{mode}: the slow one is not done"
        );
        assert_eq!(released[0].finished.count(), BEHIND as u64, "{mode}");

        broker.assign([partition()], 2);
        send_all(&broker, 2);
        sleep(Duration::from_secs(10)).await;
        let mut expected: BTreeMap<i64, u32> = (1..=BEHIND).map(|offset| (offset, 1)).collect();
        expected.insert(0, 2);
        assert_eq!(replies(&sink), expected, "{mode}");
        let committed = broker.commits().next_offset("createOrder", 0);
        assert_eq!(committed, Some(BEHIND + 1), "{mode}");
        bridge.abort();
    }
}
