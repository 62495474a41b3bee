//! Finds out whether latency or memory grew in a long run. Pure.
//!
//! It has two measures. The bounds apply to the median of the last third against that of the first. The slope of the
//! whole run is for people. It is that of Theil and Sen: the median of the slopes of all pairs, which single outliers
//! do not move.

use std::collections::{BTreeMap, BTreeSet};

use load_client::stats::{quantile, trend};
use serde::Serialize;

/// Most growth of a service's memory from the first to the last third, in bytes.
const SERVICE_GROWTH: u64 = 32 << 20;
/// The same for a broker: a JVM fills its heap before it collects garbage.
const BROKER_GROWTH: u64 = 384 << 20;
/// Most growth of the median round trip, as a factor, and in milliseconds for fast requests.
const SLOWER: f64 = 1.5;
const SLOWER_MS: f64 = 5.0;

/// One sample of latency and memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the start.
    pub second: f64,
    /// Requests answered since the last sample.
    pub answered: usize,
    /// Median round trip since the last sample, in milliseconds.
    pub median_ms: Option<f64>,
    /// 99th percentile since the last sample, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Memory of each process, in bytes.
    pub memory: BTreeMap<String, u64>,
}

/// The growth of one figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Growth {
    /// Median of the first third.
    pub first: f64,
    /// Median of the last third.
    pub last: f64,
    /// Change per hour, by the slope of the whole run.
    pub per_hour: f64,
}

/// The growth of all figures, and those beyond their bounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The median round trip, in milliseconds.
    pub median_ms: Option<Growth>,
    /// The 99th percentile, in milliseconds. It has no bound.
    pub p99_ms: Option<Growth>,
    /// The memory of each process, in bytes. The store has no bound, because it has the orders.
    pub memory: BTreeMap<String, Growth>,
    /// Figures beyond their bounds.
    pub findings: Vec<String>,
}

/// Compares the start and the end of a run.
#[must_use]
pub fn drift(samples: &[Sample]) -> Drift {
    let of = |figure: &dyn Fn(&Sample) -> Option<f64>| {
        let points = samples
            .iter()
            .filter_map(|one| Some((one.second, figure(one)?)));
        growth(&points.collect::<Vec<_>>())
    };
    let names: BTreeSet<&String> = samples.iter().flat_map(|one| one.memory.keys()).collect();
    let memory = names.into_iter().filter_map(|name| {
        let bytes = |one: &Sample| one.memory.get(name).map(|bytes| *bytes as f64);
        Some((name.clone(), of(&bytes)?))
    });
    let mut drift = Drift {
        median_ms: of(&|one| one.median_ms),
        p99_ms: of(&|one| one.p99_ms),
        memory: memory.collect(),
        findings: Vec::new(),
    };
    drift.findings = findings(&drift);
    drift
}

fn findings(drift: &Drift) -> Vec<String> {
    let mut findings = Vec::new();
    match &drift.median_ms {
        Some(growth) if growth.last > (growth.first * SLOWER).max(growth.first + SLOWER_MS) => {
            let (first, last) = (growth.first, growth.last);
            findings.push(format!(
                "the median round trip grew from {first:.2} to {last:.2} ms"
            ));
        }
        Some(_) => {}
        None => findings.push("too few replies to see a trend of the latency".to_owned()),
    }
    for (name, growth) in &drift.memory {
        let bound = match name.as_str() {
            "store" => continue,
            "broker" => BROKER_GROWTH,
            _ => SERVICE_GROWTH,
        };
        if growth.last - growth.first > bound as f64 {
            let (first, last) = (mebibytes(growth.first), mebibytes(growth.last));
            findings.push(format!("{name} grew from {first:.1} to {last:.1} MiB"));
        }
    }
    findings
}

pub(super) fn mebibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

/// `None` for fewer than three points, which have no thirds.
fn growth(points: &[(f64, f64)]) -> Option<Growth> {
    let third = points.len() / 3;
    if third == 0 {
        return None;
    }
    let median = |points: &[(f64, f64)]| {
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        quantile(&values, 0.5)
    };
    Some(Growth {
        first: median(&points[..third])?,
        last: median(&points[points.len() - third..])?,
        per_hour: trend(points)?.slope * 3600.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(latency: impl Fn(f64) -> f64, memory: impl Fn(f64) -> u64) -> Vec<Sample> {
        let seconds = (0..36).map(|index| f64::from(index) * 10.0);
        seconds
            .map(|second| Sample {
                second,
                answered: 100,
                median_ms: Some(latency(second)),
                p99_ms: Some(latency(second) * 3.0),
                memory: [("service-0".to_owned(), memory(second))].into(),
            })
            .collect()
    }

    #[test]
    fn a_level_run_has_no_drift_and_an_outlier_makes_none() {
        let mut samples = run(|_| 4.0, |_| 50 << 20);
        samples[34].median_ms = Some(900.0);
        let drift = drift(&samples);
        assert_eq!(drift.findings, Vec::<String>::new());
        let latency = drift.median_ms.unwrap();
        assert_eq!(
            (latency.first, latency.last, latency.per_hour),
            (4.0, 4.0, 0.0)
        );
    }

    #[test]
    fn growth_is_found_and_told_by_the_hour() {
        let leak = |second: f64| (50 << 20) + (second * 200_000.0) as u64;
        let leaking = drift(&run(|_| 4.0, leak));
        assert_eq!(leaking.findings.len(), 1, "{leaking:?}");
        assert_eq!(leaking.memory["service-0"].per_hour, 720_000_000.0);
        let slower = drift(&run(|second| 4.0 + second / 10.0, |_| 50 << 20));
        assert!(
            slower.findings[0].contains("median round trip"),
            "{slower:?}"
        );
    }

    #[test]
    fn a_store_may_grow_and_a_broker_fills_its_heap() {
        let named = |name: &str, rate: f64| {
            let mut samples = run(|_| 4.0, |_| 0);
            for sample in &mut samples {
                let bytes = (sample.second * rate) as u64;
                sample.memory = [(name.to_owned(), bytes)].into();
            }
            drift(&samples).findings.len()
        };
        assert_eq!(named("store", 1e7), 0);
        assert_eq!(named("broker", 1e6), 0);
        assert_eq!(named("broker", 1e7), 1);
    }

    #[test]
    fn too_short_a_run_says_so() {
        assert!(drift(&[]).findings[0].contains("too few"));
    }
}
