//! Decides which kind of request comes next, by weight.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::load::Share;

/// Smooth weighted round robin, as nginx distributes requests over servers. In every turn each kind's credit grows by
/// its weight. The kind with the highest credit is chosen, and pays the total of the weights.
///
/// In every sequence of as many choices as the sum of the weights, each kind comes exactly as often as its weight. The
/// turns of a heavy kind are spread among those of the light ones. Nothing is random, so neither the shares nor the
/// order differ between runs.
#[derive(Debug)]
pub(super) struct WeightedRoundRobin {
    weights: Vec<i64>,
    total: i64,
    credit: Mutex<Vec<i64>>,
    /// Number of other clients' turns between two turns of this client.
    skipped: i64,
}

impl WeightedRoundRobin {
    pub(super) fn new(weights: impl Iterator<Item = u32>, share: Share) -> Self {
        let weights: Vec<i64> = weights.map(i64::from).collect();
        let total = weights.iter().sum::<i64>().max(1);
        let own = Self {
            total,
            credit: Mutex::new(vec![0; weights.len()]),
            // After as many turns as the sum of the weights, the state repeats.
            skipped: i64::from(share.of() - 1) % total,
            weights,
        };
        for _ in 0..i64::from(share.index()) % total {
            own.turn(&mut own.lock());
        }
        own
    }

    /// Returns the index of the next kind.
    pub(super) fn next(&self) -> usize {
        if self.weights.len() < 2 {
            return 0;
        }
        let mut credit = self.lock();
        let own = self.turn(&mut credit);
        for _ in 0..self.skipped {
            self.turn(&mut credit);
        }
        own
    }

    fn lock(&self) -> MutexGuard<'_, Vec<i64>> {
        // No code panics while it holds the lock.
        self.credit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, credit: &mut [i64]) -> usize {
        let mut richest = 0;
        for index in 0..self.weights.len() {
            credit[index] += self.weights[index];
            if credit[index] > credit[richest] {
                richest = index;
            }
        }
        credit[richest] -= self.total;
        richest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(weights: &[u32], count: usize) -> Vec<usize> {
        let wheel = WeightedRoundRobin::new(weights.iter().copied(), Share::WHOLE);
        (0..count).map(|_| wheel.next()).collect()
    }

    #[test]
    fn turns_are_spread() {
        // nginx's own example.
        assert_eq!(choices(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(choices(&[3], 3), [0, 0, 0]);
    }

    #[test]
    fn shares_are_exact_in_every_row() {
        for weights in [&[1, 1][..], &[3, 7], &[1, 2, 3, 4], &[100, 1, 50]] {
            let total: u32 = weights.iter().sum();
            let total = total as usize;
            for row in choices(weights, total * 3).chunks(total) {
                for (kind, weight) in weights.iter().enumerate() {
                    let count = row.iter().filter(|choice| **choice == kind).count();
                    assert_eq!(count, *weight as usize, "{weights:?}");
                }
            }
        }
    }

    #[test]
    fn shares_are_exact_with_many_users() {
        let wheel = WeightedRoundRobin::new([3, 1].into_iter(), Share::WHOLE);
        let counted = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| wheel.next() == 0).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(counted, 3000);
    }
}
