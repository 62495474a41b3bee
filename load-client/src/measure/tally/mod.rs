//! Adds up the measurements in bounded memory, and summarises them on demand.

mod latencies;
mod stages;

use std::collections::BTreeMap;
use std::time::Duration;

use self::latencies::Recent;
use crate::measure::analysis::Findings;
use crate::measure::history::{Bin, Moment, MomentRow};
use crate::measure::interval::{Errors, Interval, Part, Place};
use crate::measure::summary::{Ended, Row, Status, Summary};
use crate::measure::window::{Occupied, ThroughputWindow};
pub(crate) use latencies::{Latencies, counts};
pub(crate) use stages::StageTally;

/// The name of the row of all kinds, as in Locust.
pub(crate) const AGGREGATED: &str = "Aggregated";

/// The running counts of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    figures: Figures,
    warm_up: Ended,
    errors: Errors,
}

/// The counts of a run, or of one of its stages.
#[derive(Debug)]
struct Figures {
    names: Vec<String>,
    /// One for each name. Empty for a single name, because the total is the same.
    kinds: Vec<Counts>,
    total: Counts,
    outcomes: BTreeMap<Status, u64>,
    window: ThroughputWindow,
}

/// The counts of one kind of request, or of all kinds.
#[derive(Debug, Default)]
struct Counts {
    measured: Ended,
    censored: u64,
    /// Requests sent within the measured window. The rates are computed from them.
    sent_within: Ended,
    /// Includes the warm-up, as moments do.
    shown: Ended,
    bytes: u64,
    response: Latencies,
    service: Latencies,
    recent: Recent,
}

impl Counts {
    /// Counts for the moments.
    fn show(&mut self, part: &Part, second: u64) {
        self.shown.add(part.ended());
        self.recent.add(second, part.ended(), &part.response);
    }

    /// Counts requests outside the warm-up for the figures.
    fn count(&mut self, part: &Part, sent_within: Ended) {
        self.censored = self.censored.saturating_add(part.censored());
        self.measured.add(part.ended());
        self.sent_within.add(sent_within);
        self.response.take(&part.response);
        self.service.take(&part.service);
        self.bytes = self.bytes.saturating_add(part.bytes);
    }

    fn row(&self, name: &str, window_seconds: Option<f64>, quantiles: &[f64]) -> Row {
        let replies = self.response.count();
        Row {
            name: name.to_owned(),
            requests: self.measured.requests,
            failures: self.measured.failures,
            censored: self.censored,
            response: self.response.summary_with(quantiles),
            service: self.service.summary_with(quantiles),
            mean_bytes: (replies > 0).then(|| self.bytes as f64 / replies as f64),
            rates: self.sent_within.rates(window_seconds.unwrap_or_default()),
        }
    }

    fn moment(&self, name: &str, second: u64) -> MomentRow {
        MomentRow {
            name: name.to_owned(),
            rates: self.recent.rates(second),
            window: self.recent.window(second),
            requests: self.shown.requests,
            failures: self.shown.failures,
        }
    }
}

impl Figures {
    /// Makes empty figures. The total has `total_digits` significant digits, and the kinds have three.
    fn new(names: &[String], total_digits: u8, window: ThroughputWindow) -> Self {
        let kinds = names.iter().filter(|_| names.len() > 1);
        Self {
            names: names.to_vec(),
            kinds: kinds.map(|_| Counts::default()).collect(),
            total: Counts {
                response: Latencies::with_digits(total_digits),
                service: Latencies::with_digits(total_digits),
                ..Counts::default()
            },
            outcomes: BTreeMap::new(),
            window,
        }
    }

    /// Returns the counts to which a request of this kind belongs.
    fn counts_mut(&mut self, kind: u16) -> impl Iterator<Item = &mut Counts> {
        let kind = self.kinds.get_mut(usize::from(kind));
        kind.into_iter().chain([&mut self.total])
    }

    /// Counts requests of a kind outside the warm-up.
    fn count(&mut self, kind: u16, part: &Part, sent_within: Ended) {
        self.counts_mut(kind)
            .for_each(|counts| counts.count(part, sent_within));
        for (status, count) in &part.outcomes {
            let own = self.outcomes.entry(*status).or_default();
            *own = own.saturating_add(*count);
        }
    }

