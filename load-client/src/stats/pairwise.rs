//! Order statistics of all pairwise combinations of two samples, without forming the pairs.
//!
//! A million requests a side have 10^12 pairwise differences. They form a matrix that ascends
//! along rows and columns, so a pass of m + n steps counts how many lie below any value. Each
//! round draws some of the cells that are still possible, takes two of them that very likely
//! enclose the wanted one, and drops all cells outside. The answer is exact: chance only decides
//! how many rounds it takes, and that is fixed too, by a fixed seed.
//!
//! Monahan, "Algorithm 616: Fast Computation of the Hodges-Lehmann Location Estimator" (ACM TOMS
//! 10, 1984), with the two pivots of Floyd & Rivest, "Expected Time Bounds for Selection" (CACM
//! 18, 1975).

use crate::stats::{SortedSample, SplitMix64};

/// Fewest and most cells that a round draws; in between the square root of what is left.
const DRAWS: (f64, f64) = (512.0, 8_192.0);

/// Cells, as a multiple of m + n, that are few enough to be written down and sorted.
const FEW: u64 = 2;

/// The matrix `combine(x_i, y_j)`, where `combine` rises in its first and falls in its second
/// argument; both stay so when rounded to doubles.
pub(super) struct Pairwise<'a, F> {
    rows: &'a [f64],
    columns: &'a [f64],
    combine: F,
}

/// What is left of each row: the columns from `from` up to `to`.
struct Active {
    from: Vec<u32>,
    to: Vec<u32>,
}

impl<'a, F: Fn(f64, f64) -> f64> Pairwise<'a, F> {
    /// `None` when a sample has more than 2^32 values.
    pub(super) fn new(
        rows: &'a SortedSample,
        columns: &'a SortedSample,
        combine: F,
    ) -> Option<Self> {
        u32::try_from(rows.count().max(columns.count())).ok()?;
        Some(Self {
            rows: rows.values(),
            columns: columns.values(),
            combine,
        })
    }

    /// Number of pairs.
    pub(super) fn pairs(&self) -> u64 {
        self.rows.len() as u64 * self.columns.len() as u64
    }

    /// Rows ascend with `row`, and the columns are turned round so that they ascend too.
    fn cell(&self, row: usize, column: usize) -> f64 {
        (self.combine)(
            self.rows[row],
            self.columns[self.columns.len() - 1 - column],
        )
    }

    /// For each row, how many of its cells `is_below` holds for: one walk along the staircase.
    fn counts(&self, is_below: impl Fn(f64) -> bool) -> (Vec<u32>, u64) {
        let (mut column, mut total) = (self.columns.len(), 0);
        let counts = (0..self.rows.len())
            .map(|row| {
                while column > 0 && !is_below(self.cell(row, column - 1)) {
                    column -= 1;
                }
                total += column as u64;
                column as u32
            })
            .collect();
        (counts, total)
    }

    /// The value at `rank`, counted from 0 in ascending order, which must be below [`Self::pairs`].
    pub(super) fn select(&self, rank: u64) -> f64 {
        let mut active = Active {
            from: vec![0; self.rows.len()],
            to: vec![self.columns.len() as u32; self.rows.len()],
        };
        let few = FEW * (self.rows.len() + self.columns.len()) as u64;
        let mut random = SplitMix64::new(rank);
        let mut spread = true;
        loop {
            let (below, left) = active.totals();
            if left <= few {
                return self.nth_of_active(&active, (rank - below) as usize);
            }
            let share = (rank - below) as f64 / left as f64;
            let (low, high) = self.pivots(&active, left, share, spread, &mut random);
            let (from, below_low) = self.counts(|value| value < low);
            if rank < below_low {
                active.keep_before(&from);
                continue;
            }
            let (to, up_to_high) = self.counts(|value| value <= high);
            if rank >= up_to_high {
                active.keep_after(&to);
                continue;
            }
            if low == high {
                return low;
            }
            active.keep_after(&from);
            active.keep_before(&to);
            // With few distinct values two pivots may enclose everything for ever; one never does.
            spread = active.totals().1 < left;
        }
    }

    /// The values at `rank` and at the rank after it (the same one if there is none).
    pub(super) fn select_with_next(&self, rank: u64) -> (f64, f64) {
        let value = self.select(rank);
        let (counts, up_to_value) = self.counts(|other| other <= value);
        if up_to_value > rank + 1 {
            return (value, value);
        }
        let next = (0..self.rows.len())
            .filter(|row| (counts[*row] as usize) < self.columns.len())
            .map(|row| self.cell(row, counts[row] as usize))
            .fold(f64::INFINITY, f64::min);
        (value, if next.is_finite() { next } else { value })
    }

