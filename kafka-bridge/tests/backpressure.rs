//! An application that is not ready: the bridge takes no record, and no requester gets a 504 (hazards H8, H9 and H27).

mod support;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Response, StatusCode};
use axum::routing::post;
use axum::{Router, body::Body as AxumBody};
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{
    Body, Bridge, Builder, Dispatch, Error, FailurePolicy, Operation, Record, Retry, Status,
    Summary, TopicPartition, Unhealthy,
};
use support::{Counting, MODES, settle, statuses};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tower::limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer};
use tower::{Layer, Service};

/// Takes two seconds. `fail` fails the first time, and `slow` takes five seconds.
fn router() -> Router {
    let calls = Arc::new(AtomicUsize::new(0));
    let handler = move |body: String| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            let seconds = if body == "slow" { 5 } else { 2 };
            sleep(Duration::from_secs(seconds)).await;
            match body.as_str() {
                "fail" if call == 0 => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::OK,
            }
        }
    };
    Router::new().route("/orders", post(handler))
}

fn limited(permits: usize) -> ConcurrencyLimit<Router> {
    GlobalConcurrencyLimitLayer::new(permits).layer(router())
}

fn builder<A>(app: A) -> Builder<A> {
    Bridge::builder(app)
        .operation(Operation::post("createOrder", "/orders").expect("a legal operation"))
        .request_timeout(Duration::from_secs(6))
}

fn partition() -> TopicPartition {
    TopicPartition::new("createOrder", 0)
}

fn record(offset: i64, key: String, body: &'static str) -> Record {
    Record::new("createOrder", 0, offset)
        .with_key(key)
        .with_value(body)
        .with_header("reply-to", "createOrder.reply")
}

/// A running bridge and its ports.
struct Started {
    broker: MemoryBroker,
    sink: MemorySink,
    taken: Arc<AtomicUsize>,
    status: watch::Receiver<Status>,
    stop: oneshot::Sender<()>,
    bridge: tokio::task::JoinHandle<Result<Summary, Error>>,
}

impl Started {
    fn new<A>(builder: Builder<A>) -> Self
    where
        A: Service<Request<Body>, Response = Response<AxumBody>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        A::Future: Send,
    {
        let (broker, source) = MemoryBroker::new();
        let (sink, taken) = (MemorySink::default(), Arc::default());
        let source = Counting {
            source,
            records: Arc::clone(&taken),
            holds: Arc::default(),
        };
        let bridge = builder
            .with_ports(source, sink.clone())
            .expect("settings that agree");
        let status = bridge.status();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { stopped.await.unwrap_or(()) };
        let bridge = tokio::spawn(bridge.with_graceful_shutdown(stopped));
        broker.assign([partition()], 0);
        Self {
            broker,
            sink,
            taken,
            status,
            stop,
            bridge,
        }
    }

    /// Sends records, each with its own key.
    fn send(&self, bodies: impl IntoIterator<Item = &'static str>) {
        for (offset, body) in (0..).zip(bodies) {
            self.broker.send(record(offset, offset.to_string(), body));
        }
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn replied(&self) -> usize {
        let statuses = statuses(&self.sink.produced());
        assert!(
            statuses.iter().all(|status| status == "200"),
            "{statuses:?}"
        );
        statuses.len()
    }

    fn health(&self) -> Result<(), Unhealthy> {
        self.status.borrow().health()
    }
}

/// Takes one of the application's permits, as an HTTP front end would.
async fn permit(app: &ConcurrencyLimit<Router>) -> ConcurrencyLimit<Router> {
    let mut app = app.clone();
    let ready = poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut app, context));
    let ready = timeout(Duration::from_secs(1), ready).await;
    ready.expect("nobody keeps the permit").expect("infallible");
    app
}

#[tokio::test(start_paused = true)]
async fn h8_a_shared_limit_pauses_intake_and_nobody_gets_504() {
    for mode in MODES {
        let started = Started::new(builder(limited(2)).dispatch(mode));
        started.send(["order"; 20]);
        settle().await;
        let most = match mode {
            Dispatch::Serial => 1,
            // One record waits for a permit. In a lane, the waiting records need none yet.
            Dispatch::Tasks | Dispatch::Keyed => 3,
            _ => 20,
        };
        assert_eq!(started.taken(), most, "{mode}");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(started.replied(), 20, "{mode}");
    }
}