    /// Returns the name and the counts of each kind.
    fn kinds(&self) -> impl Iterator<Item = (&String, &Counts)> {
        let counts = |kind| self.kinds.get(kind).unwrap_or(&self.total);
        let names = self.names.iter().enumerate();
        names.map(move |(kind, name)| (name, counts(kind)))
    }

    /// Summarises up to a moment that may lie before the window's end, with further quantiles (0 to 1).
    fn summary_at(&self, moment_ns: u64, quantiles: &[f64]) -> Summary {
        let seconds = self.window.seconds_at(moment_ns);
        let row = |(name, counts): (&String, &Counts)| counts.row(name, seconds, quantiles);
        Summary {
            kinds: self.kinds().map(row).collect(),
            total: self.total.row(AGGREGATED, seconds, quantiles),
            outcomes: self.outcomes.clone(),
            warm_up: Ended::default(),
            throughput: self.window.throughput_at(moment_ns),
            window_seconds: seconds,
            errors: Vec::new(),
            stages: Vec::new(),
            schedule_lag: None,
            findings: Findings::default(),
        }
    }
}

impl Tally {
    /// Counts requests of these kinds. [`Sample::kind`] is an index into the names. The measured window is not known;
    /// see [`Tally::within`].
    pub(crate) fn new(names: &[String]) -> Self {
        Self {
            figures: Figures::new(names, 4, ThroughputWindow::default()),
            warm_up: Ended::default(),
            errors: Errors::default(),
        }
    }

    pub(crate) fn within(mut self, window: ThroughputWindow) -> Self {
        self.figures.window = window;
        self
    }

    /// Ends the measured window earlier, before later samples are recorded.
    pub(crate) fn end_by(&mut self, end_ns: u64) {
        self.figures.window.end_by(end_ns);
    }

    /// Returns the measured window up to now.
    pub(crate) fn window(&self) -> &ThroughputWindow {
        &self.figures.window
    }

    /// Adds the measurements between two looks.
    pub(crate) fn add(&mut self, interval: &Interval) {
        self.figures.window.add(&interval.frame.window);
        self.errors.add(&interval.errors);
        for ((kind, place), part) in &interval.parts {
            self.figures
                .counts_mut(*kind)
                .for_each(|counts| counts.show(part, interval.second));
            match place {
                Place::WarmUp => self.warm_up.add(part.ended()),
                Place::Run | Place::Stage(_) => {
                    self.figures.count(*kind, part, part.sent_within);
                }
            }
        }
    }

    /// Records one sample, `elapsed` after the start of a run without stages.
    #[cfg(test)]
    pub(crate) fn record(&mut self, sample: &crate::measure::summary::Sample, elapsed: Duration) {
        let frame = crate::measure::interval::Frame {
            window: self.figures.window.clone(),
            ..Default::default()
        };
        let mut interval = Interval::begin(elapsed.as_secs(), &frame);
        interval.record(sample, elapsed);
        self.add(&interval);
    }

    /// Summarises everything recorded.
    #[cfg(test)]
    pub(crate) fn summary(&self) -> Summary {
        self.summary_at(u64::MAX, &[])
    }

    /// Summarises up to a moment that may lie before the window's end, with further quantiles (0 to 1).
    pub(crate) fn summary_at(&self, moment_ns: u64, quantiles: &[f64]) -> Summary {
        Summary {
            warm_up: self.warm_up,
            errors: self.errors.counts(&self.figures.names),
            ..self.figures.summary_at(moment_ns, quantiles)
        }
    }

    /// Returns the recent figures of the run, `elapsed` after its start.
    pub(crate) fn moment(
        &self,
        elapsed: Duration,
        unix_seconds: u64,
        users: u32,
        warm_up: bool,
    ) -> Moment {
        let second = elapsed.as_secs();
        let row = |(name, counts): (&String, &Counts)| counts.moment(name, second);
        Moment {
            seconds: elapsed.as_secs_f64(),
            unix_seconds,
            users,
            warm_up,
            kinds: self.figures.kinds().map(row).collect(),
            total: self.figures.total.moment(AGGREGATED, second),
        }
    }

