//! The figures of one resample: its quantiles value by value ([`Exact`]) or, of a long series, from counts over
//! thresholds ([`Coarse`]), and its mean ([`Means`]).

use crate::stats::resample::{Ring, Series};
use crate::stats::{SortedSample, SplitMix64, quantile_of_sorted};

/// Segments of a series, unless they would hold more values than an i16 counts.
const SEGMENTS: usize = 1_024;

/// Thresholds over the whole range.
const OVERVIEW: usize = 64;

/// Thresholds round each quantile.
const CLOSE_UP: usize = 128;

/// Standard deviations of a resample's quantile that the close-up reaches to either side.
const REACH: f64 = 6.0;

/// Quantiles of resamples of a long series.
///
/// The number of values of a resample at or below a threshold is the sum, over the segments of the
/// series, of how often the segment was drawn times how many of its values are that low. That is a
/// product of two short vectors, and a quantile is found by halving over the thresholds.
pub(super) struct Coarse {
    ring: Ring,
    /// Values of each segment.
    lengths: Vec<i16>,
    /// Some of the values, ascending, the smallest and the largest among them.
    thresholds: Vec<f64>,
    /// Whether no other value lies between a threshold and the one before it.
    adjacent: Vec<bool>,
    /// For each threshold one row: how many values of each segment are at or below it.
    counts: Vec<i16>,
    probabilities: Vec<f64>,
}

impl Coarse {
    pub(super) fn new(series: Series<'_>, sorted: &SortedSample, probabilities: &[f64]) -> Self {
        let count = series.values.len();
        let segment = count.div_ceil(SEGMENTS).min(i16::MAX as usize);
        let segments: Vec<&[f64]> = series.values.chunks(segment).collect();
        let block = series.block_length.div_ceil(segment).min(segments.len());
        let thresholds = thresholds(&segments, block, sorted, probabilities);
        let values = sorted.values();
        let next = |threshold: f64| values[values.partition_point(|value| *value <= threshold)];
        let adjacent = thresholds.windows(2).map(|pair| next(pair[0]) == pair[1]);
        let adjacent = std::iter::once(true).chain(adjacent).collect();
        Self {
            ring: Ring::new(segments.len(), block),
            lengths: segments.iter().map(|values| values.len() as i16).collect(),
            counts: counts_below(&segments, &thresholds),
            thresholds,
            adjacent,
            probabilities: probabilities.to_vec(),
        }
    }

    pub(super) fn draw(&mut self, random: &mut SplitMix64) -> Vec<f64> {
        self.ring.draw(random);
        let last = f64::from(dot(&self.lengths, &self.ring.multiplicities) - 1);
        let probabilities = self.probabilities.iter();
        probabilities.map(|own| self.quantile(last * own)).collect()
    }

    /// The value at a position, counted from 0, among the drawn values.
    fn quantile(&self, position: f64) -> f64 {
        let rank = position.floor() as i32;
        let (mut low, mut high) = (0, self.thresholds.len() - 1);
        let (mut before, mut up_to) = (0, i32::MAX);
        while low < high {
            let middle = low.midpoint(high);
            let count = self.at_or_below(middle);
            if count > rank {
                (high, up_to) = (middle, count);
            } else {
                (low, before) = (middle + 1, count);
            }
        }
        if self.adjacent[low] {
            return self.thresholds[low];
        }
        if up_to == i32::MAX {
            up_to = self.at_or_below(low);
        }
        let share = (position - f64::from(before) + 1.0) / f64::from(up_to - before);
        let below = self.thresholds[low - 1];
        below + share.clamp(0.0, 1.0) * (self.thresholds[low] - below)
    }

    fn at_or_below(&self, threshold: usize) -> i32 {
        let segments = self.lengths.len();
        let row = &self.counts[threshold * segments..(threshold + 1) * segments];
        dot(row, &self.ring.multiplicities)
    }
}

