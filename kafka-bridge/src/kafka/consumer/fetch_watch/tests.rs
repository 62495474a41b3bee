//! Tests the reports about partitions whose records do not arrive, on paused time.

use rdkafka::statistics::{Broker, Topic};
use tokio::time::advance;

use super::*;

const INTERVAL: Duration = Duration::from_secs(5);

/// A watched partition and its statistics.
struct Watched {
    watch: FetchWatch,
    obstacles: Obstacles,
    seen: Partition,
    broker_state: &'static str,
    held_back: bool,
}

impl Watched {
    fn new() -> Self {
        let obstacles = Obstacles::default();
        let seen = Partition {
            broker: 1,
            fetch_state: "active".to_owned(),
            next_offset: 7,
            app_offset: 7,
            ls_offset: 7,
            ..Partition::default()
        };
        Self {
            watch: FetchWatch::new(obstacles.clone(), "group"),
            obstacles,
            seen,
            broker_state: "UP",
            held_back: false,
        }
    }

    /// Lets an interval pass, looks, and returns the obstacles and for how many seconds they have lasted.
    async fn look(&mut self) -> Vec<(String, u64)> {
        advance(INTERVAL).await;
        let topic = Topic {
            partitions: [(0, self.seen.clone())].into(),
            ..Topic::default()
        };
        let broker = Broker {
            nodeid: 1,
            state: self.broker_state.to_owned(),
            ..Broker::default()
        };
        let statistics = Statistics {
            topics: [("orders".to_owned(), topic)].into(),
            brokers: [("broker".to_owned(), broker)].into(),
            ..Statistics::default()
        };
        let partitions = vec![TopicPartition::new("orders", 0)];
        self.watch.look(&statistics, partitions, self.held_back);
        self.list()
    }

    fn list(&self) -> Vec<(String, u64)> {
        let all = self.obstacles.list().into_iter();
        all.map(|one| (one.cause, one.since.elapsed().as_secs()))
            .collect()
    }

    fn hear(&mut self, code: Code, reason: &str) -> Option<Arc<str>> {
        self.watch.hear(&KafkaError::Global(code), reason)
    }
}

#[tokio::test(start_paused = true)]
async fn h24_a_partition_that_is_behind_and_does_not_move_is_told_with_the_clients_words() {
    let mut one = Watched::new();
    assert_eq!(one.look().await, []);
    one.seen.ls_offset = 20;
    assert_eq!(one.look().await, [], "they may have come just now");
    let told = one.look().await;
    let cause = "no record since offset 7, although the log ends at 20";
    assert_eq!(told, [(cause.to_owned(), 10)]);
    one.hear(Code::BadCompression, "Decompression (codec 0x4) failed");
    let told = one.look().await;
    assert_eq!(told, [("Decompression (codec 0x4) failed".to_owned(), 15)]);
    one.seen.next_offset = 8;
    assert_eq!(one.look().await, [], "it moves");
    one.hear(Code::AllBrokersDown, "1/1 brokers are down");
    one.look().await;
    let words = one.look().await.pop();
    assert_eq!(words.unwrap().0, "Decompression (codec 0x4) failed");
}

#[tokio::test(start_paused = true)]
async fn h24_a_partition_that_waits_for_the_bridge_or_has_nothing_to_wait_for_is_not_told() {
    let mut one = Watched::new();
    one.look().await;
    one.seen.ls_offset = 20;
    one.held_back = true;
    assert_eq!(one.look().await, []);
    assert_eq!(one.look().await, [], "paused");
    one.held_back = false;
    one.watch.hold_back(&["orders".into()]);
    assert_eq!(one.look().await, []);
    one.watch.hold_back(&["other".into()]);
    assert_eq!(one.look().await, [], "its topic was paused until just now");
    one.broker_state = "DOWN";
    assert_eq!(one.look().await, []);
    assert_eq!(one.look().await, [], "the broker is away");
    one.broker_state = "UP";
    assert_eq!(one.look().await, [], "it has just come back");
    // Fetched records wait to be polled, because a slow application takes them one by one.
    for polled in 8..12 {
        (one.seen.next_offset, one.seen.app_offset) = (15, polled);
        assert_eq!(one.look().await, []);
    }
    // A transaction marker or a gap from compaction is passed without a record.
    (one.seen.next_offset, one.seen.app_offset) = (20, 12);
    assert_eq!(one.look().await, []);
    assert_eq!(one.look().await, [], "the end is reached");
    // Right after an assignment nothing is known.
    let mut one = Watched::new();
    (one.seen.next_offset, one.seen.app_offset) = (-1001, -1001);
    one.seen.ls_offset = -1001;
    assert_eq!(one.look().await, []);
    assert_eq!(one.look().await, []);
}

#[tokio::test(start_paused = true)]
async fn h24_a_permission_withdrawn_is_told_at_the_next_look_and_until_fetches_succeed() {
    let mut one = Watched::new();
    one.look().await;
    one.seen.ls_offset = NO_END;
    one.hear(Code::TopicAuthorizationFailed, "Fetch failed: denied");
    assert_eq!(one.look().await, [("Fetch failed: denied".to_owned(), 5)]);
    one.held_back = true;
    assert_eq!(one.look().await.len(), 1, "no proof that it is allowed now");
    one.seen.next_offset = 9;
    assert_eq!(one.look().await, [], "a busy bridge that is given records");
    one.held_back = false;
    one.hear(Code::TopicAuthorizationFailed, "Fetch failed: denied");
    assert_eq!(one.look().await[0].0, "Fetch failed: denied");
    one.seen.ls_offset = 7;
    assert_eq!(one.look().await, [], "allowed, and nothing to fetch");

    one.seen.ls_offset = NO_END;
    one.look().await;
    one.watch.forget(&TopicPartition::new("orders", 0));
    assert_eq!(one.list(), [], "another member's");
}

#[tokio::test(start_paused = true)]
async fn h24_topics_that_cannot_be_seen_and_groups_that_are_closed_are_told_at_once() {
    let mut one = Watched::new();
    let words = "Subscribed topic not available: orders: Broker: Topic authorization failed";
    let topic = one.hear(Code::TopicAuthorizationFailed, words);
    assert_eq!(topic.as_deref(), Some("orders"));
    assert_eq!(one.list(), [(words.to_owned(), 0)]);
    one.watch.topic_is_open(&"orders".into());
    let unknown = "Subscribed topic not available: orders: Broker: Unknown topic";
    let topic = one.hear(Code::UnknownTopicOrPartition, unknown);
    assert_eq!((topic, one.list()), (None, vec![]));
    one.hear(Code::GroupAuthorizationFailed, "no");
    assert_eq!(one.list(), [("no".to_owned(), 0)]);
    one.watch.group_is_open();
    assert_eq!(one.list(), []);
}

#[tokio::test(start_paused = true)]
async fn h27_an_evicted_member_counts_from_when_a_broker_is_there_to_join() {
    let mut one = Watched::new();
    one.watch.evicted();
    let told = vec![(EVICTED.to_owned(), 0)];
    assert_eq!(one.list(), told, "at once");
    one.broker_state = "DOWN";
    for _ in 0..60 {
        assert_eq!(one.look().await, told, "no broker is there");
    }
    one.broker_state = "UP";
    one.look().await;
    assert_eq!(one.look().await, [(EVICTED.to_owned(), 10)]);
    one.watch.group_is_open();
    assert_eq!(one.list(), []);
}
