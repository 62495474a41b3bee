//! Each rule with a run that breaks it, and with one that only looks alike.

use std::time::Duration;

use crate::measure::history::ThroughputWindow;
use crate::measure::selfcheck::*;
use crate::measure::summary::{ErrorCount, Outcome, Sample, Status};
use crate::measure::tally::{Latencies, Tally};

/// `users` that each send every `gap_us`, with replies after 4 ms, for 3 s.
fn summary(users: u64, gap_us: u64) -> Summary {
    let tally = Tally::new(&["createOrder".to_owned()]);
    let window = ThroughputWindow::over(0, 3_000_000_000);
    let mut tally = tally.within(window);
    for user in 0..users {
        for index in 0..3_000_000 / gap_us {
            let sent = (index * gap_us + user) * 1000;
            tally.record(
                &Sample::test(sent, 4_000_000, Outcome::Ok),
                Duration::from_nanos(sent),
            );
        }
    }
    tally.summary()
}

fn readings(model: LoadModel) -> Readings {
    Readings {
        model,
        users: Some(3.0),
        in_flight: waiting(2.88),
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

/// So many users wait, at 750 requests a second.
fn waiting(users: f64) -> Option<Occupied> {
    Some(Occupied {
        known: users,
        at_most: users,
        ended_per_second: 750.0,
    })
}

/// A closed loop of 3 users, of which 2.88 wait: 4 % lost between two requests are within the limit.
const CLOSED: LoadModel = LoadModel::ClosedLoop;

#[track_caller]
fn assert_finds(validity: &Validity, expected: &str) {
    let Validity::Invalid { findings } = validity else {
        panic!("{validity:?}");
    };
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].reason.contains(expected), "{findings:?}");
    assert!(!findings[0].advice.is_empty());
    assert!(validity.lines()[0].starts_with("INVALID"));
}

fn lag_of(milliseconds: f64, requests: u64) -> Option<Latency> {
    let mut lag = Latencies::with_digits(3);
    (0..requests).for_each(|_| lag.record((milliseconds * 1e6) as u64));
    lag.summary()
}

#[test]
fn littles_law_finds_users_that_wait_for_the_client() {
    let (summary, mut own) = (summary(3, 4000), readings(CLOSED));
    assert_eq!(check(&summary, &own), Validity::Valid);
    own.in_flight = waiting(2.7);
    assert_finds(&check(&summary, &own), "Little's law, -10.0 %");
    // With think time the law does not speak.
    for model in [LoadModel::ClosedLoopWithThinkTime, LoadModel::OpenLoop] {
        let other = Readings {
            model,
            ..own.clone()
        };
        assert_eq!(check(&summary, &other), Validity::Valid);
    }
    own.in_flight = waiting(4.0);
    assert_finds(&check(&summary, &own), "Little's law, +33");
    (own.users, own.in_flight) = (None, waiting(2.7));
    assert_eq!(check(&summary, &own), Validity::Valid);
}

#[test]
fn littles_law_speaks_in_spite_of_failures_and_gives_the_client_the_benefit_of_the_doubt() {
    let (mut failed, mut own) = (summary(3, 4000), readings(CLOSED));
    own.in_flight = waiting(2.7);
    for status in [Status::Timeout, Status::SendError, Status::ErrorStatus] {
        failed.errors = vec![ErrorCount {
            name: "createOrder".to_owned(),
            status,
            error: "one, in the warm-up".to_owned(),
            count: 1,
            first_seconds: 0.0,
            last_seconds: 0.0,
            first_body: None,
        }];
        assert_finds(&check(&failed, &own), "Little's law, -10.0 %");
    }
    // What a failed send may have kept its user.
    own.in_flight.as_mut().unwrap().at_most = 2.9;
    assert_eq!(check(&failed, &own), Validity::Valid);
    own.in_flight.as_mut().unwrap().at_most = 30.0;
    assert_eq!(check(&failed, &own), Validity::Valid);
}

#[test]
fn users_whose_replies_are_all_refused_are_back_as_soon_as_others() {
    let (mut refused, mut own) = (summary(3, 4000), readings(CLOSED));
    refused.throughput = Some(0.0);
    own.in_flight = waiting(2.7);
    own.in_flight.as_mut().unwrap().ended_per_second = 5000.0;
    assert_eq!(check(&refused, &own), Validity::Valid);
}

