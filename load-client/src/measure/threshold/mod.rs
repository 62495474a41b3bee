//! Thresholds: conditions on a run. A run that breaks one of them fails.
//!
//! `[KIND:][service.]METRIC OPERATOR VALUE`, for example `p95<20ms`, `service.p99<=1.5s`,
//! `createOrder:failures<1%`, `rps>=500`. [`GRAMMAR`] is the grammar.

mod grammar;

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::measure::summary::{Latency, Row, Status, Summary};
use crate::stats::quantile_is_supported;

use self::grammar::Operator;
pub(crate) use grammar::GRAMMAR;

/// One condition that a run must meet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    /// Its text in the normal form.
    text: String,
    /// The request kind that it concerns. `None` for all kinds together.
    kind: Option<String>,
    metric: Metric,
    operator: Operator,
    /// Finite and not negative, in the unit of the figure: milliseconds, a share of 1, or a plain number.
    limit: f64,
    /// Whether the limit is a share of the requests.
    is_share: bool,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    /// A statistic of the good replies' times.
    Latency(Time, Statistic),
    /// Requests that failed: a count, or a share of the requests.
    Failures,
    /// Requests that ended by the time-out: a count, or a share of the requests.
    Timeouts,
    /// Requests that ended per second of the measured window, like Locust's `Requests/s`.
    RequestsPerSecond,
}

/// The time of a request that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    /// From the planned moment: the time that a user of the service feels.
    Response,
    /// From the hand-over.
    Service,
}

/// A statistic of latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistic {
    Mean,
    Minimum,
    Maximum,
    /// The median, for any number of replies.
    Median,
    /// A quantile, above 0 and below 1.
    Percentile(f64),
}

impl Display for Threshold {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The result for one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judgement {
    /// The threshold in its normal form.
    pub threshold: String,
    pub verdict: Standing,
    /// The figure with its unit, for people. `None` without a figure.
    pub measured: Option<String>,
    /// Why it is undecided. `None` when it is decided.
    pub reason: Option<String>,
}

/// Whether a threshold holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Holds,
    Broken,
    /// The run does not decide it. At the end of the run that counts as failed.
    Undecided,
}

/// The results for the thresholds of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Judgements {
    /// One for each threshold, in the given order.
    pub judgements: Vec<Judgement>,
}

impl Judgements {
    /// Returns whether every threshold holds. True without thresholds.
    pub(crate) fn all_hold(&self) -> bool {
        let mut judgements = self.judgements.iter();
        judgements.all(|judgement| judgement.verdict == Standing::Holds)
    }
}

impl Threshold {
    /// Returns whether it may end a run early, because further requests cannot mend it in reasonable time. A rate, and
    /// a count that must be reached, are known only at the end.
    pub(crate) fn may_abort(&self) -> bool {
        match self.metric {
            Metric::RequestsPerSecond => false,
            Metric::Latency(..) => true,
            Metric::Failures | Metric::Timeouts => {
                matches!(self.operator, Operator::Below | Operator::AtMost)
            }
        }
    }

    /// Returns whether it concerns failed requests. Its verdict on them then replaces the default one.
    pub(crate) fn judges_failures(&self) -> bool {
        matches!(self.metric, Metric::Failures)
    }

    fn is_held_by(&self, value: f64) -> bool {
        self.operator.holds(value, self.limit)
    }

