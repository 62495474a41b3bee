//! Reads thresholds from text, and holds them against the figures of a run.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;

use crate::measure::summary::{Latency, Row, Status, Summary};
use crate::measure::threshold::{
    Limit, METRICS, Metric, OPERATORS, Operator, STATISTICS, Statistic, Threshold, Time, UNITS,
    Unit, named,
};
use crate::stats::quantile_is_supported;

/// What became of one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judgement {
    /// The threshold in its normal form.
    pub threshold: String,
    pub verdict: Standing,
    /// The figure with its unit, as a person reads it; `None` without one.
    pub measured: Option<String>,
    /// Why it is undecided, in words; `None` when it is decided.
    pub reason: Option<String>,
}

/// Whether a threshold holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Holds,
    Broken,
    /// The run does not tell; at its end that counts as failed.
    Undecided,
}

/// The thresholds of a run with what became of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Judgements {
    /// One for each threshold, in the order in which they were given.
    pub judgements: Vec<Judgement>,
}

impl Judgements {
    /// Whether every threshold holds; true without any.
    pub(crate) fn all_hold(&self) -> bool {
        let mut judgements = self.judgements.iter();
        judgements.all(|judgement| judgement.verdict == Standing::Holds)
    }
}

impl Threshold {
    /// Whether it may end a run early: further requests cannot mend it, or only after an unreasonable time. A rate, and a
    /// count that is to be reached, are known at the end only.
    pub(crate) fn may_abort(&self) -> bool {
        match self.metric {
            Metric::RequestsPerSecond => false,
            Metric::Latency(..) => true,
            Metric::Failures | Metric::Timeouts => {
                matches!(self.operator, Operator::Below | Operator::AtMost)
            }
        }
    }

    fn is_held_by(&self, value: f64) -> bool {
        self.operator.holds(value, self.limit.value())
    }

    /// Whether it speaks of failed requests, and so takes the judgement of them upon itself.
    pub(crate) fn judges_failures(&self) -> bool {
        matches!(self.metric, Metric::Failures)
    }
}

/// Holds every threshold against the figures. Percentiles that are not among the usual ones must be in the
/// summary: see [`extra_quantiles`].
pub(crate) fn evaluate(thresholds: &[Threshold], summary: &Summary) -> Judgements {
    Judgements {
        judgements: thresholds.iter().map(|own| judge(own, summary)).collect(),
    }
}

/// Describes the first broken threshold; `None` while all hold, or nothing ended. Too few replies break nothing. But if
/// every request failed, a latency threshold is broken.
pub(crate) fn first_broken<'a>(
    thresholds: impl IntoIterator<Item = &'a Threshold>,
    summary: &Summary,
) -> Option<String> {
    let broken = |own: &Threshold| match measure(own, summary) {
        Ok(value) if own.is_held_by(value) => None,
        Ok(value) => Some(format!("{}, the limit is {own}", with_its_name(own, value))),
        Err(_) => all_failed(own, summary)
            .then(|| format!("no request was answered well, the limit is {own}")),
    };
    let has_begun = summary.total.requests > 0;
    let mut thresholds = thresholds.into_iter().filter(|_| has_begun);
    thresholds.find_map(broken)
}

fn all_failed(threshold: &Threshold, summary: &Summary) -> bool {
    row(threshold, summary).is_ok_and(|row| row.requests > 0 && row.failures == row.requests)
}

/// The figures that a threshold speaks of.
fn row<'a>(threshold: &Threshold, summary: &'a Summary) -> Result<&'a Row, String> {
    let Some(kind) = &threshold.kind else {
        return Ok(&summary.total);
    };
    let found = summary.kinds.iter().find(|row| &row.name == kind);
    found.ok_or_else(|| format!("the run has no kind {kind}"))
}

