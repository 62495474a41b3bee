//! Experiments whose truth is known: the runs are drawn, not measured.
//!
//! Latencies are log-normal; their logarithms follow an AR(1) process with standard deviation 0.3, so that
//! neighbours resemble each other, and each run has a factor of its own, because no two runs of one program
//! are alike.

use load_client::compare::{Comparison, Detail, Metric, Options, Run, Verdict, compare};
use load_client::stats::SplitMix64;

/// Blocks of an experiment.
const BLOCKS: usize = 6;
/// Requests of a run.
const REQUESTS: usize = 400;
/// Median round trip in milliseconds.
const MEDIAN_MS: f64 = 6.0;
/// Standard deviation of the logarithm of a run's factor.
pub(crate) const RUN_NOISE: f64 = 0.025;
/// Standard deviation of the logarithm of the latencies within a run.
const REQUEST_NOISE: f64 = 0.3;

/// What is true of an experiment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// Correlation of each logarithm with the next.
    pub(crate) correlation: f64,
    /// Relative change of the median.
    pub(crate) change: f64,
}

/// The answers to many experiments with one truth.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answers {
    pub(crate) experiments: u32,
    pub(crate) faster: u32,
    pub(crate) slower: u32,
    pub(crate) equivalent: u32,
    pub(crate) inconclusive: u32,
    /// How often the 95 % interval of the median's change holds the truth.
    pub(crate) covered: u32,
    /// How often Welch's test over all requests has p < 0.05.
    pub(crate) per_request: u32,
}

impl Answers {
    /// Share of a count.
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
            None => {}
        }
        let blocks = comparison.blocks.as_ref();
        let effect = blocks.and_then(|blocks| blocks.effect(Metric::P50));
        let holds = effect.is_some_and(|own| (own.low..=own.high).contains(&truth.change));
        self.covered += u32::from(holds);
        let welch = comparison.parity.welch.as_ref();
        self.per_request += u32::from(welch.is_some_and(|welch| welch.p.ln() < 0.05_f64.ln()));
    }
}

/// Draws and compares experiments; the seed decides all of them.
pub(crate) fn simulate(truth: Truth, experiments: u32, seed: u64) -> Answers {
    let mut random = Normal(SplitMix64::new(seed));
    let options = Options {
        detail: Detail::Verdict,
        ..Options::default()
    };
    let mut answers = Answers::default();
    for _ in 0..experiments {
        let baseline = side(truth.correlation, 0.0, &mut random);
        let changed = side(truth.correlation, truth.change, &mut random);
        // The error is for sides without runs, which do not occur.
        if let Ok(comparison) = compare(&baseline, &changed, &options) {
            answers.add(truth, &comparison);
        }
    }
    answers
}

fn side(correlation: f64, change: f64, random: &mut Normal) -> Vec<Run> {
    let run = |_| {
        let factor = (1.0 + change) * (RUN_NOISE * random.draw()).exp();
        let mut state = random.draw();
        let latencies = (0..REQUESTS).map(|_| {
            let innovation = (1.0 - correlation * correlation).sqrt() * random.draw();
            state = correlation * state + innovation;
            MEDIAN_MS * factor * (REQUEST_NOISE * state).exp()
        });
        Run::new("drawn".to_owned(), latencies.collect())
    };
    (0..BLOCKS).map(run).collect()
}

/// Standard normal numbers: Box & Muller, "A Note on the Generation of Random Normal Deviates" (Annals of
/// Mathematical Statistics 29, 1958), the first of each pair.
struct Normal(SplitMix64);

impl Normal {
    fn draw(&mut self) -> f64 {
        let (one, two) = (self.uniform(), self.uniform());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()
    }

    /// Above 0, up to 1.
    fn uniform(&mut self) -> f64 {
        ((self.0.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}