    /// Two drawn cells round the wanted share of the active ones, or twice the same.
    fn pivots(
        &self,
        active: &Active,
        left: u64,
        share: f64,
        spread: bool,
        random: &mut SplitMix64,
    ) -> (f64, f64) {
        let ends = active.running_totals();
        let draws = (left as f64).sqrt().clamp(DRAWS.0, DRAWS.1).floor();
        let mut drawn: Vec<f64> = (0..draws as usize)
            .map(|_| {
                let position = random.draw() % left;
                let row = ends.partition_point(|end| *end <= position);
                let before = if row == 0 { 0 } else { ends[row - 1] };
                let column = active.from[row] as usize + (position - before) as usize;
                self.cell(row, column)
            })
            .collect();
        drawn.sort_unstable_by(f64::total_cmp);
        // Three standard errors of a share enclose the wanted cell in 99.7 % of the rounds.
        let margin = if spread {
            3.0 * (share * (1.0 - share) / draws).sqrt() + 2.0 / draws
        } else {
            0.0
        };
        let at = |share: f64| drawn[((share * draws) as usize).min(drawn.len() - 1)];
        (at((share - margin).max(0.0)), at(share + margin))
    }

    fn nth_of_active(&self, active: &Active, nth: usize) -> f64 {
        let mut cells: Vec<f64> = (0..self.rows.len())
            .flat_map(|row| {
                (active.from[row]..active.to[row])
                    .map(move |column| self.cell(row, column as usize))
            })
            .collect();
        *cells.select_nth_unstable_by(nth, f64::total_cmp).1
    }
}

impl Active {
    /// Cells dropped as too small, and cells left.
    fn totals(&self) -> (u64, u64) {
        let below = self.from.iter().map(|from| u64::from(*from)).sum();
        let up_to: u64 = self.to.iter().map(|to| u64::from(*to)).sum();
        (below, up_to - below)
    }

    fn running_totals(&self) -> Vec<u64> {
        let widths = self
            .from
            .iter()
            .zip(&self.to)
            .map(|(from, to)| u64::from(to - from));
        widths
            .scan(0, |total, width| {
                *total += width;
                Some(*total)
            })
            .collect()
    }

    fn keep_before(&mut self, ends: &[u32]) {
        for ((from, to), end) in self.from.iter().zip(&mut self.to).zip(ends) {
            *to = (*to).min(*end).max(*from);
        }
    }

    fn keep_after(&mut self, starts: &[u32]) {
        for ((from, to), start) in self.from.iter_mut().zip(&self.to).zip(starts) {
            *from = (*from).max(*start).min(*to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_differences(first: &SortedSample, second: &SortedSample) -> Vec<f64> {
        let mut all: Vec<f64> = first
            .values()
            .iter()
            .flat_map(|x| second.values().iter().map(move |y| x - y))
            .collect();
        all.sort_unstable_by(f64::total_cmp);
        all
    }

    /// `levels` distinct values at most, so 2 makes nearly everything a tie.
    fn sample(seed: u64, count: usize, levels: usize) -> SortedSample {
        let mut random = SplitMix64::new(seed);
        let values: Vec<f64> = (0..count)
            .map(|_| random.below(levels) as f64 / 7.0)
            .collect();
        SortedSample::new(&values).unwrap()
    }

    #[test]
    fn every_rank_is_the_one_of_the_sorted_pairs() {
        for levels in [1, 2, 3, 40, 1_000_000] {
            let (first, second) = (sample(1, 130, levels), sample(2, 97, levels));
            let expected = all_differences(&first, &second);
            let pairs = Pairwise::new(&first, &second, |x, y| x - y).unwrap();
            assert_eq!(pairs.pairs(), expected.len() as u64);
            for rank in (0..expected.len()).step_by(211).chain([expected.len() - 1]) {
                assert_eq!(pairs.select(rank as u64), expected[rank], "{levels} {rank}");
                let next = expected[(rank + 1).min(expected.len() - 1)];
                assert_eq!(pairs.select_with_next(rank as u64), (expected[rank], next));
            }
        }
    }

    #[test]
    fn one_value_a_side() {
        let (first, second) = (sample(1, 1, 9), sample(2, 1, 9));
        let pairs = Pairwise::new(&first, &second, |x, y| x - y).unwrap();
        let only = first.min() - second.min();
        assert_eq!(pairs.select_with_next(0), (only, only));
    }
}
