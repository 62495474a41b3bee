//! Counts samples as they come in, with flat memory, and sums them up on demand.

mod latencies;
mod stages;

use std::collections::BTreeMap;
use std::time::Duration;

use self::latencies::Recent;
use crate::measure::analysis::Findings;
use crate::measure::history::{Bin, Moment, MomentRow};
use crate::measure::sample::{Outcome, Sample, Status};
use crate::measure::summary::{ErrorCount, Rates, Row, Summary, WarmUp};
use crate::measure::window::{Occupied, ThroughputWindow};

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

    fn record(&mut self, sample: &Sample, second: u64, within: bool) {
        let status = sample.outcome.status();
        if status != Status::Censored {
            self.ended += 1;
            self.failed += u64::from(status.is_failure());
            let latency = sample.response_ns();
            self.recent.record(second, status.is_failure(), latency);
        }
        if sample.warm_up {
            return;
        }
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
    #[must_use]
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

    /// Counts over this window.
    #[must_use]
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
            let seconds = elapsed.as_secs_f64();
            self.errors.count(sample.kind, &sample.outcome, seconds);
        }
        self.total.record(sample, elapsed.as_secs(), within);
        if let Some(kind) = self.kinds.get_mut(usize::from(sample.kind)) {
            kind.record(sample, elapsed.as_secs(), within);
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

    /// As [`Self::summary`] at a moment that may lie before the window's end, with further quantiles (0 to 1)
    /// beside the usual ones.
    #[must_use]
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
            errors: self.errors.counts(|kind| self.name(kind)),
            stages: Vec::new(),
            schedule_lag: None,
            findings: Findings::default(),
        }
    }

    /// What the run did lately, that long after its start.
    #[must_use]
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
    #[must_use]
    pub(crate) fn occupied(&self) -> Option<Occupied> {
        self.window.occupied()
    }

    /// The measured response times in bins of equal width on a logarithmic axis.
    #[must_use]
    pub(crate) fn histogram(&self, bins: u32) -> Vec<Bin> {
        self.total.response.bins(bins)
    }

    /// Forgets everything, for a live user who wants the figures from this moment on.
    pub(crate) fn reset(&mut self, moment_ns: u64) {
        let window = self.window.from(moment_ns);
        *self = Self::new(&self.names).within(window);
    }

    fn counts(&self, kind: usize) -> &Counts {
        self.kinds.get(kind).unwrap_or(&self.total)
    }

    fn name(&self, kind: u16) -> String {
        let name = self.names.get(usize::from(kind));
        name.cloned().unwrap_or_default()
    }
}

// Failures by kind of request, outcome and text.

/// Different errors that are told apart; a broker that puts an id in each text would fill memory.
const MAX_ERROR_TEXTS: usize = 100;

#[derive(Debug, Default)]
struct Errors {
    seen: BTreeMap<(u16, Status, String), Occurrences>,
}

#[derive(Debug)]
struct Occurrences {
    count: u64,
    first_seconds: f64,
    last_seconds: f64,
}

impl Errors {
    fn count(&mut self, kind: u16, outcome: &Outcome, seconds: f64) {
        let key = (kind, outcome.status(), outcome.error().to_owned());
        let is_known = self.seen.len() < MAX_ERROR_TEXTS || self.seen.contains_key(&key);
        let key = if is_known {
            key
        } else {
            (kind, outcome.status(), "other errors".to_owned())
        };
        let entry = self.seen.entry(key).or_insert(Occurrences {
            count: 0,
            first_seconds: seconds,
            last_seconds: seconds,
        });
        entry.count += 1;
        entry.last_seconds = seconds;
    }

    /// The most frequent first.
    fn counts(&self, name: impl Fn(u16) -> String) -> Vec<ErrorCount> {
        let entries = self.seen.iter();
        let mut counts: Vec<_> = entries
            .map(|((kind, status, error), seen)| ErrorCount {
                name: name(*kind),
                status: *status,
                error: error.clone(),
                count: seen.count,
                first_seconds: seen.first_seconds,
                last_seconds: seen.last_seconds,
            })
            .collect();
        counts.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        counts
    }
}

#[cfg(test)]
mod tests;
