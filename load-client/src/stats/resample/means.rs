//! The mean of a resample, from sums over segments.

use super::Series;
use super::ring::Ring;
use crate::stats::SplitMix64;

/// Most segments; up to so many values each is a segment of its own.
const SEGMENTS: usize = 16_384;

pub(super) struct Means {
    ring: Ring,
    sums: Vec<f64>,
    lengths: Vec<f64>,
}

impl Means {
    pub(super) fn new(series: Series<'_>) -> Self {
        let segment = series.values.len().div_ceil(SEGMENTS);
        let segments = series.values.chunks(segment);
        let sums: Vec<f64> = segments.clone().map(|values| values.iter().sum()).collect();
        Self {
            ring: Ring::new(sums.len(), series.block_length.div_ceil(segment)),
            lengths: segments.map(|values| values.len() as f64).collect(),
            sums,
        }
    }

    pub(super) fn draw(&mut self, random: &mut SplitMix64) -> f64 {
        self.ring.draw(random);
        let drawn = self
            .ring
            .multiplicities
            .iter()
            .map(|times| f64::from(*times));
        let (sum, count) = drawn
            .zip(self.sums.iter().zip(&self.lengths))
            .fold((0.0, 0.0), |(sum, count), (times, (part, length))| {
                (sum + times * part, count + times * length)
            });
        sum / count
    }
}