    /// Returns the figures that it concerns.
    fn row<'a>(&self, summary: &'a Summary) -> Result<&'a Row, String> {
        let Some(kind) = &self.kind else {
            return Ok(&summary.total);
        };
        let found = summary.kinds.iter().find(|row| &row.name == kind);
        found.ok_or_else(|| format!("the run has no kind {kind}"))
    }

    /// Returns the figure in the unit of the limit, or why there is none.
    fn measured(&self, summary: &Summary) -> Result<f64, String> {
        let row = self.row(summary)?;
        match self.metric {
            Metric::Latency(time, statistic) => {
                let latency = match time {
                    Time::Response => row.response.as_ref(),
                    Time::Service => row.service.as_ref(),
                };
                statistic_of(latency.ok_or("no request was answered well")?, statistic)
            }
            Metric::Failures => self.counted(row, row.failures),
            Metric::Timeouts => {
                let timeouts = summary.outcomes.get(&Status::Timeout);
                self.counted(row, timeouts.copied().unwrap_or_default())
            }
            Metric::RequestsPerSecond => match summary.window_seconds {
                Some(seconds) if seconds > 0.0 => Ok(row.rates.requests),
                _ => Err("nothing was measured".to_owned()),
            },
        }
    }

    fn counted(&self, row: &Row, count: u64) -> Result<f64, String> {
        match row.requests {
            0 => Err("no request ended".to_owned()),
            requests if self.is_share => Ok(count as f64 / requests as f64),
            _ => Ok(count as f64),
        }
    }

    /// Formats a figure with its unit.
    fn in_words(&self, value: f64) -> String {
        match self.metric {
            Metric::Latency(..) => format!("{value:.3} ms"),
            Metric::RequestsPerSecond => format!("{value:.2} per second"),
            _ if self.is_share => format!("{:.3} %", value * 100.0),
            _ => format!("{value:.0}"),
        }
    }

    fn judged(&self, summary: &Summary) -> Judgement {
        let measured = self.measured(summary);
        Judgement {
            threshold: self.to_string(),
            verdict: match measured {
                Ok(value) if self.is_held_by(value) => Standing::Holds,
                Ok(_) => Standing::Broken,
                Err(_) => Standing::Undecided,
            },
            measured: measured.as_ref().ok().map(|value| self.in_words(*value)),
            reason: measured.err(),
        }
    }

    /// Returns how it is broken, `None` while it holds. Too few replies break nothing, but a latency limit is broken if
    /// all of at least `fewest` requests failed.
    fn broken(&self, summary: &Summary, fewest: u64) -> Option<String> {
        let told = match self.measured(summary) {
            Ok(value) if self.is_held_by(value) => return None,
            Ok(value) => {
                let counted = match self.metric {
                    Metric::Failures if !self.is_share => " failures",
                    Metric::Timeouts if !self.is_share => " timeouts",
                    _ => "",
                };
                format!("{}{counted}", self.in_words(value))
            }
            Err(_) => {
                let row = self.row(summary).ok()?;
                let all_failed = row.requests >= fewest && row.failures == row.requests;
                all_failed.then(|| "no request was answered well".to_owned())?
            }
        };
        Some(format!("{told}, the limit is {self}"))
    }
}

/// Judges all thresholds. The summary must have all their percentiles; see [`extra_quantiles`].
pub(crate) fn evaluate(thresholds: &[Threshold], summary: &Summary) -> Judgements {
    let judged = thresholds.iter().map(|own| own.judged(summary));
    Judgements {
        judgements: judged.collect(),
    }
}

/// Describes the first broken threshold. `None` while all hold, or no request has ended.
pub(crate) fn first_broken<'a>(
    thresholds: impl IntoIterator<Item = &'a Threshold>,
    summary: &Summary,
    fewest: u64,
) -> Option<String> {
    let has_begun = summary.total.requests > 0;
    let mut thresholds = thresholds.into_iter().filter(|_| has_begun);
    thresholds.find_map(|own| own.broken(summary, fewest))
}

/// Returns the quantiles (0 to 1) that a summary must have for these thresholds.
pub(crate) fn extra_quantiles(thresholds: &[Threshold]) -> Vec<f64> {
    let quantile = |threshold: &Threshold| match threshold.metric {
        Metric::Latency(_, Statistic::Percentile(quantile)) => Some(quantile),
        _ => None,
    };
    thresholds.iter().filter_map(quantile).collect()
}

/// Fewer requests say nothing about a rate.
pub(crate) const FEWEST_REQUESTS: u64 = 20;

/// Returns the fewest requests of all kinds for judging these thresholds. With this many, a share of failures can be
/// above 0 and below its limit. The result for a percentile says how many good replies it needs.
pub(crate) fn requests_needed(thresholds: &[Threshold]) -> u64 {
    let shares = thresholds
        .iter()
        .filter(|own| own.is_share && own.limit > 0.0);
    let needed = shares.map(|own| (1.0 / own.limit).ceil() as u64);
    needed.max().unwrap_or_default().max(FEWEST_REQUESTS)
}

/// Returns the first kind of request in a threshold that the run does not have.
pub(crate) fn unknown_kind<'a>(thresholds: &'a [Threshold], kinds: &[String]) -> Option<&'a str> {
    let mut named = thresholds.iter().filter_map(|own| own.kind.as_deref());
    named.find(|kind| !kinds.iter().any(|known| known == kind))
}

