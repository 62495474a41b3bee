//! What a bridge reports about itself: ready, evicted, stuck (hazards H9, H20 and H21), and traces.

mod support;

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Bridge, Dispatch, Operation, Status, TopicPartition, Unhealthy};
use support::{MODES, builder, header, order, settle};
use tokio::sync::watch;
use tokio::time::sleep;

fn partition() -> TopicPartition {
    TopicPartition::new("createOrder", 0)
}

/// Starts a bridge that ends with the test.
fn start(dispatch: Dispatch) -> (MemoryBroker, watch::Receiver<Status>, MemorySink) {
    let (broker, source) = MemoryBroker::new();
    let sink = MemorySink::default();
    let bridge = builder()
        .dispatch(dispatch)
        .request_timeout(Duration::from_secs(9))
        .stuck_after(Duration::from_secs(10));
    let bridge = bridge
        .with_ports(source, sink.clone())
        .expect("settings that agree");
    let status = bridge.status();
    tokio::spawn(bridge.into_future());
    (broker, status, sink)
}

fn health(status: &watch::Receiver<Status>) -> Result<(), Unhealthy> {
    status.borrow().health()
}

#[tokio::test(start_paused = true)]
async fn h9_a_request_that_hangs_is_cut_by_its_time_out_before_it_counts_as_stuck() {
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        let (broker, status, sink) = start(mode);
        broker.assign([partition()], 0);
        broker.send(order(0, "hang").with_key("a"));
        for offset in 1..50 {
            broker.send(order(offset, "hello").with_key("b"));
        }
        sleep(Duration::from_secs(8)).await;
        assert_eq!(health(&status), Ok(()), "{mode}");
        assert_eq!(sink.produced().len(), 49, "{mode}");
        sleep(Duration::from_secs(20)).await;
        assert_eq!(health(&status), Ok(()), "{mode}");
        assert_eq!(sink.produced().len(), 50, "{mode}");
    }
}

/// A timeout cannot interrupt a handler that blocks its thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h9_a_handler_that_never_returns_turns_the_health_red_while_the_others_are_served() {
    let (end, may_end) = std::sync::mpsc::channel::<()>();
    let may_end = std::sync::Arc::new(std::sync::Mutex::new(may_end));
    let handler = move |body: String| {
        if body == "block" {
            let _ = may_end.lock().expect("no panic").recv();
        }
        async { "done" }
    };
    let app = Router::new().route("/orders", post(handler));
    let (broker, source) = MemoryBroker::new();
    broker.assign([partition()], 0);
    broker.send(order(0, "block"));
    broker.send(order(1, "hello"));
    let sink = MemorySink::default();
    let bridge = Bridge::builder(app)
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
        .dispatch(Dispatch::Tasks)
        .request_timeout(Duration::from_millis(10))
        // Longer than the interval of the loop's reports.
        .stuck_after(Duration::from_secs(2));
    let bridge = bridge
        .with_ports(source, sink.clone())
        .expect("settings that agree");
    let status = bridge.status();
    let bridge = tokio::spawn(bridge.into_future());
    let stuck = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Err(Unhealthy::Stuck { offset, .. }) = status.borrow().health() {
                return offset;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(stuck.await.expect("the blocked handler is noticed"), 0);
    assert_eq!(sink.produced().len(), 1);
    drop(end);
    bridge.abort();
}

