//! What is compared: quantiles of the round-trip time, its mean, the throughput.

use serde::Serialize;

use super::summary::Figures;

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Median round-trip time: what the verdict is about.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// Mean round-trip time.
    Mean,
    /// Good replies per second.
    Throughput,
}

impl Metric {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 6] = [
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::Mean,
        Self::Throughput,
    ];

    /// The quantile that it is, if it is one.
    #[must_use]
    pub(crate) fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::Mean | Self::Throughput => None,
        }
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "median",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Mean => "mean",
            Self::Throughput => "throughput",
        }
    }

    /// Its unit.
    #[must_use]
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "replies/s",
            _ => "ms",
        }
    }

    /// The metric among a run's figures; `None` where the run cannot tell it.
    #[must_use]
    pub(crate) fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::P50 => figures.median_ms,
            Self::P90 => figures.p90_ms,
            Self::P95 => figures.p95_ms,
            Self::P99 => figures.p99_ms,
            Self::Mean => figures.mean_ms,
            Self::Throughput => figures.throughput,
        }
    }

    /// The sign that makes a better figure a smaller one.
    pub(super) fn direction(self) -> f64 {
        match self {
            Self::Throughput => -1.0,
            _ => 1.0,
        }
    }
}
