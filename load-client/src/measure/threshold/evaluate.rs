//! Holds thresholds against the figures of a run.

use serde::Serialize;

use crate::measure::sample::Status;
use crate::measure::summary::{Latency, Row, Summary};
use crate::measure::threshold::{Metric, Statistic, Threshold, Time, Unit};
use crate::stats::quantile_is_supported;

/// What became of one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judgement {
    /// The threshold in its normal form.
    pub threshold: String,
    /// Whether it holds.
    pub verdict: Verdict,
    /// The figure with its unit, as a person reads it; `None` without one.
    pub measured: Option<String>,
    /// Why it is undecided, in words; `None` when it is decided.
    pub reason: Option<String>,
}

/// Whether a threshold holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Broken,
    /// The run does not tell; at its end that counts as failed.
    Undecided,
}

/// The thresholds of a run with what became of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Answer {
    /// One for each threshold, in the order in which they were given.
    pub judgements: Vec<Judgement>,
}

impl Answer {
    /// Whether every threshold holds; true without any.
    #[must_use]
    pub(crate) fn all_hold(&self) -> bool {
        let mut judgements = self.judgements.iter();
        judgements.all(|judgement| judgement.verdict == Verdict::Holds)
    }
}

impl Threshold {
    /// Whether more requests can only confirm that it is broken, or may mend it but nobody would wait for
    /// that: such a threshold may end a run early. A rate, and a count that is to be reached, are known at
    /// the end only.
    #[must_use]
    pub(crate) fn may_abort(&self) -> bool {
        match self.metric {
            Metric::RequestsPerSecond => false,
            Metric::Latency(..) => true,
            Metric::Failures | Metric::Timeouts => self.operator.is_upper_bound(),
        }
    }

    /// Whether it speaks of failed requests, and so takes the judgement of them upon itself.
    #[must_use]
    pub(crate) fn judges_failures(&self) -> bool {
        matches!(self.metric, Metric::Failures)
    }
}

/// Holds every threshold against the figures. Percentiles that are not among the usual ones must be in the
/// summary: see [`extra_quantiles`].
#[must_use]
pub(crate) fn evaluate(thresholds: &[Threshold], summary: &Summary) -> Answer {
    Answer {
        judgements: thresholds.iter().map(|own| judge(own, summary)).collect(),
    }
}

/// How the first of the thresholds that do not hold is broken; `None` while they hold, or nothing ended. What too
/// few replies tell breaks nothing, but a latency that nobody saw, because every request failed, does.
#[must_use]
pub(crate) fn first_broken<'a>(
    thresholds: impl IntoIterator<Item = &'a Threshold>,
    summary: &Summary,
) -> Option<String> {
    let broken = |own: &Threshold| match measure(own, summary) {
        Ok(value) if own.operator.holds(value, own.limit.value()) => None,
        Ok(value) => Some(format!("{}, the limit is {own}", named(own, value))),
        Err(_) => all_failed(own, summary)
            .then(|| format!("no request was answered well, the limit is {own}")),
    };
    let has_begun = summary.total.requests > 0;
    let mut thresholds = thresholds.into_iter().filter(|_| has_begun);
    thresholds.find_map(broken)
}

fn all_failed(threshold: &Threshold, summary: &Summary) -> bool {
    let mut kinds = summary.kinds.iter();
    let row = match &threshold.kind {
        None => Some(&summary.total),
        Some(kind) => kinds.find(|row| &row.name == kind),
    };
    row.is_some_and(|row| row.requests > 0 && row.failures == row.requests)
}

/// The quantiles (0 to 1) that a summary must hold for these thresholds.
#[must_use]
pub(crate) fn extra_quantiles(thresholds: &[Threshold]) -> Vec<f64> {
    let quantile = |threshold: &Threshold| match threshold.metric {
        Metric::Latency(_, statistic) => statistic.quantile(),
        _ => None,
    };
    thresholds.iter().filter_map(quantile).collect()
}

/// The first kind of request that a threshold names and the run does not have.
#[must_use]
pub(crate) fn unknown_kind<'a>(thresholds: &'a [Threshold], kinds: &[String]) -> Option<&'a str> {
    let named = thresholds.iter().filter_map(|own| own.kind.as_deref());
    named
        .into_iter()
        .find(|kind| !kinds.iter().any(|known| known == kind))
}

