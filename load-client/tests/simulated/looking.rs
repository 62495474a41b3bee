//! Experiments with a look after each block, which end as soon as they are decided. Their truth is known: each block is
//! a drawn log-ratio, not a measured one.

use load_client::compare::{Options, Verdict, verdict_on};
use load_client::stats::SplitMix64;

use super::normal::Normal;

/// Number of blocks of an experiment with a fixed number of them.
pub(crate) const FIXED: usize = 6;
/// Least and most blocks of an experiment with a look after each block, the same as in `harness experiment`.
pub(crate) const LEAST: usize = 4;
pub(crate) const MOST: usize = 40;

/// The scatter of the log-ratios of the blocks. The standard deviation is that of the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Noise {
    Normal,
    /// Student's t with three degrees of freedom.
    HeavyTails,
    /// One block in twenty-five is twenty times as noisy.
    Outliers,
    /// Log-normal, with skewness 2.3.
    Skewed,
}

/// The moments of looking, and the interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Looking {
    /// Once, after six blocks, with Student's t.
    Once,
    /// After each block, with the same interval, which does not hold for several looks.
    TooOften,
    /// After each block, with the confidence sequence.
    Anytime,
}

/// The truth of the blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    pub(crate) change: f64,
    /// Standard deviation of the log-ratio of a block.
    pub(crate) spread: f64,
    pub(crate) noise: Noise,
}

/// The answers for many experiments with the same truth.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ends {
    pub(crate) experiments: u32,
    pub(crate) faster: u32,
    pub(crate) slower: u32,
    pub(crate) equivalent: u32,
    /// Total of all experiments.
    pub(crate) blocks: usize,
}

impl Ends {
    /// Returns the share of a count.
    pub(crate) fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.experiments)
    }

    pub(crate) fn mean_blocks(&self) -> f64 {
        self.blocks as f64 / f64::from(self.experiments)
    }
}

/// Draws experiments, and ends each by the rule. The seed decides all of them.
pub(crate) fn look(truth: Blocks, looking: Looking, experiments: u32, seed: u64) -> Ends {
    let mut random = Normal(SplitMix64::new(seed));
    let options = Options {
        is_sequential: looking == Looking::Anytime,
        ..Options::default()
    };
    let mut ends = Ends::default();
    for _ in 0..experiments {
        // All blocks are drawn, so that each way of looking sees the same experiments.
        let drawn: [f64; MOST] = std::array::from_fn(|_| {
            truth.change.ln_1p() + truth.spread * truth.noise.draw(&mut random)
        });
        let (blocks, verdict) = end(&drawn, looking, &options);
        ends.experiments += 1;
        ends.blocks += blocks;
        match verdict {
            Some(Verdict::Faster) => ends.faster += 1,
            Some(Verdict::Slower) => ends.slower += 1,
            Some(Verdict::Equivalent) => ends.equivalent += 1,
            Some(Verdict::Inconclusive { .. }) | None => {}
        }
    }
    ends
}

fn end(drawn: &[f64], looking: Looking, options: &Options) -> (usize, Option<Verdict>) {
    let looks = match looking {
        Looking::Once => FIXED..=FIXED,
        Looking::TooOften | Looking::Anytime => LEAST..=MOST,
    };
    let mut last = (0, None);
    for blocks in looks {
        let verdict = verdict_on(&drawn[..blocks], options);
        last = (blocks, verdict);
        if !matches!(verdict, None | Some(Verdict::Inconclusive { .. })) {
            break;
        }
    }
    last
}

impl Noise {
    /// Draws a number with mean zero and standard deviation one.
    fn draw(self, random: &mut Normal) -> f64 {
        match self {
            Self::Normal => random.draw(),
            Self::HeavyTails => {
                let squares: f64 = (0..3).map(|_| random.draw().powi(2)).sum();
                // The variance of Student's t with three degrees of freedom is three.
                random.draw() / (squares / 3.0).sqrt() / 3.0_f64.sqrt()
            }
            Self::Outliers => {
                let factor = if random.uniform() <= 0.04 { 20.0 } else { 1.0 };
                factor * random.draw() / (0.96 + 0.04 * 400.0_f64).sqrt()
            }
            Self::Skewed => {
                let sigma = 0.6_f64;
                let (mean, grown) = ((sigma * sigma / 2.0).exp(), (sigma * sigma).exp());
                let deviation = mean * (grown - 1.0).sqrt();
                ((sigma * random.draw()).exp() - mean) / deviation
            }
        }
    }
}
