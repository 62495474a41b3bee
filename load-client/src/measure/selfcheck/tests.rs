//! Tests each rule with a run that breaks it, and with a run that only looks similar.

use std::time::Duration;

use crate::measure::selfcheck::*;
use crate::measure::summary::{ErrorCount, Sample, Status};
use crate::measure::tally::{Latencies, Tally};
use crate::measure::window::ThroughputWindow;

/// Makes the summary of 3 users that each send every 4 ms, with replies after 4 ms, for 3 s.
fn summary() -> Summary {
    let tally = Tally::new(&["createOrder".to_owned()]);
    let mut tally = tally.within(ThroughputWindow::over(0, 3_000_000_000));
    for index in 0..2250_u64 {
        let sent = (index / 3 * 4000 + index % 3) * 1000;
        let sample = Sample::test(sent, 4_000_000, Status::Ok);
        tally.record(&sample, Duration::from_nanos(sent));
    }
    tally.summary()
}

/// Makes the readings of a closed loop with 3 users, of which 2.88 wait. A loss of 4 % between two requests is within
/// the limit.
fn readings() -> Readings {
    Readings {
        is_open_loop: false,
        users: Some(3.0),
        in_flight: waiting(2.88, 750.0),
        held_back_by_recorder: 0,
        stalled: Stalled::default(),
        cores: 2,
        cpu: Some(CpuUse {
            process: 1.5,
            busiest: Some(("recorder".to_owned(), 0.7)),
        }),
        schedule_lag: None,
        queue: Vec::new(),
    }
}

fn waiting(users: f64, ended_per_second: f64) -> Option<Occupied> {
    Some(Occupied {
        known: users,
        at_most: users,
        ended_per_second,
    })
}

fn lag_of(milliseconds: f64, requests: u64) -> Option<Latency> {
    let mut lag = Latencies::default();
    (0..requests).for_each(|_| lag.record((milliseconds * 1e6) as u64));
    lag.summary()
}

/// Judges the run after a change of its summary or readings.
fn judged(change: impl FnOnce(&mut Summary, &mut Readings)) -> Validity {
    let (mut summary, mut readings) = (summary(), readings());
    change(&mut summary, &mut readings);
    check(&summary, &readings)
}

#[track_caller]
fn assert_finds(expected: &str, change: impl FnOnce(&mut Summary, &mut Readings)) {
    let validity = judged(change);
    let Validity::Invalid { findings } = &validity else {
        panic!("{validity:?}");
    };
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].reason.contains(expected), "{findings:?}");
    assert!(!findings[0].advice.is_empty());
    assert!(validity.lines()[0].starts_with("INVALID"));
}

#[track_caller]
fn assert_valid(change: impl FnOnce(&mut Summary, &mut Readings)) {
    assert_eq!(judged(change), Validity::Valid);
}

#[test]
fn littles_law_finds_users_that_wait_for_the_client() {
    assert_valid(|_, _| {});
    assert_finds("Little's law, -10.0 %", |_, own| {
        own.in_flight = waiting(2.7, 750.0);
    });
    assert_finds("Little's law, +33", |_, own| {
        own.in_flight = waiting(4.0, 750.0);
    });
    assert_valid(|_, own| (own.users, own.in_flight) = (None, waiting(2.7, 750.0)));
}

#[test]
fn littles_law_applies_with_failures_and_counts_unknown_times_for_the_client() {
    for status in [Status::Timeout, Status::SendError, Status::ErrorStatus] {
        assert_finds("Little's law, -10.0 %", |failed, own| {
            own.in_flight = waiting(2.7, 750.0);
            failed.errors = vec![ErrorCount {
                name: "createOrder".to_owned(),
                status,
                error: "one, in the warm-up".to_owned(),
                count: 1,
                first_seconds: 0.0,
                last_seconds: 0.0,
                first_body: None,
            }];
        });
    }
    // A failed send may have kept its user for this long.
    for at_most in [2.9, 30.0] {
        assert_valid(|_, own| {
            own.in_flight = waiting(2.7, 750.0);
            own.in_flight.as_mut().unwrap().at_most = at_most;
        });
    }
}