fn judge(threshold: &Threshold, summary: &Summary) -> Judgement {
    let (verdict, measured, reason) = match measure(threshold, summary) {
        Ok(value) if threshold.operator.holds(value, threshold.limit.value()) => {
            (Verdict::Holds, Some(value), None)
        }
        Ok(value) => (Verdict::Broken, Some(value), None),
        Err(reason) => (Verdict::Undecided, None, Some(reason)),
    };
    Judgement {
        threshold: threshold.to_string(),
        verdict,
        measured: measured.map(|value| in_words(threshold, value)),
        reason,
    }
}

/// The figure in the unit of [`Limit::value`], or why there is none.
///
/// [`Limit::value`]: super::Limit::value
fn measure(threshold: &Threshold, summary: &Summary) -> Result<f64, String> {
    let row = match &threshold.kind {
        None => &summary.total,
        Some(kind) => {
            let found = summary.kinds.iter().find(|row| &row.name == kind);
            found.ok_or_else(|| format!("the run has no kind {kind}"))?
        }
    };
    match threshold.metric {
        Metric::Latency(time, statistic) => {
            let latency = match time {
                Time::Response => row.response.as_ref(),
                Time::Service => row.service.as_ref(),
            };
            let latency = latency.ok_or("no request was answered well")?;
            statistic_of(latency, statistic)
        }
        Metric::Failures => counted(threshold, row, row.failures),
        Metric::Timeouts => {
            let timeouts = summary.outcomes.get(&Status::Timeout);
            counted(threshold, row, timeouts.copied().unwrap_or_default())
        }
        Metric::RequestsPerSecond => {
            let is_defined = summary.window_seconds.is_some_and(|seconds| seconds > 0.0);
            let rate = is_defined.then_some(row.rates.requests);
            rate.ok_or_else(|| "nothing was measured".to_owned())
        }
    }
}

fn statistic_of(latency: &Latency, statistic: Statistic) -> Result<f64, String> {
    match statistic {
        Statistic::Mean => Ok(latency.mean_ms),
        Statistic::Minimum => Ok(latency.min_ms),
        Statistic::Maximum => Ok(latency.max_ms),
        Statistic::Median => Ok(latency.median_ms),
        Statistic::Percentile(_) => {
            let quantile = statistic.quantile().unwrap_or_default();
            let found = latency.percentile(quantile);
            found.ok_or_else(|| too_few(latency.count, quantile))
        }
    }
}

fn too_few(count: u64, quantile: f64) -> String {
    if quantile_is_supported(count, quantile) {
        return "the percentile was not computed".to_owned();
    }
    // Rounding may make the quotient a little too large or too small.
    let about = (10.0 / (1.0 - quantile)) as u64;
    let needed = (about.saturating_sub(1)..).find(|count| quantile_is_supported(*count, quantile));
    let needed = needed.unwrap_or(about);
    format!("{count} replies are too few: it takes {needed}, so that ten lie above; run longer")
}

fn counted(threshold: &Threshold, row: &Row, count: u64) -> Result<f64, String> {
    if row.requests == 0 {
        return Err("no request ended".to_owned());
    }
    Ok(match threshold.limit.unit {
        Unit::Percent => count as f64 / row.requests as f64,
        _ => count as f64,
    })
}

/// The figure in words; a count with what was counted.
fn named(threshold: &Threshold, value: f64) -> String {
    let words = in_words(threshold, value);
    match (threshold.metric, threshold.limit.unit) {
        (counted @ (Metric::Failures | Metric::Timeouts), Unit::One) => {
            format!("{words} {counted}")
        }
        _ => words,
    }
}

fn in_words(threshold: &Threshold, value: f64) -> String {
    match (threshold.metric, threshold.limit.unit) {
        (Metric::Latency(..), _) => format!("{value:.3} ms"),
        (Metric::RequestsPerSecond, _) => format!("{value:.2} per second"),
        (_, Unit::Percent) => format!("{:.3} %", value * 100.0),
        _ => format!("{value:.0}"),
    }
}