fn dot(counts: &[i16], multiplicities: &[i16]) -> i32 {
    let pairs = counts.iter().zip(multiplicities);
    pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// An overview of all values, and a close-up of where each quantile of the resamples can fall.
fn thresholds(
    segments: &[&[f64]],
    block: usize,
    sorted: &SortedSample,
    probabilities: &[f64],
) -> Vec<f64> {
    let values = sorted.values();
    let last = (values.len() - 1) as f64;
    let mut ranks: Vec<f64> = (0..OVERVIEW)
        .map(|step| last * step as f64 / (OVERVIEW - 1) as f64)
        .collect();
    for probability in probabilities {
        let at = quantile_of_sorted(values, *probability).unwrap_or(values[0]);
        let reach = (REACH * rank_deviation(segments, block, at)).max(CLOSE_UP as f64 / 2.0);
        let step = 2.0 * reach / (CLOSE_UP - 1) as f64;
        let first = last * probability - reach;
        ranks.extend((0..CLOSE_UP).map(|index| first + step * index as f64));
    }
    let mut thresholds: Vec<f64> = ranks
        .iter()
        .map(|rank| values[rank.clamp(0.0, last).round() as usize])
        .collect();
    thresholds.sort_unstable_by(f64::total_cmp);
    thresholds.dedup();
    thresholds
}

/// Standard deviation, over the resamples, of the number of values at or below `threshold`.
fn rank_deviation(segments: &[&[f64]], block: usize, threshold: f64) -> f64 {
    let low: Vec<f64> = segments
        .iter()
        .map(|values| values.iter().filter(|value| **value <= threshold).count() as f64)
        .collect();
    let centre = low.iter().sum::<f64>() / low.len() as f64 * block as f64;
    let mut sum: f64 = low[..block].iter().sum();
    let mut squares = 0.0;
    for start in 0..low.len() {
        squares += (sum - centre).powi(2);
        sum += low[(start + block) % low.len()] - low[start];
    }
    (squares / block as f64).sqrt()
}

fn counts_below(segments: &[&[f64]], thresholds: &[f64]) -> Vec<i16> {
    let width = segments.len();
    let mut counts = vec![0_i16; thresholds.len() * width];
    for (column, values) in segments.iter().enumerate() {
        for value in *values {
            let row = thresholds.partition_point(|threshold| threshold < value);
            counts[row * width + column] += 1;
        }
    }
    for index in width..counts.len() {
        counts[index] += counts[index - width];
    }
    counts
}

/// Quantiles of resamples, value by value.
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
    pub(super) fn draw(&mut self, random: &mut SplitMix64) -> Vec<f64> {
        self.ring.draw(random);
        let last = self.sorted.len() - 1;
        let (mut covered, mut next) = (0_usize, 0_usize);
        let quantile = |probability: &f64| {
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
            low + (position - rank as f64) * (high - low)
        };
        self.probabilities.iter().map(quantile).collect()
    }

    fn multiplicity(&self, sorted_place: usize) -> usize {
        self.ring.multiplicities[self.places[sorted_place] as usize] as usize
    }
}

/// Most segments; up to so many values each is a segment of its own.
const MEAN_SEGMENTS: usize = 16_384;

/// Means of resamples.
pub(super) struct Means {
    ring: Ring,
    sums: Vec<f64>,
    lengths: Vec<f64>,
}

