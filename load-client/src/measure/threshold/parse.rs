//! Reads a threshold from text. Each error tells what is wrong, and shows the grammar.

use std::str::FromStr;

use super::expression::{Limit, Metric, Operator, Statistic, Threshold, Time, Unit};

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
