//! Quantiles of a resample, value by value.

use super::Series;
use super::ring::Ring;
use crate::stats::SplitMix64;

pub(super) struct Exact {
    ring: Ring,
    /// The values, ascending.
    sorted: Vec<f64>,
    /// Where each of them stands in the series.
    places: Vec<u32>,
    probabilities: Vec<f64>,
}

impl Exact {
    pub(super) fn new(series: Series<'_>, probabilities: &[f64]) -> Self {
        let mut places: Vec<u32> = (0..series.values.len() as u32).collect();
        places.sort_by(|a, b| series.values[*a as usize].total_cmp(&series.values[*b as usize]));
        Self {
            ring: Ring::new(places.len(), series.block_length),
            sorted: places
                .iter()
                .map(|place| series.values[*place as usize])
                .collect(),
            places,
            probabilities: probabilities.to_vec(),
        }
    }

    /// Quantiles by linear interpolation (type 7): one walk up the sorted values.
    pub(super) fn draw(&mut self, random: &mut SplitMix64, quantiles: &mut [f64]) {
        self.ring.draw(random);
        let last = self.sorted.len() - 1;
        let (mut covered, mut next) = (0_usize, 0_usize);
        for (quantile, probability) in quantiles.iter_mut().zip(&self.probabilities) {
            let position = last as f64 * probability;
            let rank = position.floor() as usize;
            while covered <= rank {
                covered += self.multiplicity(next);
                next += 1;
            }
            let low = self.sorted[next - 1];
            let high = if covered > rank + 1 || rank == last {
                low
            } else {
                let above = (next..=last).find(|place| self.multiplicity(*place) > 0);
                above.map_or(low, |place| self.sorted[place])
            };
            *quantile = low + (position - rank as f64) * (high - low);
        }
    }

    fn multiplicity(&self, sorted_place: usize) -> usize {
        self.ring.multiplicities[self.places[sorted_place] as usize] as usize
    }
}
