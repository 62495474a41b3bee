//! Experiments whose truth is known. The runs are drawn, not measured.
//!
//! Latencies are log-normal. Their logarithms follow an AR(1) process with standard deviation 0.3, so neighbours
//! resemble each other. Each run has its own factor, because no two runs of a program are alike.

use std::time::{Duration, SystemTime};

use load_client::compare::{Comparison, Detail, Metric, Options, Run, Verdict, compare};
use load_client::stats::SplitMix64;

use super::normal::Normal;

/// Number of blocks of an experiment.
const BLOCKS: usize = 6;
/// Number of requests of a run.
const REQUESTS: usize = 400;
/// Standard deviation of the logarithm of a run's factor, if nothing else is stated.
pub(crate) const RUN_NOISE: f64 = 0.025;
/// Standard deviation of the logarithm of the latencies within a run.
const REQUEST_NOISE: f64 = 0.3;

/// The truth of an experiment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// Correlation of each logarithm with the next one.
    pub(crate) correlation: f64,
    /// Relative change of the median.
    pub(crate) change: f64,
    /// The baseline's median round trip in milliseconds.
    pub(crate) median_ms: f64,
    /// Standard deviation of the logarithm of a run's factor.
    pub(crate) run_noise: f64,
    /// Rise of the machine's round trips from one run to the next.
    pub(crate) drift: f64,
    /// The order in which the runs are made.
    pub(crate) order: Order,
    /// Steps of the recorded latencies in milliseconds. 0 does not round them.
    pub(crate) step_ms: f64,
    /// Share of the requests that fail, on both sides and at random.
    pub(crate) failures: f64,
}

/// The order in which the runs are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    /// Block by block, with either side first in turns.
    Turns,
    /// Block by block, with the baseline always first.
    Fixed,
    /// The whole baseline first.
    Sequence,
}

impl Default for Truth {
    fn default() -> Self {
        Self {
            correlation: 0.0,
            change: 0.0,
            median_ms: 6.0,
            run_noise: RUN_NOISE,
            drift: 0.0,
            order: Order::Turns,
            step_ms: 0.0,
            failures: 0.0,
        }
    }
}

impl Truth {
    /// Returns the position in time of the run of this block and side, in runs.
    fn place(&self, block: usize, is_changed: bool) -> usize {
        match self.order {
            Order::Sequence => block + BLOCKS * usize::from(is_changed),
            Order::Fixed => 2 * block + usize::from(is_changed),
            Order::Turns => 2 * block + usize::from(is_changed != (block % 2 == 1)),
        }
    }
}

/// The answers for many experiments with the same truth.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answers {
    pub(crate) experiments: u32,
    pub(crate) faster: u32,
    pub(crate) slower: u32,
    pub(crate) equivalent: u32,
    pub(crate) inconclusive: u32,
    /// Experiments without a verdict.
    pub(crate) refused: u32,
    /// Experiments with a warning of a drift.
    pub(crate) drifting: u32,
    /// Conclusions that say that the runs were not made in turns, or always in one order.
    pub(crate) out_of_turn: u32,
    /// How often the 95 % interval of the median's change includes the truth.
    pub(crate) covered: u32,
    /// How often Welch's test over all requests has p < 0.05.
    pub(crate) per_request: u32,
}

impl Answers {
    /// Returns the share of a count.
    pub(crate) fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.experiments)
    }

    fn add(&mut self, truth: Truth, comparison: &Comparison) {
        self.experiments += 1;
        match comparison.verdict {
            Some(Verdict::Faster) => self.faster += 1,
            Some(Verdict::Slower) => self.slower += 1,
            Some(Verdict::Equivalent) => self.equivalent += 1,
            Some(Verdict::Inconclusive { .. }) => self.inconclusive += 1,
            None => self.refused += 1,
        }
        let told = |words: &str| {
            comparison
                .warnings
                .iter()
                .any(|own| own.text.contains(words))
        };
        self.drifting += u32::from(told("from block to block"));
        let out_of_turn = ["in turns", "in one order"];
        let conclusion = &comparison.conclusion;
        self.out_of_turn += u32::from(out_of_turn.iter().any(|words| conclusion.contains(words)));
        let blocks = comparison.blocks.as_ref();
        let effect = blocks.and_then(|blocks| blocks.effect(Metric::P50));
        let holds = effect.is_some_and(|own| (own.low..=own.high).contains(&truth.change));
        self.covered += u32::from(holds);
        let welch = comparison.per_request.welch.as_ref();
        self.per_request += u32::from(welch.is_some_and(|welch| welch.p.is_below(0.05)));
    }
}

/// Draws and compares experiments. The seed decides all of them.
pub(crate) fn simulate(truth: Truth, experiments: u32, seed: u64) -> Answers {
    let mut random = Normal(SplitMix64::new(seed));
    let options = Options {
        detail: Detail::Verdict,
        ..Options::default()
    };
    let mut answers = Answers::default();
    for _ in 0..experiments {
        let [baseline, changed] = [false, true].map(|changed| side(truth, changed, &mut random));
        // The error is for sides without runs, which do not occur.
        if let Ok(comparison) = compare(&baseline, &changed, &options) {
            answers.add(truth, &comparison);
        }
    }
    answers
}

fn side(truth: Truth, is_changed: bool, random: &mut Normal) -> Vec<Run> {
    let change = if is_changed { truth.change } else { 0.0 };
    let run = |block| {
        let place = truth.place(block, is_changed);
        let drift = (1.0 + truth.drift).powi(place as i32);
        let factor = drift * (1.0 + change) * (truth.run_noise * random.draw()).exp();
        let mut state = random.draw();
        let (mut latencies, mut failures) = (Vec::new(), 0);
        for _ in 0..REQUESTS {
            let correlation = truth.correlation;
            let innovation = (1.0 - correlation * correlation).sqrt() * random.draw();
            state = correlation * state + innovation;
            if truth.failures > 0.0 && random.uniform() <= truth.failures {
                failures += 1;
                continue;
            }
            let latency = truth.median_ms * factor * (REQUEST_NOISE * state).exp();
            latencies.push(rounded(latency, truth.step_ms));
        }
        let mut run = Run::new(format!("drawn-{place}"), latencies);
        run.failures = failures;
        run.started = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60 * place as u64));
        run
    };
    (0..BLOCKS).map(run).collect()
}

fn rounded(latency: f64, step: f64) -> f64 {
    if step > 0.0 {
        (latency / step).round() * step
    } else {
        latency
    }
}
