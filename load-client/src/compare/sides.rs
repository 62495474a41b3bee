//! The figures of each run, and of all runs of a side together.

use serde::Serialize;

use crate::compare::Metric;
use crate::compare::run::{Run, TimeBin, hidden_at, lattice_step};
use crate::stats::{
    RunPair, Series, SortedSample, autocorrelation, automatic_block_length, effective_sample_size,
    effective_sample_size_of_quantile, mean, quantile_is_supported, quantile_of_sorted,
};

/// The figures of one run, or of all runs of a side. An undefined figure is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Requests that were answered well.
    pub(crate) count: u64,
    pub(crate) failures: u64,
    /// Share of the measured requests that failed.
    pub(crate) failure_rate: Option<f64>,
    pub(crate) mean_ms: Option<f64>,
    pub(crate) median_ms: Option<f64>,
    /// `None` unless ten replies lie above it, like the percentiles below.
    pub(crate) p90_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// Good replies per second. For a side, the mean over its runs.
    pub(crate) throughput: Option<f64>,
}

impl Figures {
    fn new(sorted: Option<&SortedSample>, failures: u64, throughput: Option<f64>) -> Self {
        let values = sorted.map_or(&[][..], SortedSample::values);
        let count = values.len() as u64;
        let percentile =
            |q| quantile_of_sorted(values, q).filter(|_| quantile_is_supported(count, q));
        let total = count + failures;
        Self {
            count,
            failures,
            failure_rate: (total > 0).then(|| failures as f64 / total as f64),
            mean_ms: mean(values),
            median_ms: quantile_of_sorted(values, 0.5),
            p90_ms: percentile(0.9),
            p95_ms: percentile(0.95),
            p99_ms: percentile(0.99),
            throughput,
        }
    }

    /// Returns the number of measured requests, answered well or not.
    pub(super) fn requests(&self) -> u64 {
        self.count + self.failures
    }
}

/// How far the requests of a run are from independence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Dependence {
    /// Correlation of each latency with the next one.
    pub(crate) autocorrelation: Option<f64>,
    /// Number of independent requests that would say as much about the mean.
    pub(crate) effective_size: Option<f64>,
    /// Number of independent requests that would say as much about the 99th percentile.
    pub(crate) effective_size_p99: Option<f64>,
    /// Length of the resampled blocks, in requests. `None`, like the fields above, when the order of the requests is
    /// not known.
    pub(crate) block_length: Option<usize>,
}

impl Dependence {
    fn of(run: &Run) -> Self {
        let latencies = &run.latencies_ms;
        if !run.is_ordered {
            return Self::default();
        }
        Self {
            autocorrelation: autocorrelation(latencies, 1),
            effective_size: effective_sample_size(latencies),
            effective_size_p99: effective_sample_size_of_quantile(latencies, 0.99),
            block_length: Some(block_length(run)),
        }
    }
}

/// The shortest stretch of time that is resampled as one block, in seconds. Pauses for garbage collection or a flush
/// last up to about as long.
const FLOOR_SECONDS: f64 = 1.0;
/// At least this many blocks must fit into a run. Otherwise resampling would only repeat the run itself.
const FEWEST_BLOCKS_A_RUN: usize = 10;

/// Returns the block length in requests by Politis and White, at least a second of requests and at most a tenth of the
/// run.
fn block_length(run: &Run) -> usize {
    let second = run.throughput.map_or(1.0, |rate| rate * FLOOR_SECONDS);
    let second = second.ceil() as usize;
    let automatic = automatic_block_length(&run.latencies_ms, second).unwrap_or(second);
    automatic
        .min(run.latencies_ms.len() / FEWEST_BLOCKS_A_RUN)
        .max(1)
}

/// The figures of one run, with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunFigures {
    pub(crate) label: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// The steps in which its latencies are recorded, in milliseconds. `None` if there is no visible step.
    pub(crate) resolution_ms: Option<f64>,
    pub(crate) dependence: Dependence,
    /// The course of the run over time, warm-up included.
    pub(crate) timeline: Vec<TimeBin>,
}

impl RunFigures {
    fn of(run: &Run) -> Self {
        let sorted = SortedSample::new(&run.latencies_ms);
        Self {
            label: run.label.clone(),
            figures: Figures::new(sorted.as_ref(), run.failures, run.throughput),
            resolution_ms: sorted.as_ref().and_then(lattice_step),
            dependence: Dependence::of(run),
            timeline: run.timeline.clone(),
        }
    }
}

/// All runs of one side, separate and pooled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SideSummary {
    pub(crate) name: String,
    /// Figures over the requests of all runs together.
    pub(crate) pooled: Figures,
    /// Figures of each run, in the order given.
    pub(crate) runs: Vec<RunFigures>,
}

/// The runs of one side during a comparison: their figures, and all requests pooled.
pub(super) struct Pooled<'a> {
    pub(super) runs: &'a [Run],
    pub(super) summary: SideSummary,
    /// All latencies in milliseconds, run after run, each run in the order of sending.
    pub(super) latencies_ms: Vec<f64>,
    /// The same latencies, ascending. `None` if there are none.
    pub(super) sorted: Option<SortedSample>,
}

