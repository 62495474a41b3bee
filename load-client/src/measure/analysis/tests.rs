//! Moments and results for the tests of the analyses.

use crate::load::shape::Span;
use crate::measure::moment::{Moment, MomentRow};
use crate::measure::summary::{Latency, Percentile, Rates, StageResult};

pub(crate) fn latency(median_ms: f64, p95_ms: f64) -> Latency {
    Latency {
        count: 1000,
        mean_ms: median_ms,
        min_ms: median_ms,
        max_ms: p95_ms,
        median_ms,
        percentiles: vec![Percentile {
            quantile: 0.95,
            ms: p95_ms,
        }],
    }
}

pub(crate) fn moment(seconds: f64, window: Option<Latency>) -> Moment {
    Moment {
        seconds,
        unix_seconds: 0,
        users: 1,
        warm_up: false,
        kinds: Vec::new(),
        total: MomentRow {
            name: "Aggregated".to_owned(),
            rates: Rates::default(),
            window,
            requests: 0,
            failures: 0,
        },
    }
}

pub(crate) fn span(name: &str, start_seconds: f64, end_seconds: f64) -> Span {
    Span {
        name: name.to_owned(),
        target: "100/s".to_owned(),
        start_seconds,
        end_seconds,
    }
}

pub(crate) fn stage(name: &str, p95_ms: f64, failures: u64) -> StageResult {
    StageResult {
        span: span(name, 0.0, 1.0),
        requests: 1000,
        failures,
        throughput: Some(100.0),
        response: Some(latency(p95_ms / 2.0, p95_ms)),
    }
}
