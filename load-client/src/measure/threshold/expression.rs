//! A threshold as data, and as the text that it is read from.

use std::fmt::{self, Display, Formatter};

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