/// The quantiles (0 to 1) that a summary must hold for these thresholds.
pub(crate) fn extra_quantiles(thresholds: &[Threshold]) -> Vec<f64> {
    let quantile = |threshold: &Threshold| match threshold.metric {
        Metric::Latency(_, statistic) => statistic.quantile(),
        _ => None,
    };
    thresholds.iter().filter_map(quantile).collect()
}

/// Fewer requests than these tell nothing of a rate.
const FEWEST_REQUESTS: u64 = 20;

/// The requests of all kinds that these thresholds are judged by at least: so many that a share of failures can lie below
/// its limit and be above 0, and some in any case. How many good replies a percentile takes, its judgement tells.
pub(crate) fn requests_needed(thresholds: &[Threshold]) -> u64 {
    let shares = thresholds.iter().filter(|own| {
        let is_count = matches!(own.metric, Metric::Failures | Metric::Timeouts);
        is_count && own.limit.unit == Unit::Percent && own.limit.value() > 0.0
    });
    let needed = shares.map(|own| (1.0 / own.limit.value()).ceil() as u64);
    needed.max().unwrap_or_default().max(FEWEST_REQUESTS)
}

/// The first kind of request that a threshold names and the run does not have.
pub(crate) fn unknown_kind<'a>(thresholds: &'a [Threshold], kinds: &[String]) -> Option<&'a str> {
    let mut named = thresholds.iter().filter_map(|own| own.kind.as_deref());
    named.find(|kind| !kinds.iter().any(|known| known == kind))
}

fn judge(threshold: &Threshold, summary: &Summary) -> Judgement {
    let measured = measure(threshold, summary);
    Judgement {
        threshold: threshold.to_string(),
        verdict: match measured {
            Ok(value) if threshold.is_held_by(value) => Standing::Holds,
            Ok(_) => Standing::Broken,
            Err(_) => Standing::Undecided,
        },
        measured: measured
            .as_ref()
            .ok()
            .map(|value| in_words(threshold, *value)),
        reason: measured.err(),
    }
}

