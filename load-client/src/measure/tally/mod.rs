//! Counts samples as they come in, with flat memory, and sums them up on demand.

mod latencies;
mod stages;

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use self::latencies::{Errors, Recent};
use crate::measure::analysis::Findings;
use crate::measure::history::{Bin, Moment, MomentRow, Occupied, ThroughputWindow};
use crate::measure::summary::{Rates, Row, Sample, Status, Summary, WarmUp};
pub(crate) use latencies::Latencies;
pub(crate) use stages::StageTally;

/// The name of the row of all kinds, as in Locust.
pub(crate) const AGGREGATED: &str = "Aggregated";

/// The running count of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    names: Vec<String>,
    kinds: Vec<Counts>,
    total: Counts,
    outcomes: BTreeMap<Status, u64>,
    warm_up: WarmUp,
    window: ThroughputWindow,
    errors: Errors,
}

/// What is counted for one kind of request, and for all of them.
#[derive(Debug)]
struct Counts {
    requests: u64,
    failures: u64,
    censored: u64,
    /// Those of the requests that were sent within the measured window, of which rates are made.
    sent: u64,
    sent_failed: u64,
    /// Warm-up included, as the moments show it.
    ended: u64,
    failed: u64,
    bytes: u64,
    response: Latencies,
    service: Latencies,
    recent: Recent,
}

impl Counts {
    fn with_digits(digits: u8) -> Self {
        Self {
            requests: 0,
            failures: 0,
            censored: 0,
            sent: 0,
            sent_failed: 0,
            ended: 0,
            failed: 0,
            bytes: 0,
            response: Latencies::with_digits(digits),
            service: Latencies::with_digits(digits),
            recent: Recent::default(),
        }
    }

    /// Counts for the moments.
    fn show(&mut self, sample: &Sample, second: u64) {
        let status = sample.outcome.status();
        if status != Status::Censored {
            self.ended += 1;
            self.failed += u64::from(status.is_failure());
            let latency = sample.response_ns();
            self.recent.record(second, status.is_failure(), latency);
        }
    }

    /// Counts a request that is not of the warm-up for the figures.
    fn count(&mut self, sample: &Sample, within: bool) {
        let status = sample.outcome.status();
        if status == Status::Censored {
            self.censored += 1;
            return;
        }
        let failed = u64::from(status.is_failure());
        self.requests += 1;
        self.failures += failed;
        if within {
            self.sent += 1;
            self.sent_failed += failed;
        }
        if let (Some(response), Some(service)) = (sample.response_ns(), sample.service_ns()) {
            self.response.record(response);
            self.service.record(service);
            self.bytes += u64::from(sample.reply_bytes);
        }
    }

    fn row(&self, name: &str, window_seconds: Option<f64>, quantiles: &[f64]) -> Row {
        let per_second = |count: u64| match window_seconds {
            Some(seconds) if seconds > 0.0 => count as f64 / seconds,
            _ => 0.0,
        };
        let response = self.response.summary_with(quantiles);
        let mean_bytes = response
            .as_ref()
            .map(|response| self.bytes as f64 / response.count as f64);
        Row {
            name: name.to_owned(),
            requests: self.requests,
            failures: self.failures,
            censored: self.censored,
            response,
            service: self.service.summary_with(quantiles),
            mean_bytes,
            rates: Rates {
                requests: per_second(self.sent),
                failures: per_second(self.sent_failed),
            },
        }
    }

    fn moment(&self, name: &str, second: u64) -> MomentRow {
        MomentRow {
            name: name.to_owned(),
            rates: self.recent.rates(second),
            window: self.recent.window(second),
            requests: self.ended,
            failures: self.failed,
        }
    }
}

impl Tally {
    /// Counts requests of these kinds; [`Sample::kind`] is an index into the names. The measured window is
    /// not known; see [`Tally::within`].
    pub(crate) fn new(names: &[String]) -> Self {
        // One kind needs no count of its own.
        let kinds = if names.len() > 1 { names.len() } else { 0 };
        Self {
            names: names.to_vec(),
            kinds: (0..kinds).map(|_| Counts::with_digits(3)).collect(),
            total: Counts::with_digits(4),
            outcomes: BTreeMap::new(),
            warm_up: WarmUp::default(),
            window: ThroughputWindow::default(),
            errors: Errors::default(),
        }
    }

