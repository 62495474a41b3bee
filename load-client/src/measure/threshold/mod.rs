//! Thresholds: what must hold of a run, or it fails. Pure: text in, figures in, answers out.
//!
//! `[KIND:][service.]METRIC OPERATOR VALUE`, for example `p95<20ms`, `service.p99<=1.5s`,
//! `createOrder:failures<1%`, `rps>=500`. The grammar is given by [`GRAMMAR`].

mod evaluate;

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

pub(crate) use evaluate::{
    Answer, Judgement, Verdict, evaluate, extra_quantiles, first_broken, unknown_kind,
};

// A threshold as data, and as the text that it is read from.

/// One condition that a run must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    /// The request kind that it speaks of; `None` for all kinds together.
    pub kind: Option<String>,
    /// What is compared.
    pub metric: Metric,
    /// How it is compared.
    pub operator: Operator,
    /// With what it is compared.
    pub limit: Limit,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Metric {
    /// A statistic of the good replies' times.
    Latency(Time, Statistic),
    /// Requests that failed: a count, or a share of the requests.
    Failures,
    /// Requests that ended by the time-out: a count, or a share of the requests.
    Timeouts,
    /// Requests that ended per second of the measured window, as Locust's `Requests/s`.
    RequestsPerSecond,
}

/// Which time of a request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// From the intended instant: what a user of the service would feel.
    Response,
    /// From the hand-over.
    Service,
}

/// A statistic of latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// The median, whatever the number of replies.
    Median,
    /// A percentile, above 0 and below 100.
    Percentile(f64),
}

/// A comparison that must be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// A number with its unit, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    /// The number, finite and not negative.
    pub number: f64,
    /// Its unit.
    pub unit: Unit,
}

/// Units of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// `us`
    Microseconds,
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
    /// `%`
    Percent,
    /// A plain number: a count, or requests per second.
    One,
}

impl Operator {
    /// Whether `value OPERATOR limit` is true.
    #[must_use]
    pub(crate) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }

    /// Whether values must stay under the limit.
    #[must_use]
    pub(crate) fn is_upper_bound(self) -> bool {
        matches!(self, Self::Below | Self::AtMost)
    }
}

impl Statistic {
    /// The quantile (0 to 1) of a percentile.
    #[must_use]
    pub(crate) fn quantile(self) -> Option<f64> {
        match self {
            // Rounded, so that 99.9 gives the very 0.999 that the tables use.
            Self::Percentile(percent) => Some((percent * 1e10).round() / 1e12),
            _ => None,
        }
    }
}

impl Limit {
    /// The limit in the unit that figures have: milliseconds, a share of 1, or as it is.
    #[must_use]
    pub(crate) fn value(self) -> f64 {
        match self.unit {
            Unit::Microseconds => self.number / 1000.0,
            Unit::Milliseconds | Unit::One => self.number,
            Unit::Seconds => self.number * 1000.0,
            Unit::Percent => self.number / 100.0,
        }
    }
}

impl Display for Threshold {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if let Some(kind) = &self.kind {
            write!(formatter, "{kind}:")?;
        }
        write!(formatter, "{}{}{}", self.metric, self.operator, self.limit)
    }
}

impl Display for Metric {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(Time::Response, statistic) => statistic.fmt(formatter),
            Self::Latency(Time::Service, statistic) => write!(formatter, "service.{statistic}"),
            Self::Failures => formatter.write_str("failures"),
            Self::Timeouts => formatter.write_str("timeouts"),
            Self::RequestsPerSecond => formatter.write_str("rps"),
        }
    }
}

impl Display for Statistic {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => formatter.write_str("avg"),
            Self::Minimum => formatter.write_str("min"),
            Self::Maximum => formatter.write_str("max"),
            Self::Median => formatter.write_str("med"),
            Self::Percentile(percent) => write!(formatter, "p{percent}"),
        }
    }
}

impl Display for Operator {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl Display for Limit {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Percent => "%",
            Unit::One => "",
        };
        write!(formatter, "{}{unit}", self.number)
    }
}

// Reads a threshold from text. Each error tells what is wrong, and shows the grammar.