#[test]
fn users_that_are_back_at_once_are_not_idle_however_short_the_round_trip() {
    // 3 users get 750 replies a second. If 0.4 users are idle, each reply has a gap of 0.5 ms.
    assert_finds("Little's law", |_, own| own.in_flight = waiting(2.6, 750.0));
    assert_valid(|_, own| own.in_flight = waiting(2.6, 5000.0));
    // Users whose replies are all refused are as fast as other users.
    assert_valid(|refused, own| {
        refused.throughput = Some(0.0);
        own.in_flight = waiting(2.7, 5000.0);
    });
}

#[test]
fn a_client_that_stood_still_is_found() {
    let stalled = |milliseconds| Stalled {
        total: Duration::from_millis(milliseconds),
        longest: Duration::from_millis(200),
    };
    assert_valid(|_, own| own.stalled = stalled(240));
    let expected = "stood still for 0.26 of 3.0 s (up to 0.20 s at a time)";
    assert_finds(expected, |_, own| own.stalled = stalled(260));
    assert_valid(|long, own| {
        long.window_seconds = Some(60.0);
        own.stalled = stalled(260);
    });
}

#[test]
fn a_recorder_that_holds_requests_back_is_found() {
    for is_open_loop in [false, true] {
        assert_finds("2 time(s) for the recorder", |_, own| {
            own.is_open_loop = is_open_loop;
            own.held_back_by_recorder = 2;
        });
    }
}

#[test]
fn processors_at_their_limit_are_found() {
    let set = |own: &mut Readings, process, cores, busiest: f64| {
        let busiest = Some(("rdk:broker1".to_owned(), busiest));
        own.cpu = Some(CpuUse { process, busiest });
        own.cores = cores;
    };
    assert_finds("1.61 of its 2 core(s)", |_, own| set(own, 1.61, 2, 0.7));
    assert_valid(|_, own| set(own, 1.61, 4, 0.7));
    assert_finds("rdk:broker1", |_, own| set(own, 1.61, 4, 0.81));
    assert_valid(|_, own| own.cpu = None);
}

#[test]
fn a_schedule_that_slips_is_found_in_an_open_loop_only() {
    let set = |own: &mut Readings, is_open_loop, milliseconds, requests| {
        own.is_open_loop = is_open_loop;
        own.schedule_lag = lag_of(milliseconds, requests);
    };
    assert_valid(|_, own| set(own, true, 0.3, 2000));
    assert_valid(|_, own| set(own, false, 0.5, 2000));
    // With few requests, the highest available percentile is judged.
    for (requests, expected) in [(100, "p90"), (200, "p95"), (999, "p98"), (1000, "p99")] {
        let expected = format!("{expected} of the schedule lag is 0.500 ms");
        assert_finds(&expected, |_, own| set(own, true, 0.5, requests));
    }
}

#[test]
fn only_a_queue_that_keeps_growing_is_found() {
    let set = |own: &mut Readings, queue: &[u64]| {
        own.is_open_loop = true;
        own.queue = queue.to_vec();
    };
    let growing = [0, 40, 90, 150, 210, 260, 300];
    assert_finds("grew from 20 to 280", |_, own| set(own, &growing));
    for queue in [
        &[0, 400, 0, 400, 0, 400][..],
        &[0, 0, 100, 900, 0, 900, 900, 0, 900],
        &[1, 2, 3, 4, 5, 6],
        &[300, 310, 320, 330, 340, 350],
        &[0, 100, 200, 300, 400],
    ] {
        assert_valid(|_, own| set(own, queue));
    }
}

#[test]
fn short_runs_are_not_judged() {
    let busy = |own: &mut Readings| own.cpu.as_mut().unwrap().process = 2.0;
    let short = judged(|short, own| {
        busy(own);
        short.window_seconds = Some(0.99);
    });
    let few = judged(|few, own| {
        busy(own);
        few.total.requests = 99;
    });
    for validity in [short, few] {
        assert!(
            matches!(validity, Validity::NotJudged { .. }),
            "{validity:?}"
        );
        assert!(validity.lines()[0].contains("not judged"));
    }
}
