//! The measured rows. Each prepares records, and returns the work on them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::Router;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use kafka_bridge::bench::Steps;
use kafka_bridge::offsets::OffsetTracker;
use kafka_bridge::{Body, Bridge, Dispatch, Limits, TopicPartition};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::ports::{Dropping, Gate, Prepared};
use super::{TOPIC, app_with_echo, bare_app, operation, record, records};

/// The work of a row on its records. Runs once.
pub(crate) type Work = Box<dyn FnOnce()>;

/// Converts records to requests.
pub(crate) fn request(count: usize) -> Work {
    let (steps, records) = (Steps::new(operation()), records(count, 1));
    Box::new(move || {
        for record in records {
            black_box(steps.request(record));
        }
    })
}

/// Converts responses to replies, and resolves the return addresses.
pub(crate) fn reply(count: usize) -> Work {
    let (steps, headers) = (Steps::new(operation()), record(0, 0).headers);
    let response = || {
        let mut response = Response::new(Bytes::from_static(br#"{"id":"1"}"#));
        let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert("content-type", text);
        let length = http::HeaderValue::from_static("10");
        response.headers_mut().insert("content-length", length);
        response
    };
    let responses: Vec<_> = (0..count).map(|_| response()).collect();
    Box::new(move || {
        for response in responses {
            black_box(steps.reply(response, &headers));
        }
    })
}

/// Delivers and finishes records while `in_flight` others of the partition are in flight.
pub(crate) fn offsets(count: usize, in_flight: usize) -> Work {
    let mut tracker = OffsetTracker::default();
    tracker.assign(&TopicPartition::new(TOPIC, 0), 0);
    let at: Vec<_> = records(count + in_flight - 1, 1)
        .into_iter()
        .map(|record| record.coordinates)
        .collect();
    let now = Instant::now();
    for one in &at[..in_flight - 1] {
        let _ = tracker.deliver(one, now);
    }
    Box::new(move || {
        for (first, last) in at.iter().zip(&at[in_flight - 1..]) {
            let _ = black_box(tracker.deliver(last, now));
            tracker.finish(first);
        }
        black_box(tracker);
    })
}

/// The floor: sends prepared requests through the application, and reads the bodies to their end.
pub(crate) fn axum_alone(count: usize, app: Router) -> Work {
    let (steps, runtime) = (Steps::new(operation()), runtime());
    let requests: Vec<http::Request<Body>> = records(count, 1)
        .into_iter()
        .map(|record| steps.request(record))
        .collect();
    Box::new(move || {
        runtime.block_on(async move {
            for request in requests {
                let Ok(response) = app.clone().oneshot(request).await;
                black_box(
                    response
                        .into_body()
                        .collect()
                        .await
                        .map(|body| body.to_bytes()),
                )
                .ok();
            }
        });
    })
}

/// Runs the whole dispatch. Replies are acknowledged at once.
pub(crate) fn dispatch(count: usize, mode: Dispatch) -> Work {
    let source = Prepared::new(records(count, 1), 1, None);
    run(bare_app(), source, Dropping, mode, 1024, count)
}

/// Runs the whole dispatch with the layer that sets the header that each record asks for.
pub(crate) fn dispatch_with_echo(count: usize, mode: Dispatch) -> Work {
    let source = Prepared::new(records(count, 1), 1, None);
    run(app_with_echo(), source, Dropping, mode, 1024, count)
}

/// Runs the same with a Prometheus recorder that is never scraped.
pub(crate) fn dispatch_with_echo_metered(count: usize, mode: Dispatch) -> Work {
    let (work, recorder) = (
        dispatch_with_echo(count, mode),
        PrometheusBuilder::new().build_recorder(),
    );
    Box::new(move || metrics::with_local_recorder(&recorder, work))
}

/// Runs the whole dispatch while each reply's delivery report waits for `in_flight` later ones.
pub(crate) fn held(count: usize, mode: Dispatch, in_flight: usize) -> Work {
    let gate = Gate::holding(in_flight - 1);
    let source = Prepared::new(records(count, 1), 1, Some(gate.clone()));
    run(bare_app(), source, gate, mode, in_flight, count)
}

/// Runs the whole dispatch with records of several partitions in turn.
pub(crate) fn partitions(count: usize, mode: Dispatch, partitions: i32) -> Work {
    let source = Prepared::new(records(count, partitions), partitions, None);
    run(bare_app(), source, Dropping, mode, 1024, count)
}

fn run<K: kafka_bridge::ports::ReplySink>(
    app: Router,
    source: Prepared,
    sink: K,
    mode: Dispatch,
    in_flight: usize,
    count: usize,
) -> Work {
    let runtime = runtime();
    let bridge = Bridge::builder(app)
        .operation(operation())
        .dispatch(mode)
        .limits(Limits {
            max_in_flight: in_flight,
            max_in_flight_bytes: usize::MAX,
            max_uncommitted: usize::MAX,
            ..Limits::default()
        })
        // Under valgrind the last 100,000 records take long.
        .drain_timeout(Duration::from_secs(3600))
        .with_ports(source, sink)
        .expect("settings that agree");
    Box::new(move || {
        let summary = runtime.block_on(bridge.into_future());
        let replied = summary.expect("a run without failure").replied;
        assert_eq!(replied, count as u64, "every record has its reply");
    })
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime")
}