#[test]
fn users_that_are_back_at_once_are_not_idle_however_short_the_round_trip() {
    // 3 users, 750 replies a second: 0.4 of them idle are 0.5 ms each.
    let (fast, mut own) = (summary(3, 4000), readings(CLOSED));
    own.in_flight = waiting(2.6);
    assert_finds(&check(&fast, &own), "Little's law");
    own.in_flight.as_mut().unwrap().ended_per_second = 5000.0;
    assert_eq!(check(&fast, &own), Validity::Valid);
}

#[test]
fn a_client_that_stood_still_is_found() {
    let (summary, mut own) = (summary(3, 4000), readings(CLOSED));
    for (milliseconds, found) in [(0, false), (240, false), (260, true)] {
        own.stalled.total = Duration::from_millis(milliseconds);
        let validity = check(&summary, &own);
        assert_eq!(validity.is_invalid(), found, "{milliseconds}");
    }
    own.stalled.longest = Duration::from_millis(200);
    let expected = "stood still for 0.26 of 3.0 s (at most 0.20 s on end)";
    assert_finds(&check(&summary, &own), expected);
    let mut long = summary;
    long.window_seconds = Some(60.0);
    assert_eq!(check(&long, &own), Validity::Valid);
}

#[test]
fn a_recorder_that_holds_requests_back_is_found() {
    for model in [
        CLOSED,
        LoadModel::ClosedLoopWithThinkTime,
        LoadModel::OpenLoop,
    ] {
        let mut own = readings(model);
        own.held_back_by_recorder = 2;
        assert_finds(
            &check(&summary(3, 4000), &own),
            "2 time(s) for the recorder",
        );
    }
}

#[test]
fn of_few_requests_the_highest_percentile_that_there_is_is_judged() {
    let mut late = readings(LoadModel::OpenLoop);
    for (requests, expected) in [(100, "p90"), (200, "p95"), (999, "p98"), (1000, "p99")] {
        late.schedule_lag = lag_of(0.5, requests);
        let expected = format!("{expected} of the schedule lag is 0.500 ms");
        assert_finds(&check(&summary(3, 4000), &late), &expected);
    }
}

#[test]
fn processors_at_their_limit_are_found() {
    let mut busy = readings(CLOSED);
    busy.cpu.as_mut().unwrap().process = 1.61;
    assert_finds(&check(&summary(3, 4000), &busy), "1.61 of its 2 core(s)");
    busy.cores = 4;
    assert_eq!(check(&summary(3, 4000), &busy), Validity::Valid);
    busy.cpu.as_mut().unwrap().busiest = Some(("rdk:broker1".to_owned(), 0.81));
    assert_finds(&check(&summary(3, 4000), &busy), "rdk:broker1");
    busy.cpu = None;
    assert_eq!(check(&summary(3, 4000), &busy), Validity::Valid);
}

#[test]
fn a_schedule_that_slips_is_found_in_an_open_loop_only() {
    let mut late = readings(LoadModel::OpenLoop);
    late.schedule_lag = lag_of(0.5, 2000);
    assert_finds(&check(&summary(3, 4000), &late), "p99 of the schedule lag");
    late.schedule_lag = lag_of(0.3, 2000);
    assert_eq!(check(&summary(3, 4000), &late), Validity::Valid);
    late.schedule_lag = lag_of(0.5, 2000);
    late.model = CLOSED;
    assert_eq!(check(&summary(3, 4000), &late), Validity::Valid);
}

#[test]
fn a_queue_that_grows_is_told_from_one_that_swings() {
    let mut own = readings(LoadModel::OpenLoop);
    own.queue = vec![0, 40, 90, 150, 210, 260, 300];
    assert_finds(&check(&summary(3, 4000), &own), "grew from 20 to 280");
    for queue in [
        vec![0, 400, 0, 400, 0, 400],
        vec![0, 0, 100, 900, 0, 900, 900, 0, 900],
        vec![1, 2, 3, 4, 5, 6],
        vec![300, 310, 320, 330, 340, 350],
        vec![0, 100, 200, 300, 400],
    ] {
        own.queue = queue;
        assert_eq!(check(&summary(3, 4000), &own), Validity::Valid);
    }
}

#[test]
fn short_runs_are_not_judged() {
    let mut busy = readings(CLOSED);
    busy.cpu.as_mut().unwrap().process = 2.0;
    let mut short = summary(3, 4000);
    short.window_seconds = Some(0.99);
    let validity = check(&short, &busy);
    assert!(
        matches!(validity, Validity::NotJudged { .. }),
        "{validity:?}"
    );
    let mut few = summary(3, 4000);
    few.total.requests = 99;
    assert!(validity.lines()[0].contains("not judged"));
    assert!(matches!(check(&few, &busy), Validity::NotJudged { .. }));
}
