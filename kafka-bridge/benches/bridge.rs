//! Measures the CPU time of one core for a record, step by step and as a whole: `make bench-bridge`.
//!
//! It measures the thread's own CPU time, so that other load on the machine matters only through its caches and its
//! clock rate. CI checks counts and not times: see `budgets`.

mod support;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use kafka_bridge::Dispatch;
use rustix::time::{ClockId, clock_gettime};

use support::rows::{self, Work};

/// The records of one measured run. Enough to make the start and end negligible, and few enough to stay in caches, like
/// a record that was just received.
const RECORDS: usize = 3000;

const MODES: [Dispatch; 3] = [Dispatch::Serial, Dispatch::Tasks, Dispatch::Keyed];

/// Measures only the work, not the preparation of its records.
fn row(group: &mut BenchmarkGroup<'_, WallTime>, name: String, prepare: impl Fn() -> Work) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut taken = Duration::ZERO;
            for _ in 0..iterations {
                let work = prepare();
                let started = cpu_time();
                work();
                taken += cpu_time() - started;
            }
            taken
        });
    });
}

fn steps(criterion: &mut Criterion) {
    let mut group = group(criterion, "step");
    row(&mut group, "request".into(), || rows::request(RECORDS));
    row(&mut group, "reply".into(), || rows::reply(RECORDS));
    row(&mut group, "axum".into(), || {
        rows::axum_alone(RECORDS, support::bare_app())
    });
    row(&mut group, "axum-echo".into(), || {
        rows::axum_alone(RECORDS, support::app_with_echo())
    });
    for in_flight in [1, 1000, 100_000] {
        let name = format!("offsets/{in_flight}");
        row(&mut group, name, || rows::offsets(RECORDS, in_flight));
    }
}

fn dispatch(criterion: &mut Criterion) {
    let mut group = group(criterion, "dispatch");
    for mode in MODES {
        row(&mut group, mode.to_string(), || {
            rows::dispatch(RECORDS, mode)
        });
        row(&mut group, format!("{mode}/echo"), || {
            rows::dispatch_with_echo(RECORDS, mode)
        });
        row(&mut group, format!("{mode}/echo-metered"), || {
            rows::dispatch_with_echo_metered(RECORDS, mode)
        });
    }
}

fn scale(criterion: &mut Criterion) {
    let mut group = group(criterion, "scale");
    for mode in [Dispatch::Tasks, Dispatch::Keyed] {
        for in_flight in [1, 100, 10_000, 100_000] {
            let name = format!("{mode}/in-flight/{in_flight}");
            // Most records have to be handled while all others are in flight.
            let records = RECORDS.max(3 * in_flight);
            group.throughput(Throughput::Elements(records as u64));
            row(&mut group, name, || rows::held(records, mode, in_flight));
        }
    }
    group.throughput(Throughput::Elements(RECORDS as u64));
    for mode in MODES {
        for partitions in [1, 8, 64] {
            let name = format!("{mode}/partitions/{partitions}");
            row(&mut group, name, || {
                rows::partitions(RECORDS, mode, partitions)
            });
        }
    }
}

/// Returns the CPU time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a time after the start")
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(RECORDS as u64));
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500));
    // The same number of runs in each sample: runs with 100,000 records in flight take seconds to prepare.
    group.sampling_mode(SamplingMode::Flat);
    group.measurement_time(Duration::from_secs(3));
    group
}

criterion_group!(benches, steps, dispatch, scale);
criterion_main!(benches);