    pub(crate) fn within(mut self, window: ThroughputWindow) -> Self {
        self.window = window;
        self
    }

    /// Ends the measured window earlier, before later samples are recorded.
    pub(crate) fn end_by(&mut self, end_ns: u64) {
        self.window.end_by(end_ns);
    }

    /// Takes one sample, that long after the start of the run.
    pub(crate) fn record(&mut self, sample: &Sample, elapsed: Duration) {
        let status = sample.outcome.status();
        self.window.record(sample);
        let within = self.window.is_open_at(sample.sent_ns);
        if status.is_failure() {
            let name = self.names.get(usize::from(sample.kind));
            let name = name.map_or("", |name| name);
            self.errors.count(sample, name, elapsed.as_secs_f64());
        }
        let kind = self.kinds.get_mut(usize::from(sample.kind));
        for counts in kind.into_iter().chain([&mut self.total]) {
            counts.show(sample, elapsed.as_secs());
            if !sample.warm_up {
                counts.count(sample, within);
            }
        }
        if sample.warm_up {
            self.warm_up.requests += 1;
            self.warm_up.failures += u64::from(status.is_failure());
            return;
        }
        *self.outcomes.entry(status).or_default() += 1;
    }

    /// Sums up all that was recorded.
    #[cfg(test)]
    pub(crate) fn summary(&self) -> Summary {
        self.summary_at(u64::MAX, &[])
    }

    /// Sums up at a moment that may lie before the window's end, with further quantiles (0 to 1).
    pub(crate) fn summary_at(&self, moment_ns: u64, quantiles: &[f64]) -> Summary {
        let seconds = self.window.seconds_at(moment_ns);
        let kinds = self.names.iter().enumerate();
        Summary {
            kinds: kinds
                .map(|(index, name)| self.counts(index).row(name, seconds, quantiles))
                .collect(),
            total: self.total.row(AGGREGATED, seconds, quantiles),
            outcomes: self.outcomes.clone(),
            warm_up: self.warm_up,
            throughput: self.window.throughput_at(moment_ns),
            window_seconds: seconds,
            errors: self.errors.counts(),
            stages: Vec::new(),
            schedule_lag: None,
            findings: Findings::default(),
        }
    }

    /// What the run did lately, that long after its start.
    pub(crate) fn moment(
        &self,
        elapsed: Duration,
        unix_seconds: u64,
        users: u32,
        warm_up: bool,
    ) -> Moment {
        let second = elapsed.as_secs();
        let kinds = self.names.iter().enumerate();
        Moment {
            seconds: elapsed.as_secs_f64(),
            unix_seconds,
            users,
            warm_up,
            kinds: kinds
                .map(|(index, name)| self.counts(index).moment(name, second))
                .collect(),
            total: self.total.moment(AGGREGATED, second),
        }
    }

    /// How many requests waited for their replies on average over the window; `None` where it is not known.
    pub(crate) fn occupied(&self) -> Option<Occupied> {
        self.window.occupied()
    }

    /// The measured response times in bins of equal width on a logarithmic axis.
    pub(crate) fn histogram(&self, bins: u32) -> Vec<Bin> {
        self.total.response.bins(bins)
    }

    /// The measured response times of each kind, in nanoseconds.
    pub(crate) fn response_times(&self) -> impl Iterator<Item = (&String, &Histogram<u64>)> {
        let numbered = self.names.iter().enumerate();
        numbered.map(|(index, name)| (name, self.counts(index).response.histogram()))
    }

    /// Forgets everything, for a live user who wants the figures from this moment on.
    pub(crate) fn reset(&mut self, moment_ns: u64) {
        let window = self.window.from(moment_ns);
        *self = Self::new(&self.names).within(window);
    }

    fn counts(&self, kind: usize) -> &Counts {
        self.kinds.get(kind).unwrap_or(&self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::summary::Outcome;

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
    fn each_failure_keeps_the_first_body_that_it_had() {
        let mut tally = tally();
        for body in [None, Some("out of stock"), Some("closed")] {
            let refused = Outcome::ErrorStatus("status 422".to_owned());
            let mut sample = sample(0, 4, refused);
            sample.refused_body = body.map(Into::into);
            tally.record(&sample, Duration::ZERO);
        }
        let error = &tally.summary().errors[0];
        let told = (error.count, error.first_body.as_deref());
        assert_eq!(told, (3, Some("out of stock")));
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
}