/// The wait is far longer than a request may take, and nobody is at fault.
#[tokio::test(start_paused = true)]
async fn h8_records_wait_as_long_as_others_have_the_permits() {
    for mode in MODES {
        let app = limited(2);
        let others = [permit(&app).await, permit(&app).await];
        let started = Started::new(builder(app).dispatch(mode));
        started.send(["order"; 6]);
        sleep(Duration::from_secs(30)).await;
        assert_eq!((started.taken(), started.replied()), (1, 0), "{mode}");
        assert_eq!(started.health(), Ok(()), "{mode}");
        drop(others);
        sleep(Duration::from_secs(30)).await;
        assert_eq!((started.taken(), started.replied()), (6, 6), "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_of_a_lane_waits_for_the_application_outside_of_its_time() {
    let app = limited(1);
    let started = Started::new(builder(app.clone()).dispatch(Dispatch::Keyed));
    for offset in 0..4 {
        started.broker.send(record(offset, "a".to_owned(), "order"));
    }
    settle().await;
    assert_eq!(started.taken(), 4, "three wait behind the first");
    let mut other = app;
    let ready = poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut other, context));
    ready.await.expect("infallible");
    settle().await;
    for offset in 4..7 {
        started
            .broker
            .send(record(offset, offset.to_string(), "order"));
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(started.replied(), 1);
    assert_eq!(started.taken(), 5, "one is in hand, behind the lane's next");
    drop(other);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(started.replied(), 7);
}

/// Otherwise more and more lanes would wait for a permit, each longer than the one before.
#[tokio::test(start_paused = true)]
async fn no_record_is_taken_past_those_that_wait_for_the_application() {
    let started = Started::new(builder(limited(1)).dispatch(Dispatch::Keyed));
    for offset in 0..30 {
        let key = (offset / 3).to_string();
        started.broker.send(record(offset, key, "order"));
    }
    settle().await;
    assert_eq!(started.taken(), 4, "the first lane, and one in hand");
    sleep(Duration::from_secs(3)).await;
    // The second lane and one record in hand came before the first lane's next record had asked.
    assert_eq!(started.taken(), 7);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(started.taken(), 7, "the next of two lanes wait");
    sleep(Duration::from_secs(100)).await;
    assert_eq!(started.replied(), 30);
}

/// The second attempt and the record in hand wait for the same permit. Neither blocks the other.
#[tokio::test(start_paused = true)]
async fn h12_further_attempts_wait_for_the_application_as_well() {
    for mode in MODES {
        let retry = Retry {
            max_attempts: 2,
            first_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(1),
        };
        let bridge = builder(limited(1))
            .dispatch(mode)
            .dead_letter_topic("dlq")
            .on_failure(FailurePolicy::Retry(retry));
        let started = Started::new(bridge);
        started.send(["fail", "slow", "slow", "order", "order"]);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(started.replied(), 5, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_kept_while_there_is_nothing_to_do() {
    for mode in MODES {
        let app = limited(1);
        let started = Started::new(builder(app.clone()).dispatch(mode));
        settle().await;
        drop(permit(&app).await);
        started.send(["order"]);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(started.replied(), 1, "{mode}");
        drop(permit(&app).await);
    }
}

#[tokio::test(start_paused = true)]
async fn h6_a_record_in_hand_goes_with_its_partition_and_gives_up_its_place() {
    for is_lost in [false, true] {
        let app = limited(1);
        let other = permit(&app).await;
        let started = Started::new(builder(app.clone()).dispatch(Dispatch::Tasks));
        started.send(["order"; 3]);
        settle().await;
        let begun = Instant::now();
        if is_lost {
            started.broker.lose([partition()]);
        } else {
            let positions = started.broker.revoke([partition()]).await;
            assert_eq!(positions, [], "nothing was started");
        }
        assert!(begun.elapsed() < Duration::from_secs(1));
        settle().await;
        drop(other);
        drop(permit(&app).await);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(started.replied(), 0, "lost: {is_lost}");
        assert_eq!(started.health(), Ok(()));
    }
}

/// What the application's `poll_ready` does.
#[derive(Clone, Copy)]
enum Broken {
    Never,
    Panics,
}

impl Service<Request<Body>> for Broken {
    type Response = Response<AxumBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self {
            Self::Never => Poll::Pending,
            Self::Panics => panic!("as the test asked"),
        }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        panic!("called without being ready")
    }
}

#[tokio::test(start_paused = true)]
async fn h9_an_application_that_is_never_ready_is_told_and_holds_up_no_stop() {
    for mode in MODES {
        let bridge = builder(Broken::Never)
            .dispatch(mode)
            .stuck_after(Duration::from_secs(20));
        let started = Started::new(bridge);
        started.send(["order"; 3]);
        sleep(Duration::from_secs(19)).await;
        assert_eq!(started.health(), Ok(()), "{mode}");
        sleep(Duration::from_secs(3)).await;
        let error = started.health().expect_err("the status reports it");
        assert!(matches!(error, Unhealthy::NotReady(_)), "{mode}: {error}");
        assert_eq!((started.taken(), started.replied()), (1, 0), "{mode}");
        let begun = Instant::now();
        started.stop.send(()).expect("it runs");
        let summary = started.bridge.await.expect("no panic").expect("a stop");
        assert_eq!(summary, Summary::default(), "{mode}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{mode}");
        let committed = started.broker.commits().next_offset("createOrder", 0);
        assert!(
            committed.is_none_or(|next| next == 0),
            "{mode}: {committed:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn h10_a_poll_ready_that_panics_fails_its_request_and_nothing_else() {
    for mode in MODES {
        let started = Started::new(builder(Broken::Panics).dispatch(mode));
        started.send(["order"; 3]);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(statuses(&started.sink.produced()), ["500"; 3], "{mode}");
        let committed = started.broker.commits().next_offset("createOrder", 0);
        assert_eq!(committed, Some(3), "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_finite_source_is_served_to_its_end() {
    for mode in MODES {
        let records = (0..10).map(|offset| record(offset, (offset % 3).to_string(), "order"));
        let (commits, source) = MemoryBroker::with_records(records);
        let bridge = builder(limited(2))
            .dispatch(mode)
            .drain_timeout(Duration::from_secs(100));
        let bridge = bridge
            .with_ports(source, MemorySink::default())
            .expect("settings that agree");
        let summary = bridge.await.expect("no record ends a bridge");
        assert_eq!(summary.replied, 10, "{mode}");
        assert_eq!(commits.next_offset("createOrder", 0), Some(10), "{mode}");
    }
}