/// A restart of every instance would not bring the broker back, and would repeat all waiting records.
#[tokio::test(start_paused = true)]
async fn h27_a_reply_that_waits_for_a_broker_is_no_handler_that_hangs() {
    for mode in MODES {
        let (broker, source) = MemoryBroker::new();
        let sink = MemorySink::default().gated();
        let bridge = builder().dispatch(mode);
        let bridge = bridge
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let status = bridge.status();
        tokio::spawn(bridge.into_future());
        broker.assign([partition()], 0);
        broker.send(order(0, "hello").with_key("a"));
        sleep(Duration::from_secs(600)).await;
        assert_eq!(health(&status), Ok(()), "{mode}");
        assert!(status.borrow().oldest[0].replying, "{mode}");
        assert!(status.borrow().ready, "{mode}");
        sink.acknowledge(1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(status.borrow().oldest, [], "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn h21_each_partition_is_told_by_its_own_lowest_unfinished_record() {
    let (broker, status, _sink) = start(Dispatch::Tasks);
    let other = TopicPartition::new("createOrder", 1);
    broker.assign([partition(), other.clone()], 0);
    broker.send(order(0, "hello"));
    broker.send(order(1, "hang"));
    sleep(Duration::from_secs(5)).await;
    let mut late = order(7, "hang");
    late.coordinates.topic_partition = other.clone();
    broker.send(late);
    sleep(Duration::from_secs(2)).await;
    let mut oldest = status.borrow().oldest.clone();
    oldest.sort_by_key(|one| one.offset);
    let told: Vec<_> = oldest
        .iter()
        .map(|one| (one.topic_partition.clone(), one.offset))
        .collect();
    assert_eq!(told, [(partition(), 1), (other, 7)]);
    assert_eq!((oldest[1].since - oldest[0].since).as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_lost_its_partitions_is_not_ready_until_it_is_given_some_again() {
    for mode in MODES {
        let (broker, status, _sink) = start(mode);
        assert!(!status.borrow().ready, "not yet in the group");
        broker.assign([partition()], 1);
        settle().await;
        assert!(status.borrow().ready);
        broker.lose([partition()]);
        settle().await;
        assert!(!status.borrow().ready, "{mode}");
        broker.assign([], 2);
        settle().await;
        assert!(
            status.borrow().ready,
            "a member with nothing to do is a member"
        );
    }
}

/// A long queue behind one key is not a hang: each record counts from when it became the lowest.
#[tokio::test(start_paused = true)]
async fn a_hot_key_that_moves_on_is_healthy() {
    let (broker, status, sink) = start(Dispatch::Keyed);
    broker.assign([partition()], 0);
    for offset in 0..10 {
        broker.send(order(offset, "slow").with_key("hot"));
    }
    sleep(Duration::from_secs(42)).await;
    assert_eq!(sink.produced().len(), 8, "5 s each");
    assert_eq!(health(&status), Ok(()));
}

/// In serial dispatch the handler runs in the event loop, so such a handler stops the loop.
#[tokio::test]
async fn h9_a_handler_that_blocks_its_thread_turns_the_health_red() {
    let (began, has_begun) = std::sync::mpsc::channel();
    let (end, may_end) = std::sync::mpsc::channel::<()>();
    let may_end = std::sync::Arc::new(std::sync::Mutex::new(may_end));
    let handler = move || {
        began.send(()).expect("the test waits");
        let _ = may_end.lock().expect("no panic").recv();
        async { "done" }
    };
    let app = Router::new().route("/orders", post(handler));
    let (broker, source) = MemoryBroker::new();
    broker.assign([partition()], 0);
    broker.send(order(0, "hello"));
    let bridge = Bridge::builder(app)
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
        .dispatch(Dispatch::Serial)
        .request_timeout(Duration::from_millis(10))
        .stuck_after(Duration::from_millis(50));
    let bridge = bridge
        .with_ports(source, MemorySink::default())
        .expect("settings that agree");
    let status = bridge.status();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or(()) };
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime
            .expect("a runtime")
            .block_on(bridge.with_graceful_shutdown(stopped))
    });
    has_begun.recv().expect("the handler begins");
    // The test has its own time limit: without the check this loop would not end.
    let blocked = tokio::time::timeout(Duration::from_secs(30), async {
        while !matches!(status.borrow().health(), Err(Unhealthy::Unresponsive(_))) {
            sleep(Duration::from_millis(10)).await;
        }
    });
    blocked.await.expect("the blocked loop is noticed");
    drop((end, stop));
    thread.join().expect("no panic").expect("a stop");
    assert_eq!(
        health(&status),
        Ok(()),
        "a bridge that has ended is not stuck"
    );
}

#[tokio::test(start_paused = true)]
async fn the_requesters_trace_comes_back_with_the_reply() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = |offset, body: &str| order(offset, body).with_header("traceparent", trace);
    let patient = builder().drain_timeout(Duration::from_secs(60));
    let forged = order(3, "hello").with_header("traceparent", "not a trace");
    let records = [
        traced(0, "hello"),
        traced(1, "panic"),
        order(2, "hello"),
        forged,
    ];
    let (replies, _) = support::serve(patient.dispatch(Dispatch::Serial), records).await;
    let traces: Vec<_> = replies
        .iter()
        .map(|reply| header(reply, "traceparent"))
        .collect();
    assert_eq!(
        traces,
        [Some(trace.to_owned()), Some(trace.to_owned()), None, None]
    );
}
