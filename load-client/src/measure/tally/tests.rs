use super::*;
use crate::measure::sample::Outcome;

fn tally() -> Tally {
    Tally::new(&["createOrder".to_owned()])
}

fn sample(sent_ms: u64, latency_ms: u64, outcome: Outcome) -> Sample {
    Sample::test(sent_ms * 1_000_000, latency_ms * 1_000_000, outcome)
}

#[test]
fn failures_and_warm_up_stay_out_of_the_latencies() {
    let mut tally = tally();
    tally.record(&sample(0, 4, Outcome::Ok), Duration::ZERO);
    tally.record(&sample(10, 6, Outcome::Ok), Duration::ZERO);
    let refused = Outcome::ErrorStatus("status 500".to_owned());
    tally.record(&sample(20, 5000, refused), Duration::ZERO);
    tally.record(&sample(30, 30_000, Outcome::TimeOut), Duration::ZERO);
    let mut warm_up = sample(0, 900, Outcome::Ok);
    warm_up.warm_up = true;
    tally.record(&warm_up, Duration::ZERO);
    let summary = tally.summary();
    let response = summary.total.response.unwrap();
    assert_eq!(
        (response.mean_ms, response.min_ms, response.max_ms),
        (5.0, 4.0, 6.0)
    );
    assert_eq!((summary.total.requests, summary.total.failures), (4, 2));
    assert_eq!(summary.warm_up.requests, 1);
    assert_eq!(summary.errors.len(), 2);
    // History shows the warm-up too.
    let moment = tally.moment(Duration::from_secs(1), 0, 1, true);
    assert_eq!((moment.total.requests, moment.total.failures), (5, 2));
    assert_eq!(moment.total.window.unwrap().max_ms, 900.0);
}

#[test]
fn waiting_to_be_sent_is_part_of_the_response_time_only() {
    let mut tally = tally();
    let mut late = sample(100, 4, Outcome::Ok);
    late.intended_ns = 0;
    tally.record(&late, Duration::ZERO);
    let row = tally.summary().total;
    assert_eq!(row.response.unwrap().max_ms, 104.0);
    assert_eq!(row.service.unwrap().max_ms, 4.0);
}

#[test]
fn percentiles_need_their_observations() {
    let mut tally = tally();
    for index in 0..200 {
        tally.record(&sample(index, index + 1, Outcome::Ok), Duration::ZERO);
    }
    let response = tally.summary().total.response.unwrap();
    let last = response.percentiles.last().unwrap();
    assert_eq!(last.quantile, 0.95);
    assert!((last.ms - 190.0).abs() < 0.1, "{}", last.ms);
}

#[test]
fn kinds_are_counted_apart_and_together() {
    let mut tally = Tally::new(&["create".to_owned(), "read".to_owned()]);
    for index in 0..30 {
        let mut one = sample(index, 2 + index % 2, Outcome::Ok);
        one.kind = u16::from(index % 2 == 1);
        one.reply_bytes = 10;
        tally.record(&one, Duration::ZERO);
    }
    let mut failed = sample(40, 1, Outcome::TimeOut);
    failed.kind = 1;
    tally.record(&failed, Duration::from_secs(3));
    let summary = tally.summary();
    let [create, read] = &summary.kinds[..] else {
        panic!("two kinds");
    };
    assert_eq!((create.requests, read.requests), (15, 16));
    assert_eq!((create.failures, read.failures), (0, 1));
    assert_eq!(create.response.as_ref().unwrap().max_ms, 2.0);
    assert_eq!(read.response.as_ref().unwrap().min_ms, 3.0);
    assert_eq!(summary.total.requests, 31);
    assert_eq!(summary.total.mean_bytes, Some(10.0));
    let error = &summary.errors[0];
    assert_eq!((&*error.name, error.first_seconds), ("read", 3.0));
}

#[test]
fn one_kind_is_the_total() {
    let mut tally = tally();
    tally.record(&sample(0, 1, Outcome::Ok), Duration::ZERO);
    let summary = tally.summary();
    assert_eq!(summary.kinds[0].response, summary.total.response);
    assert_eq!(summary.kinds[0].name, "createOrder");
}

#[test]
fn censored_requests_are_neither_failed_nor_answered() {
    let mut tally = tally();
    tally.record(&sample(0, 1, Outcome::Censored), Duration::ZERO);
    let total = tally.summary().total;
    assert_eq!((total.requests, total.failures, total.censored), (0, 0, 1));
    assert!(total.response.is_none());
}

#[test]
fn a_reset_forgets_all() {
    let mut tally = tally();
    tally.record(&sample(0, 1, Outcome::TimeOut), Duration::ZERO);
    tally.reset(0);
    assert_eq!(tally.summary(), self::tally().summary());
}

#[test]
fn endless_error_texts_do_not_fill_memory() {
    let mut tally = tally();
    for index in 0..1000 {
        let outcome = Outcome::SendError(format!("error {index}"));
        tally.record(&sample(0, 1, outcome), Duration::ZERO);
    }
    assert!(tally.summary().errors.len() <= 101);
    assert_eq!(tally.summary().total.failures, 1000);
}
