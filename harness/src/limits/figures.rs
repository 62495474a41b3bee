//! The figures of cells, and their ratios within a round. Pure.

use std::collections::BTreeMap;

use load_client::stats::{paired_log_ratio, quantile};
use serde::Serialize;

use super::load::{Load, Pressure};
use super::subject::Subject;
use crate::usage::Usage;

/// One subject under one load, in one round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The round, from 1.
    pub round: u32,
    /// The subject.
    pub subject: Subject,
    /// The load.
    pub load: Load,
    /// Offered requests per second of an open loop.
    pub rate: Option<u32>,
    /// Good replies per second.
    pub throughput: f64,
    /// The median round trip, in milliseconds; `None` for too few replies, like the other percentiles.
    pub p50_ms: Option<f64>,
    /// The 95th percentile.
    pub p95_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// All requests, with those of the warm-up.
    pub requests: u64,
    /// Requests without a good reply.
    pub failures: u64,
    /// Whether the load client was not the bottleneck. If it was, the figures are its own, not the subject's.
    pub valid: bool,
    /// The usage of each part: service, client, broker, store. The broker of the embedded stack is part of this
    /// program. Peaks of broker and store are those since their start.
    pub usage: BTreeMap<String, Usage>,
}

/// If the replies of an open loop came at less than this share of its rate, it only built up a queue.
const SUSTAINED: f64 = 0.95;

impl Cell {
    /// Whether the subject did not keep up with an open loop.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        let rate = self.rate.map(f64::from);
        rate.is_some_and(|rate| self.throughput < SUSTAINED * rate)
    }

    /// Whether the figures are the subject's own, so that they can be compared.
    #[must_use]
    pub fn judges(&self) -> bool {
        self.valid && !self.is_overloaded()
    }

    /// Processor seconds of one part per thousand requests.
    #[must_use]
    pub fn cpu_per_thousand(&self, part: &str) -> Option<f64> {
        let usage = self.usage.get(part)?;
        (self.requests > 0).then(|| usage.cpu_seconds * 1000.0 / self.requests as f64)
    }
}

/// A figure of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Good replies per second.
    Throughput,
    /// The median round trip.
    P50,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
    /// Processor seconds of the service per thousand requests.
    ServiceCpu,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Throughput,
        Self::P50,
        Self::P95,
        Self::P99,
        Self::ServiceCpu,
    ];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::ServiceCpu => "service CPU",
        }
    }

    pub(super) fn of(self, cell: &Cell) -> Option<f64> {
        match self {
            Self::Throughput => Some(cell.throughput),
            Self::P50 => cell.p50_ms,
            Self::P95 => cell.p95_ms,
            Self::P99 => cell.p99_ms,
            Self::ServiceCpu => cell.cpu_per_thousand("service"),
        }
    }
}

/// The ratio of one figure of two subjects in the same rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratio {
    /// The numerator.
    pub subject: Subject,
    /// The denominator.
    pub reference: Subject,
    /// The load.
    pub load: Load,
    /// The figure.
    pub metric: Metric,
    /// The median of the rounds' ratios.
    pub median: f64,
    /// The 95 % interval of their geometric mean, by Student's t over the logarithms; `None` for one round.
    pub interval: Option<(f64, f64)>,
}

/// The ratio of one figure over the rounds in which both cells can be compared; `None` if there is no such round, or if
/// a figure is not above zero.
pub(super) fn ratio(
    cells: &[Cell],
    subject: Subject,
    reference: Subject,
    load: Load,
    metric: Metric,
) -> Option<Ratio> {
    let of = |wanted: Subject| {
        let own = cells
            .iter()
            .filter(move |cell| cell.subject == wanted && cell.load == load && cell.judges());
        own.filter_map(move |cell| Some((cell.round, metric.of(cell)?)))
            .collect::<BTreeMap<_, _>>()
    };
    let (references, subjects) = (of(reference), of(subject));
    let pairs = subjects.iter().filter_map(|(round, new)| {
        let old = references.get(round)?;
        Some((*old, *new))
    });
    let (old, new): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let quotients = old.iter().zip(&new).map(|(old, new)| new / old);
    let median = quantile(&quotients.collect::<Vec<_>>(), 0.5)?;
    let change = paired_log_ratio(&old, &new, 0.95);
    (median.is_finite() && median > 0.0).then(|| Ratio {
        subject,
        reference,
        load,
        metric,
        median,
        interval: change.map(|change| (1.0 + change.low, 1.0 + change.high)),
    })
}