fn statistic_of(latency: &Latency, statistic: Statistic) -> Result<f64, String> {
    match statistic {
        Statistic::Mean => Ok(latency.mean_ms),
        Statistic::Minimum => Ok(latency.min_ms),
        Statistic::Maximum => Ok(latency.max_ms),
        Statistic::Median => Ok(latency.median_ms),
        Statistic::Percentile(quantile) => {
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
    format!("{count} {replies} too few: the percentile needs {needed}, ten above it; run longer")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::summary::Sample;
    use crate::measure::tally::Tally;

    fn parse(text: &str) -> Threshold {
        text.parse().unwrap()
    }

    /// Makes 400 requests of 1 to 400 ms, of which 1 % fail by status and 0.5 % by time-out.
    fn summary(thresholds: &[Threshold]) -> Summary {
        let mut tally = Tally::new(&["createOrder".to_owned(), "cancel:Order".to_owned()]);
        for index in 1..=400_u64 {
            let outcome = match index {
                397..=400 => Status::ErrorStatus,
                395 | 396 => Status::Timeout,
                _ => Status::Ok,
            };
            let mut sample = Sample::test(index * 10_000_000, index * 1_000_000, outcome);
            sample.intended_ns -= 1_000_000;
            sample.kind = u16::from(index % 4 == 0);
            tally.record(&sample, Duration::from_millis(index * 10));
        }
        tally.summary_at(u64::MAX, &extra_quantiles(thresholds))
    }

    fn judge(text: &str) -> Judgement {
        let threshold = parse(text);
        threshold.judged(&summary(std::slice::from_ref(&threshold)))
    }

    #[test]
    fn figures_are_held_against_their_limits() {
        for (text, verdict, measured) in [
            ("min<2.001ms", Standing::Holds, "2.000 ms"),
            ("service.min<1ms", Standing::Broken, "1.000 ms"),
            ("service.min<=1000us", Standing::Holds, "1.000 ms"),
            ("max<0.396s", Standing::Holds, "395.000 ms"),
            ("service.med<198ms", Standing::Holds, "197.001 ms"),
            ("service.avg>=197.5ms", Standing::Holds, "197.500 ms"),
            ("failures<1.5%", Standing::Broken, "1.500 %"),
            ("failures<=6", Standing::Holds, "6"),
            ("failures>6", Standing::Broken, "6"),
            ("cancel:Order:failures<=2%", Standing::Holds, "2.000 %"),
            ("timeouts<1", Standing::Broken, "2"),
            ("rps>100", Standing::Holds, "100.25 per second"),
        ] {
            let judgement = judge(text);
            assert_eq!(judgement.verdict, verdict, "{text}: {judgement:?}");
            assert_eq!(judgement.measured.as_deref(), Some(measured), "{text}");
        }
    }

    #[test]
    fn any_percentile_that_the_replies_carry_is_judged() {
        assert_eq!(judge("p97<385ms").verdict, Standing::Holds);
        assert_eq!(judge("p97<382ms").verdict, Standing::Broken);
        assert_eq!(judge("service.p12.5>48ms").verdict, Standing::Holds);
    }

    #[test]
    fn a_percentile_of_too_few_replies_is_undecided_and_does_not_hold() {
        let thresholds = [parse("p95<20s"), parse("p99.9<20s"), parse("p99.9>0ms")];
        let answer = evaluate(&thresholds, &summary(&thresholds));
        let verdicts = answer.judgements.iter().map(|own| own.verdict);
        let undecided = Standing::Undecided;
        assert!(verdicts.eq([Standing::Holds, undecided, undecided]));
        assert!(!answer.all_hold() && Judgements::default().all_hold());
        let reason = answer.judgements[1].reason.clone().unwrap();
        let expected = "394 replies are too few: the percentile needs 10000,";
        assert!(reason.starts_with(expected), "{reason}");
        let reason = judge("p99.999<1s").reason.unwrap();
        assert!(reason.contains("the percentile needs 1000000,"), "{reason}");
    }

    #[test]
    fn a_run_without_requests_decides_nothing() {
        let empty = Tally::new(&["createOrder".to_owned()]).summary();
        for text in ["p95<1s", "failures<=0", "timeouts<1%", "rps>0", "max<1s"] {
            let answer = evaluate(&[parse(text)], &empty);
            assert_eq!(answer.judgements[0].verdict, Standing::Undecided, "{text}");
        }
    }

    #[test]
    fn only_thresholds_that_cannot_recover_end_a_run_early() {
        for text in ["p95<20ms", "failures<=0", "timeouts<1%"] {
            assert!(parse(text).may_abort(), "{text}");
        }
        for text in ["failures>=5", "rps>=500", "rps<500"] {
            assert!(!parse(text).may_abort(), "{text}");
        }
    }

    #[test]
    fn a_kind_that_the_run_has_not_is_found() {
        let kinds = ["createOrder".to_owned()];
        let thresholds = ["p95<1s", "createOrder:p95<1s", "other:p95<1s"].map(parse);
        assert_eq!(unknown_kind(&thresholds[..2], &kinds), None);
        assert_eq!(unknown_kind(&thresholds, &kinds), Some("other"));
    }
}
