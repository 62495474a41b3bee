//! Each rule with a run that breaks it, and with one that only looks alike.

use std::time::Duration;

use super::*;
use crate::sample::{Outcome, Sample};
use crate::tally::Tally;

/// `users` that each send every `gap_us`, with replies after 4 ms, for 3 s.
fn summary(users: u64, gap_us: u64) -> Summary {
    let mut tally = Tally::new(&["createOrder".to_owned()]);
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
        cores: 2,
        cpu: Some(CpuUse {
            process: 1.5,
            busiest: Some(("recorder".to_owned(), 0.7)),
        }),
        schedule_lag: None,
        held_back: 0,
        queue: Vec::new(),
    }
}

fn closed(users: u32) -> LoadModel {
    LoadModel::ClosedLoop { users: Some(users) }
}

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

fn lag_of(milliseconds: f64) -> Option<Latency> {
    let mut tally = Tally::new(&["createOrder".to_owned()]);
    for index in 0..2000_u64 {
        let mut sample = Sample::test(index * 1_000_000 + 90_000_000, 1, Outcome::Ok);
        sample.intended_ns -= (milliseconds * 1e6) as u64;
        tally.record(&sample, Duration::ZERO);
    }
    tally.schedule_lag()
}

#[test]
fn a_healthy_closed_loop_is_valid() {
    assert_eq!(
        check(&summary(3, 4000), &readings(closed(3))),
        Validity::Valid
    );
    // 4 % lost between two requests is within the limit.
    assert_eq!(
        check(&summary(3, 4160), &readings(closed(3))),
        Validity::Valid
    );
}

#[test]
fn littles_law_finds_users_that_wait_for_the_client() {
    let slow = summary(3, 4400);
    assert_finds(&check(&slow, &readings(closed(3))), "Little's law, -9.");
    assert_finds(
        &check(&summary(4, 4000), &readings(closed(3))),
        "Little's law, +33",
    );
    // With think time, or a number of users that changed, the law does not speak.
    for model in [
        LoadModel::ClosedLoop { users: None },
        LoadModel::ClosedLoopWithThinkTime,
        LoadModel::OpenLoop,
    ] {
        assert_eq!(check(&slow, &readings(model)), Validity::Valid);
    }
}

#[test]
fn littles_law_needs_clean_runs_that_are_long_for_their_users() {
    let mut failed = summary(3, 4400);
    failed.total.failures = 1;
    assert_eq!(check(&failed, &readings(closed(3))), Validity::Valid);
    let mut few = summary(3, 4400);
    few.total.requests = 299;
    assert_eq!(check(&few, &readings(closed(3))), Validity::Valid);
}

#[test]
fn processors_at_their_limit_are_found() {
    let mut busy = readings(closed(3));
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
    late.schedule_lag = lag_of(0.5);
    assert_finds(&check(&summary(3, 4000), &late), "p99 of the schedule lag");
    // Held back by a bound that was asked for, they are late by intention.
    late.held_back = 1;
    assert_eq!(check(&summary(3, 4000), &late), Validity::Valid);
    late.held_back = 0;
    late.schedule_lag = lag_of(0.3);
    assert_eq!(check(&summary(3, 4000), &late), Validity::Valid);
    late.schedule_lag = lag_of(0.5);
    late.model = closed(3);
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
    let mut busy = readings(closed(3));
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