/// All ratios of subjects to their floors.
pub(super) fn ratios(cells: &[Cell]) -> Vec<Ratio> {
    let mut all = Vec::new();
    for load in loads(cells) {
        for subject in subjects(cells) {
            let floor = subject.floor();
            if subject != floor {
                let one = |metric| ratio(cells, subject, floor, load, metric);
                all.extend(Metric::ALL.into_iter().filter_map(one));
            }
        }
    }
    all
}

/// The median of one figure over the rounds; `None` without figures.
pub(super) fn typical(cells: &[Cell], subject: Subject, load: Load, metric: Metric) -> Option<f64> {
    let own = cells
        .iter()
        .filter(|cell| cell.subject == subject && cell.load == load);
    let values: Vec<f64> = own.filter_map(|cell| metric.of(cell)).collect();
    quantile(&values, 0.5)
}

/// Half of the best throughput of the slowest subject with this floor, in requests per second. All these subjects can
/// answer it without overload. `None` if none has run. Cells count even if the load client was the bottleneck: the
/// subject could then do more, which does not matter here.
pub(super) fn half_rate(cells: &[Cell], floor: Subject, load: Load) -> Option<u32> {
    let place = |load: Load| (load.partitions, load.instances);
    let best = |subject: Subject| {
        let closed = cells.iter().filter(|cell| {
            let is_closed = cell.load.pressure != Pressure::HalfOfSlowest;
            cell.subject == subject && is_closed && place(cell.load) == place(load)
        });
        closed.map(|cell| cell.throughput).max_by(f64::total_cmp)
    };
    let held_against_it = subjects(cells)
        .into_iter()
        .filter(|subject| subject.floor() == floor);
    let slowest = held_against_it.filter_map(best).min_by(f64::total_cmp)?;
    Some(((slowest / 2.0) as u32).max(1))
}

/// Loads in the order of their first run.
pub(super) fn loads(cells: &[Cell]) -> Vec<Load> {
    let mut loads = Vec::new();
    for cell in cells {
        if !loads.contains(&cell.load) {
            loads.push(cell.load);
        }
    }
    loads
}