/// The grammar in one line, for messages and for the help.
pub(crate) const GRAMMAR: &str = "[KIND:]METRIC OPERATOR VALUE, where METRIC is p50, p95, p99.9 (any percentile), avg, min, \
     max or med, each also as service.p95, or failures, timeouts, rps; OPERATOR is <, <=, > or >=; VALUE is a time \
     (us, ms, s), a share (%) or a number; for example p95<20ms, service.avg<=1.5s, failures<1%, timeouts<=0, \
     rps>=500, createOrder:p99<0.1s";

/// Why a text is no threshold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{problem}; takes {GRAMMAR}")]
pub(crate) struct ParseError {
    problem: String,
}

fn problem(text: impl Into<String>) -> ParseError {
    ParseError {
        problem: text.into(),
    }
}

impl FromStr for Threshold {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
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
        let metric = read_metric(metric)?;
        let limit = read_limit(limit)?;
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

fn split(condition: &str) -> Result<(&str, Operator, &str), ParseError> {
    let at = condition
        .find(['<', '>'])
        .ok_or_else(|| problem("there is no <, <=, > or >="))?;
    let (metric, rest) = condition.split_at(at);
    let (operator, limit) = match rest.as_bytes() {
        [b'<', b'=', ..] => (Operator::AtMost, &rest[2..]),
        [b'>', b'=', ..] => (Operator::AtLeast, &rest[2..]),
        [b'<', ..] => (Operator::Below, &rest[1..]),
        _ => (Operator::Above, &rest[1..]),
    };
    Ok((metric.trim(), operator, limit.trim()))
}

fn read_metric(text: &str) -> Result<Metric, ParseError> {
    match text {
        "failures" => return Ok(Metric::Failures),
        "timeouts" => return Ok(Metric::Timeouts),
        "rps" => return Ok(Metric::RequestsPerSecond),
        _ => {}
    }
    let (time, statistic) = match text.split_once('.') {
        Some(("service", statistic)) => (Time::Service, statistic),
        Some(("response", statistic)) => (Time::Response, statistic),
        _ => (Time::Response, text),
    };
    let statistic = match statistic {
        "avg" => Statistic::Mean,
        "min" => Statistic::Minimum,
        "max" => Statistic::Maximum,
        "med" => Statistic::Median,
        other => read_percentile(other).ok_or_else(|| problem(format!("{text:?} is no metric")))?,
    };
    Ok(Metric::Latency(time, statistic))
}

fn read_percentile(text: &str) -> Option<Statistic> {
    let percent = read_number(text.strip_prefix('p')?)?;
    // p0 and p100 are min and max; finer than six decimals no run is long enough for.
    let is_between = percent > 0.0 && percent < 100.0;
    let is_coarse = text.split_once('.').is_none_or(|(_, part)| part.len() <= 6);
    (is_between && is_coarse).then_some(Statistic::Percentile(percent))
}

fn read_limit(text: &str) -> Result<Limit, ParseError> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number = read_number(number)
        .ok_or_else(|| problem(format!("{text:?} does not begin with a number")))?;
    let unit = match unit.trim() {
        "us" | "µs" => Unit::Microseconds,
        "ms" => Unit::Milliseconds,
        "s" => Unit::Seconds,
        "%" => Unit::Percent,
        "" => Unit::One,
        other => return Err(problem(format!("{other:?} is no unit"))),
    };
    Ok(Limit { number, unit })
}

/// Digits with at most one point: no sign, no exponent, no infinity.
fn read_number(text: &str) -> Option<f64> {
    let is_plain = text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|character| character.is_ascii_digit() || character == '.');
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.filter(|_| is_plain)
}

fn check_unit(metric: Metric, unit: Unit) -> Result<(), ParseError> {
    let is_time = matches!(
        unit,
        Unit::Microseconds | Unit::Milliseconds | Unit::Seconds
    );
    match metric {
        Metric::Latency(..) if !is_time => Err(problem(format!(
            "{metric} needs a time with its unit, such as 20ms"
        ))),
        Metric::RequestsPerSecond if unit != Unit::One => {
            Err(problem("rps needs a plain number, requests per second"))
        }
        Metric::Failures | Metric::Timeouts if is_time => Err(problem(format!(
            "{metric} needs a share such as 1%, or a number of requests"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
