//! Settings that depend on one another (hazard H27).

mod support;

use std::time::Duration;

use axum::Router;
use kafka_bridge::{Builder, FailurePolicy, Limits, Retry, Settings};
use support::builder;

const SECOND: Duration = Duration::from_secs(1);

fn retrying(builder: Builder<Router>, retry: Retry) -> Builder<Router> {
    builder
        .dead_letter_topic("dlq")
        .on_failure(FailurePolicy::Retry(retry))
}

fn limited(change: impl FnOnce(&mut Limits)) -> Builder<Router> {
    let mut limits = Limits::default();
    change(&mut limits);
    builder().limits(limits)
}

/// Builds a bridge to a cluster, which needs no broker.
fn built(builder: Builder<Router>) -> Result<(), String> {
    let bridge = builder.connect("kafka://127.0.0.1:1", "group");
    bridge.map(drop).map_err(|error| {
        assert!(error.is_configuration(), "{error}");
        error.to_string()
    })
}

#[tokio::test(start_paused = true)]
async fn settings_are_taken_as_a_whole() {
    let mut settings = Settings::default();
    settings.reply_key = false;
    settings.request_timeout = Duration::from_secs(1);
    let builder = support::builder().reply_key(true).settings(settings);
    let (replies, _) = support::serve(builder, [support::order(0, "slow").with_key("k")]).await;
    assert_eq!(support::statuses(&replies), ["504"]);
    assert_eq!(replies[0].key, None);
}

#[tokio::test]
async fn h27_the_defaults_agree_under_either_policy_and_follow_what_is_set() {
    let patient = Retry {
        max_attempts: 1000,
        ..Retry::default()
    };
    let cases = [
        builder(),
        retrying(builder(), Retry::default()),
        retrying(builder(), patient),
        builder().request_timeout(600 * SECOND),
        retrying(builder().request_timeout(Duration::MAX), patient),
        builder().stuck_after(31 * SECOND),
        builder().revocation_timeout(Duration::ZERO),
        builder().drain_timeout(Duration::ZERO),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        assert_eq!(built(case), Ok(()), "{number}");
    }
}

/// Otherwise the process would be restarted before the record becomes a dead letter.
#[tokio::test]
async fn h27_a_record_counts_as_stuck_only_after_all_that_its_handling_may_take() {
    let cases = [
        (builder(), 30),
        (retrying(builder(), Retry::default()), 5 * 30),
        (builder().request_timeout(600 * SECOND), 600),
    ];
    for (case, longest) in cases {
        let bridge = case.connect("kafka://127.0.0.1:1", "group").unwrap();
        let stuck_after = bridge.status().borrow().stuck_after;
        assert!(
            stuck_after > longest * SECOND,
            "{stuck_after:?}, {longest} s"
        );
    }
}

#[tokio::test]
async fn h27_settings_that_defeat_one_another_are_refused_and_both_are_named() {
    let backwards = Retry {
        first_backoff: 6 * SECOND,
        ..Retry::default()
    };
    let cases: [(Builder<Router>, [&str; 2]); 9] = [
        (
            retrying(builder().stuck_after(60 * SECOND), Retry::default()),
            ["stuck_after (60s)", "5 x request_timeout (30s)"],
        ),
        (
            builder().stuck_after(30 * SECOND),
            ["stuck_after (30s)", "1 x request_timeout (30s)"],
        ),
        (
            builder().stuck_after(Duration::ZERO),
            ["stuck_after", "request_timeout"],
        ),
        (
            retrying(builder(), backwards),
            ["first_backoff (6s)", "max_backoff (5s)"],
        ),
        (
            limited(|limits| limits.max_headers = 0),
            ["max_headers", "at least 1"],
        ),
        (
            builder().request_timeout(Duration::ZERO),
            ["request_timeout", "at least 1"],
        ),
        (
            builder().revocation_timeout(44 * SECOND),
            ["revocation_timeout (44s)", "session.timeout.ms (45s)"],
        ),
        (
            builder().property("max.poll.interval.ms", "4000"),
            ["revocation_timeout (3s)", "max.poll.interval.ms (4s)"],
        ),
        (
            limited(|limits| limits.max_reply_bytes = 4 << 20),
            ["max_reply_bytes (4194304)", "message.max.bytes (4194304)"],
        ),
    ];
    for (case, both) in cases {
        let told = built(case).expect_err(both[0]);
        assert!(both.iter().all(|one| told.contains(one)), "{told}");
    }
}