/// Subjects, floors first.
pub(super) fn subjects(cells: &[Cell]) -> Vec<Subject> {
    let all = Subject::ALL.into_iter();
    all.filter(|subject| cells.iter().any(|cell| cell.subject == *subject))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn cell(round: u32, subject: Subject, load: Load, throughput: f64) -> Cell {
        let usage = Usage {
            cpu_seconds: 2.0,
            peak_bytes: 20 << 20,
        };
        Cell {
            round,
            subject,
            load,
            rate: None,
            throughput,
            p50_ms: Some(1000.0 / throughput),
            p95_ms: Some(2000.0 / throughput),
            p99_ms: Some(3000.0 / throughput),
            requests: 4000,
            failures: 0,
            valid: true,
            usage: [("service".to_owned(), usage)].into(),
        }
    }

    const LOAD: Load = Load {
        pressure: Pressure::Users(10),
        partitions: 1,
        instances: 1,
    };

    #[test]
    fn ratios_are_those_of_the_same_round() {
        // The machine gets slower by half, but the ratio stays.
        let cells = [
            cell(1, Subject::EchoPipelined, LOAD, 1000.0),
            cell(1, Subject::BridgeTasks, LOAD, 900.0),
            cell(2, Subject::BridgeTasks, LOAD, 450.0),
            cell(2, Subject::EchoPipelined, LOAD, 500.0),
            // It has no partner in its round.
            cell(3, Subject::EchoPipelined, LOAD, 1.0),
        ];
        let one = |metric| {
            let pair = (Subject::BridgeTasks, Subject::EchoPipelined);
            ratio(&cells, pair.0, pair.1, LOAD, metric).unwrap()
        };
        let throughput = one(Metric::Throughput);
        assert!((throughput.median - 0.9).abs() < 1e-12);
        let (low, high) = throughput.interval.unwrap();
        assert!(
            (low - 0.9).abs() < 1e-9 && (high - 0.9).abs() < 1e-9,
            "{low} {high}"
        );
        assert!((one(Metric::P50).median - 1.0 / 0.9).abs() < 1e-12);
        assert_eq!(one(Metric::ServiceCpu).median, 1.0);
        assert_eq!(ratios(&cells).len(), Metric::ALL.len());
    }

    #[test]
    fn what_is_lacking_has_no_ratio() {
        let cells = [cell(1, Subject::BridgeTasks, LOAD, 900.0)];
        assert_eq!(ratios(&cells), []);
        let (subject, floor) = (Subject::BridgeTasks, Subject::EchoPipelined);
        assert_eq!(ratio(&cells, subject, floor, LOAD, Metric::P50), None);
        let both = [cells[0].clone(), cell(1, floor, LOAD, 1000.0)];
        let single = ratio(&both, subject, floor, LOAD, Metric::P50).unwrap();
        assert_eq!(single.interval, None, "one round tells no spread");
    }

    #[test]
    fn a_client_bound_cell_and_an_overloaded_one_judge_nothing() {
        let load = Load::alone(Pressure::HalfOfSlowest);
        let mut cells = Vec::new();
        for round in 1..=3 {
            cells.push(cell(round, Subject::EchoPipelined, load, 1000.0));
            cells.push(cell(round, Subject::BridgeTasks, load, 900.0));
        }
        // Neither an INVALID cell nor an overloaded one counts.
        (cells[0].valid, cells[1].throughput) = (false, 5000.0);
        (cells[3].rate, cells[3].p50_ms) = (Some(1000), Some(434.0));
        let (subject, floor) = (Subject::BridgeTasks, Subject::EchoPipelined);
        let throughput = ratio(&cells, subject, floor, load, Metric::Throughput).unwrap();
        assert_eq!((throughput.median, throughput.interval), (0.9, None));
        cells[5].valid = false;
        assert_eq!(ratios(&cells), []);
    }

    #[test]
    fn the_rate_is_half_of_the_slowests_best() {
        const HALF: Load = Load {
            pressure: Pressure::HalfOfSlowest,
            ..LOAD
        };
        let spread = Load {
            partitions: 4,
            ..Load::users(10)
        };
        let cells = [
            cell(1, Subject::EchoPipelined, Load::users(1), 100.0),
            cell(1, Subject::EchoPipelined, Load::users(10), 901.0),
            cell(1, Subject::EchoPipelined, HALF, 5.0),
            cell(1, Subject::BridgeTasks, Load::users(1), 10.0),
            cell(1, Subject::BridgeTasks, Load::users(10), 701.0),
            cell(1, Subject::BridgeSerial, Load::users(10), 3.0),
            cell(1, Subject::EchoPipelined, spread, 9000.0),
        ];
        assert_eq!(half_rate(&cells, Subject::EchoPipelined, HALF), Some(350));
        assert_eq!(half_rate(&cells, Subject::EchoSerial, HALF), Some(1));
        assert_eq!(half_rate(&cells[..2], Subject::EchoSerial, HALF), None);
        assert_eq!(loads(&cells).len(), 4);
    }

    #[test]
    fn cpu_is_told_for_a_thousand_requests() {
        let cell = cell(1, Subject::BridgeTasks, LOAD, 900.0);
        assert_eq!(cell.cpu_per_thousand("service"), Some(0.5));
        assert_eq!(cell.cpu_per_thousand("broker"), None);
    }
}