impl Means {
    pub(super) fn new(series: Series<'_>) -> Self {
        let segment = series.values.len().div_ceil(MEAN_SEGMENTS);
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
        let total = |parts: &[f64]| -> f64 {
            let drawn = self.ring.multiplicities.iter().zip(parts);
            drawn.map(|(times, part)| f64::from(*times) * part).sum()
        };
        total(&self.sums) / total(&self.lengths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Bootstrap;

    /// Values that resemble the one before them, above zero, in steps of `step`.
    fn correlated(seed: u64, count: usize, correlation: f64, step: f64) -> Vec<f64> {
        let mut random = SplitMix64::new(seed);
        let mut state = 0.0;
        (0..count)
            .map(|_| {
                state = correlation * state + random.below(2001) as f64 - 1000.0;
                ((20_000.0 + state) / step).round() * step
            })
            .collect()
    }

    fn series(values: &[f64], block_length: usize) -> Series<'_> {
        Series {
            values,
            block_length,
        }
    }

    #[test]
    fn the_counted_quantiles_are_those_of_the_written_out_resample() {
        let values = correlated(1, 137, 0.5, 7.0);
        let probabilities = [0.0, 0.1, 0.5, 0.905, 1.0];
        for block in [1, 4, 137, 500] {
            let mut exact = Exact::new(series(&values, block), &probabilities);
            let mut ring = Ring::new(values.len(), block);
            let (mut random, mut again) = (SplitMix64::new(8), SplitMix64::new(8));
            for _ in 0..50 {
                let found = exact.draw(&mut random);
                ring.draw(&mut again);
                let mut resample: Vec<f64> = values
                    .iter()
                    .zip(&ring.multiplicities)
                    .flat_map(|(value, times)| vec![*value; *times as usize])
                    .collect();
                resample.sort_unstable_by(f64::total_cmp);
                for (quantile, probability) in found.iter().zip(probabilities) {
                    let expected = quantile_of_sorted(&resample, probability).unwrap();
                    assert!((quantile - expected).abs() < 1e-9, "{block} {probability}");
                }
            }
        }
    }

    #[test]
    fn the_coarse_way_gives_nearly_the_exact_interval() {
        let probabilities = [0.1, 0.5, 0.9, 0.99];
        // Fine steps hardly tie, coarse ones put hundreds of values on one.
        for step in [0.001, 200.0] {
            let values = correlated(4, 20_000, 0.9, step);
            let sorted = SortedSample::new(&values).unwrap();
            // 200 is a multiple of the segment length, so both draw blocks of the same length.
            let mut exact = Exact::new(series(&values, 200), &probabilities);
            let mut coarse = Coarse::new(series(&values, 200), &sorted, &probabilities);
            let interval = |draw: &mut dyn FnMut(&mut SplitMix64) -> Vec<f64>| {
                let mut random = SplitMix64::new(6);
                let mut lists = vec![Vec::new(); 4];
                for _ in 0..1500 {
                    for (list, quantile) in lists.iter_mut().zip(draw(&mut random)) {
                        list.push(quantile);
                    }
                }
                let each = lists
                    .iter()
                    .map(|list| Bootstrap::default().estimate(0.0, list).unwrap());
                each.collect::<Vec<_>>()
            };
            let wanted = interval(&mut |random| exact.draw(random));
            let found = interval(&mut |random| coarse.draw(random));
            for (wanted, found) in wanted.iter().zip(found) {
                let width = wanted.high - wanted.low;
                let low = (found.low - wanted.low).abs();
                let high = (found.high - wanted.high).abs();
                // Different draws, so the ends differ by what 1,500 replicates leave to chance.
                assert!(
                    low < 0.1 * width + step && high < 0.1 * width + step,
                    "{wanted:?} {found:?}"
                );
            }
        }
    }

    #[test]
    fn blocks_fill_the_ring_and_wrap_round() {
        for block in [1, 2, 3, 7, 10, 99] {
            let mut ring = Ring::new(10, block);
            let mut random = SplitMix64::new(3);
            let mut seen = [0_i64; 10];
            for _ in 0..2000 {
                ring.draw(&mut random);
                let places: i64 = ring.multiplicities.iter().map(|m| i64::from(*m)).sum();
                assert_eq!(places, 10, "{block}");
                for (total, multiplicity) in seen.iter_mut().zip(&ring.multiplicities) {
                    *total += i64::from(*multiplicity);
                }
            }
            // Each place is as likely as any other, the first and the last included.
            assert!(
                seen.iter().all(|total| (1800..2200).contains(total)),
                "{block}: {seen:?}"
            );
        }
    }

    #[test]
    fn a_block_of_one_is_a_plain_draw() {
        let (mut ring, mut random) = (Ring::new(5, 1), SplitMix64::new(9));
        ring.draw(&mut random);
        let mut expected = [0_i16; 5];
        let mut again = SplitMix64::new(9);
        for _ in 0..5 {
            expected[again.below(5)] += 1;
        }
        assert_eq!(ring.multiplicities, expected);
    }
}