    /// Returns how many requests waited for their replies on average over the window. `None` if it is not known.
    pub(crate) fn occupied(&self) -> Option<Occupied> {
        self.figures.window.occupied()
    }

    /// Returns the measured response times in bins of equal width on a logarithmic axis.
    pub(crate) fn histogram(&self, bins: u32) -> Vec<Bin> {
        self.figures.total.response.bins(bins)
    }

    /// Forgets everything, for a live user who wants the figures from this moment on.
    pub(crate) fn reset(&mut self, moment_ns: u64) {
        let window = self.figures.window.from(moment_ns);
        *self = Self::new(&self.figures.names).within(window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::summary::Sample;

    fn tally() -> Tally {
        Tally::new(&["createOrder".to_owned()])
    }

    fn sample(sent_ms: u64, latency_ms: u64, status: Status) -> Sample {
        Sample::test(sent_ms * 1_000_000, latency_ms * 1_000_000, status)
    }

    #[test]
    fn failures_and_warm_up_stay_out_of_the_latencies() {
        let mut tally = tally();
        tally.record(&sample(0, 4, Status::Ok), Duration::ZERO);
        tally.record(&sample(10, 6, Status::Ok), Duration::ZERO);
        let refused = Status::ErrorStatus;
        tally.record(&sample(20, 5000, refused), Duration::ZERO);
        tally.record(&sample(30, 30_000, Status::Timeout), Duration::ZERO);
        let mut warm_up = sample(0, 900, Status::Ok);
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
        // The history shows the warm-up too.
        let moment = tally.moment(Duration::from_secs(1), 0, 1, true);
        assert_eq!((moment.total.requests, moment.total.failures), (5, 2));
        assert_eq!(moment.total.window.unwrap().max_ms, 900.0);
    }

    #[test]
    fn each_failure_keeps_the_first_body_that_it_had() {
        let mut tally = tally();
        for body in [None, Some("out of stock"), Some("closed")] {
            let refused = Status::ErrorStatus;
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
        let mut late = sample(100, 4, Status::Ok);
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
            tally.record(&sample(index, index + 1, Status::Ok), Duration::ZERO);
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
            let mut one = sample(index, 2 + index % 2, Status::Ok);
            one.kind = u16::from(index % 2 == 1);
            one.reply_bytes = 10;
            tally.record(&one, Duration::ZERO);
        }
        let mut failed = sample(40, 1, Status::Timeout);
        failed.kind = 1;
        tally.record(&failed, Duration::from_secs(3));
        let summary = tally.summary();
        let (create, read) = (&summary.kinds[0], &summary.kinds[1]);
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
        tally.record(&sample(0, 1, Status::Ok), Duration::ZERO);
        let summary = tally.summary();
        assert_eq!(summary.kinds[0].response, summary.total.response);
        assert_eq!(summary.kinds[0].name, "createOrder");
    }

    #[test]
    fn censored_requests_are_neither_failed_nor_answered() {
        let mut tally = tally();
        tally.record(&sample(0, 1, Status::Censored), Duration::ZERO);
        let total = tally.summary().total;
        assert_eq!((total.requests, total.failures, total.censored), (0, 0, 1));
        assert!(total.response.is_none());
    }

    #[test]
    fn a_reset_forgets_all() {
        let mut tally = tally();
        tally.record(&sample(0, 1, Status::Timeout), Duration::ZERO);
        tally.reset(0);
        assert_eq!(tally.summary(), self::tally().summary());
    }

    #[test]
    fn endless_error_texts_do_not_fill_memory() {
        let mut tally = tally();
        for index in 0..1000 {
            let mut sample = sample(0, 1, Status::SendError);
            sample.error = format!("error {index}").into();
            tally.record(&sample, Duration::ZERO);
        }
        assert!(tally.summary().errors.len() <= 101);
        assert_eq!(tally.summary().total.failures, 1000);
    }
}
