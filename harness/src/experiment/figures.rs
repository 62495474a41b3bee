//! Throughput, latency and usage of each variant: medians over its runs. Pure.

use std::fmt::Write as _;

use load_client::compare::Run;
use load_client::stats::quantile;
use serde::Serialize;

use super::blocks::{Side, Taken};
use super::plan::Experiment;

/// The file of all variants in an experiment's folder.
pub(super) const FILE: &str = "variants.json";

/// The figures of one variant. `None` if unknown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Its name.
    pub(super) name: String,
    /// Its number of runs.
    pub(super) runs: usize,
    /// Runs in which the load client was the bottleneck (INVALID).
    pub(super) invalid: usize,
    /// Good replies per second.
    pub(super) requests_per_second: Option<f64>,
    /// Median round trip, in milliseconds.
    pub(super) p50_ms: Option<f64>,
    /// Its 99th percentile.
    pub(super) p99_ms: Option<f64>,
    /// Failed requests of all runs.
    pub(super) failed: u64,
    /// Processor time per request of all processes of the service, in milliseconds.
    pub(super) cpu_ms: Option<f64>,
    /// The sum of the peaks of its processes, in MiB.
    pub(super) memory_mib: Option<f64>,
}

/// The figures of each variant, in the plan's order.
pub(super) fn figures(plan: &Experiment, sides: &[Side]) -> Vec<Figures> {
    let all = plan.variants.iter().zip(sides);
    all.map(|(variant, side)| of(&variant.name, side)).collect()
}

fn of(name: &str, side: &Side) -> Figures {
    let runs = |figure: &dyn Fn(&Run) -> Option<f64>| {
        let each: Vec<f64> = side.runs.iter().filter_map(figure).collect();
        quantile(&each, 0.5)
    };
    let taken = |figure: fn(&Taken) -> f64| {
        let each: Vec<f64> = side.taken.iter().flatten().map(figure).collect();
        quantile(&each, 0.5)
    };
    Figures {
        name: name.to_owned(),
        runs: side.runs.len(),
        invalid: side
            .runs
            .iter()
            .filter(|run| !run.invalid.is_empty())
            .count(),
        requests_per_second: runs(&|run| run.throughput),
        p50_ms: runs(&|run| quantile(&run.latencies_ms, 0.5)),
        p99_ms: runs(&|run| quantile(&run.latencies_ms, 0.99)),
        failed: side.runs.iter().map(|run| run.failures).sum(),
        cpu_ms: taken(|one| 1e3 * one.usage.cpu_seconds / one.requests as f64),
        memory_mib: taken(|one| one.usage.peak_bytes as f64 / f64::from(1 << 20)),
    }
}

impl Figures {
    /// One line, for the page.
    pub(super) fn line(&self) -> String {
        let [rate, p50, p99, cpu, memory] = self.columns();
        format!(
            "{rate} requests/s, median {p50} ms, p99 {p99} ms, {} failed; {cpu} ms of processor time a request, \
             {memory} MiB at most; {} of {} runs INVALID",
            self.failed, self.invalid, self.runs
        )
    }

    /// Requests/s, p50, p99, processor time, memory.
    fn columns(&self) -> [String; 5] {
        let shown = |value: Option<f64>, places: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}"))
        };
        [
            shown(self.requests_per_second, 0),
            shown(self.p50_ms, 2),
            shown(self.p99_ms, 2),
            shown(self.cpu_ms, 3),
            shown(self.memory_mib, 0),
        ]
    }
}

/// All figures as Markdown.
pub(super) fn markdown(all: &[Figures]) -> String {
    let mut table = "| variant | requests/s | median, ms | p99, ms | CPU ms a request | memory, MiB | failed | INVALID runs |\n\
                     |---|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for one in all {
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} of {} |",
            one.name,
            one.columns().join(" | "),
            one.failed,
            one.invalid,
            one.runs
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;

    fn taken(cpu_seconds: f64) -> Option<Taken> {
        let usage = Usage {
            cpu_seconds,
            peak_bytes: 3 << 20,
        };
        Some(Taken {
            usage,
            requests: 1000,
        })
    }

    #[test]
    fn a_variant_is_told_by_the_medians_of_its_runs() {
        let run = |latencies: &[f64], rate: f64| {
            let mut run = Run::new("one".to_owned(), latencies.to_vec());
            (run.throughput, run.failures) = (Some(rate), 1);
            run
        };
        let mut runs = vec![
            run(&[1.0, 2.0, 3.0], 10.0),
            run(&[2.0, 3.0, 4.0], 30.0),
            run(&[9.0, 9.0, 9.0], 20.0),
        ];
        runs[0].invalid.push("late".to_owned());
        let side = Side {
            runs,
            taken: vec![taken(1.0), None, taken(3.0)],
        };
        let own = of("one", &side);
        assert_eq!(own.columns(), ["20", "3.00", "3.98", "2.000", "3"]);
        assert_eq!((own.failed, own.runs, own.invalid), (3, 3, 1));
        assert!(
            own.line()
                .contains("2.000 ms of processor time a request, 3 MiB")
        );
        let empty = of("none", &Side::default());
        assert_eq!(empty.columns(), ["-"; 5]);
        let table = markdown(&[own, empty]);
        assert_eq!(
            table.lines().nth(2),
            Some("| one | 20 | 3.00 | 3.98 | 2.000 | 3 | 3 | 1 of 3 |")
        );
    }
}