/// The figure in the unit of [`Limit::value`], or why there is none.
///
/// [`Limit::value`]: super::Limit::value
fn measure(threshold: &Threshold, summary: &Summary) -> Result<f64, String> {
    let row = row(threshold, summary)?;
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
        Metric::RequestsPerSecond => match summary.window_seconds {
            Some(seconds) if seconds > 0.0 => Ok(row.rates.requests),
            _ => Err("nothing was measured".to_owned()),
        },
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
    let mut counts = about.saturating_sub(1)..;
    let needed = counts.find(|count| quantile_is_supported(*count, quantile));
    let needed = needed.unwrap_or(about);
    let replies = match count {
        1 => "reply is",
        _ => "replies are",
    };
    format!("{count} {replies} too few: it takes {needed}, so that ten lie above; run longer")
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
fn with_its_name(threshold: &Threshold, value: f64) -> String {
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

/// The grammar in one line, for messages and for the help.
pub(crate) const GRAMMAR: &str = "[KIND:]METRIC OPERATOR VALUE, where METRIC is p50, p95, p99.9 (any percentile), avg, min, \
     max or med, each also as service.p95, or failures, timeouts, rps; OPERATOR is <, <=, > or >=; VALUE is a time \
     (us, ms, s), a share (%) or a number; for example p95<20ms, service.avg<=1.5s, failures<1%, timeouts<=0, \
     rps>=500, createOrder:p99<0.1s";

/// Why a text is no threshold.
fn problem(text: impl Display) -> String {
    format!("{text}; takes {GRAMMAR}")
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // A kind's name may hold a colon, while nothing behind it can.
        let (kind, condition) = match text.rsplit_once(':') {
            Some((kind, condition)) => (Some(kind.trim()), condition),
            None => (None, text),
        };
        if kind == Some("") {
            return Err(problem("no kind stands before the colon"));
        }
        let (metric, operator, limit) = split(condition)?;
        let (metric, limit) = (read_metric(metric)?, read_limit(limit)?);
        check_unit(metric, limit.unit)?;
        if kind.is_some() && metric == Metric::Timeouts {
            return Err(problem(
                "timeouts are counted over all kinds, it takes no kind",
            ));
        }
        Ok(Self {
            kind: kind.map(str::to_owned),
            metric,
            operator,
            limit,
        })
    }
}

fn split(condition: &str) -> Result<(&str, Operator, &str), String> {
    let at = condition.find(['<', '>']);
    let (metric, rest) = condition.split_at(at.unwrap_or(condition.len()));
    let mut operators = OPERATORS.iter();
    let found = operators.find_map(|(sign, own)| Some((*own, rest.strip_prefix(sign)?)));
    let (operator, limit) = found.ok_or_else(|| problem("there is no <, <=, > or >="))?;
    Ok((metric.trim(), operator, limit.trim()))
}

fn read_metric(text: &str) -> Result<Metric, String> {
    if let Some(metric) = named(&METRICS, text) {
        return Ok(metric);
    }
    let (time, statistic) = match text.split_once('.') {
        Some(("service", statistic)) => (Time::Service, statistic),
        Some(("response", statistic)) => (Time::Response, statistic),
        _ => (Time::Response, text),
    };
    let found = named(&STATISTICS, statistic).or_else(|| read_percentile(statistic));
    let statistic = found.ok_or_else(|| problem(format_args!("{text:?} is no metric")))?;
    Ok(Metric::Latency(time, statistic))
}

fn read_percentile(text: &str) -> Option<Statistic> {
    let percent = read_number(text.strip_prefix('p')?)?;
    // p0 and p100 are min and max; finer than six decimals no run is long enough for.
    let is_between = percent > 0.0 && percent < 100.0;
    let is_coarse = text.split_once('.').is_none_or(|(_, part)| part.len() <= 6);
    (is_between && is_coarse).then_some(Statistic::Percentile(percent))
}

fn read_limit(text: &str) -> Result<Limit, String> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number = read_number(number)
        .ok_or_else(|| problem(format_args!("{text:?} does not begin with a number")))?;
    let unit = unit.trim();
    let unit = named(&UNITS, unit).ok_or_else(|| problem(format_args!("{unit:?} is no unit")))?;
    Ok(Limit { number, unit })
}

/// Digits with at most one point: no sign, no exponent, no infinity.
fn read_number(text: &str) -> Option<f64> {
    let is_plain = |character: char| character.is_ascii_digit() || character == '.';
    if !text.starts_with(|first: char| first.is_ascii_digit()) || !text.chars().all(is_plain) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn check_unit(metric: Metric, unit: Unit) -> Result<(), String> {
    let is_time = matches!(
        unit,
        Unit::Microseconds | Unit::Milliseconds | Unit::Seconds
    );
    let (is_fit, needs) = match metric {
        Metric::Latency(..) => (is_time, "a time with its unit, such as 20ms"),
        Metric::RequestsPerSecond => (unit == Unit::One, "a plain number, requests per second"),
        Metric::Failures | Metric::Timeouts => {
            (!is_time, "a share such as 1%, or a number of requests")
        }
    };
    let wrong = || problem(format_args!("{metric} needs {needs}"));
    is_fit.then_some(()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Threshold {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_cannot_mend_itself_ends_a_run_early() {
        for (text, may) in [
            ("p95<20ms", true),
            ("failures<=0", true),
            ("timeouts<1%", true),
            ("failures>=5", false),
            ("rps>=500", false),
            ("rps<500", false),
        ] {
            assert_eq!(parse(text).may_abort(), may, "{text}");
        }
    }

    #[test]
    fn a_kind_that_the_run_has_not_is_found() {
        let kinds = ["createOrder".to_owned()];
        assert_eq!(unknown_kind(&[parse("p95<1s")], &kinds), None);
        assert_eq!(unknown_kind(&[parse("createOrder:p95<1s")], &kinds), None);
        let thresholds = [parse("other:p95<1s")];
        assert_eq!(unknown_kind(&thresholds, &kinds), Some("other"));
    }
}