impl<'a> Pooled<'a> {
    fn new(name: &str, runs: &'a [Run]) -> Self {
        let throughputs: Option<Vec<f64>> = runs.iter().map(|run| run.throughput).collect();
        let throughput = throughputs.and_then(|rates| mean(&rates));
        let failures = runs.iter().map(|run| run.failures).sum();
        let latencies_ms: Vec<f64> = runs
            .iter()
            .flat_map(|run| run.latencies_ms.iter().copied())
            .collect();
        let sorted = SortedSample::new(&latencies_ms);
        Self {
            runs,
            summary: SideSummary {
                name: name.to_owned(),
                pooled: Figures::new(sorted.as_ref(), failures, throughput),
                runs: runs.iter().map(RunFigures::of).collect(),
            },
            latencies_ms,
            sorted,
        }
    }

    /// Returns all latencies in milliseconds, ascending.
    pub(super) fn ascending(&self) -> &[f64] {
        self.sorted.as_ref().map_or(&[], SortedSample::values)
    }

    /// Returns all runs one after the other, with the largest of their block lengths. `None` when the order of the
    /// requests of a run is not known.
    pub(super) fn series(&self) -> Option<Series<'_>> {
        let runs = self.summary.runs.iter();
        let lengths: Option<Vec<usize>> = runs.map(|run| run.dependence.block_length).collect();
        Some(Series {
            values: &self.latencies_ms,
            block_length: lengths?.into_iter().max()?,
        })
    }
}

/// The two sides of a comparison. Run i of the baseline and run i of the changed side make block i.
pub(super) struct Sides<'a> {
    pub(super) baseline: Pooled<'a>,
    pub(super) changed: Pooled<'a>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(names: [&str; 2], baseline: &'a [Run], changed: &'a [Run]) -> Self {
        Self {
            baseline: Pooled::new(names[0], baseline),
            changed: Pooled::new(names[1], changed),
        }
    }

    pub(super) fn both(&self) -> [&Pooled<'a>; 2] {
        [&self.baseline, &self.changed]
    }

    pub(super) fn summaries(&self) -> [&SideSummary; 2] {
        self.both().map(|side| &side.summary)
    }

    pub(super) fn names(&self) -> [&str; 2] {
        self.summaries().map(|side| side.name.as_str())
    }

    /// Returns all runs, each with the name of its side.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&str, &'a Run)> {
        let sides = self.both().into_iter();
        sides.flat_map(|side| {
            let runs = side.runs.iter();
            runs.map(|run| (side.summary.name.as_str(), run))
        })
    }

    /// Returns the number of blocks, `None` when the sides have different numbers of runs.
    pub(super) fn count(&self) -> Option<usize> {
        let [old, new] = self.both().map(|side| side.runs.len());
        (old == new).then_some(old)
    }

    /// Returns the figures of the two runs of each block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = [&RunFigures; 2]> {
        let [old, new] = self.summaries().map(|side| side.runs.iter());
        old.zip(new).map(|(old, new)| [old, new])
    }

    /// Returns the requests of the two runs of each block for resampling. `None` without blocks, and when the order of
    /// the requests of a run is not known.
    pub(super) fn pairs(&self) -> Option<Vec<RunPair<'a>>> {
        let series = |side: &Pooled<'a>, index: usize| {
            Some(Series {
                values: &side.runs[index].latencies_ms,
                block_length: side.summary.runs[index].dependence.block_length?,
            })
        };
        let pair = |index| {
            Some(RunPair {
                baseline: series(&self.baseline, index)?,
                changed: series(&self.changed, index)?,
            })
        };
        (0..self.count()?).map(pair).collect()
    }
}

/// Returns how far the mean log-ratio over the blocks may lie from the truth because of the steps, 0 without steps.
/// `None` when a figure lies below half a step, so that its ratio may have any value.
pub(super) fn hidden(metric: Metric, sides: &Sides<'_>) -> Option<f64> {
    let blocks = sides.blocks().map(|[old, new]| {
        // The larger bound of the two holds for rounded values (up to half a step either way) and for cut-off values
        // (up to a step one way).
        Some(hidden_in(metric, old)?.max(hidden_in(metric, new)?))
    });
    mean(&blocks.collect::<Option<Vec<f64>>>()?)
}

fn hidden_in(metric: Metric, run: &RunFigures) -> Option<f64> {
    let step = run.resolution_ms.filter(|_| metric != Metric::Throughput);
    hidden_at(metric.of(&run.figures)?, step.unwrap_or(0.0))
}

/// Returns the coarsest step of the runs' latencies, in milliseconds.
pub(super) fn coarsest(sides: [&SideSummary; 2]) -> Option<f64> {
    let runs = sides.into_iter().flat_map(|side| &side.runs);
    runs.filter_map(|run| run.resolution_ms).reduce(f64::max)
}
