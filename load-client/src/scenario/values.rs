//! Values that differ from request to request: the counter, random numbers, the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use uuid::Uuid;

/// The golden ratio in 64 bits, the step of SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What all requests of a run draw from. Lock-free, so that users do not wait for each other.
#[derive(Debug)]
pub(crate) struct Values {
    made: AtomicU64,
    random: AtomicU64,
}

/// What the placeholders of one request stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw<'a> {
    values: &'a Values,
    /// How many requests were made so far, this one included.
    pub(crate) counter: u64,
    pub(crate) user: u32,
    pub(crate) id: Uuid,
    pub(crate) now: SystemTime,
}

impl Values {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            made: AtomicU64::new(0),
            random: AtomicU64::new(seed),
        }
    }

    /// What the next request draws.
    pub(crate) fn draw(&self, user: u32, id: Uuid) -> Draw<'_> {
        Draw {
            values: self,
            counter: self.made.fetch_add(1, Ordering::Relaxed) + 1,
            user,
            id,
            now: SystemTime::now(),
        }
    }

    /// SplitMix64 (G. Steele, D. Lea, C. Flood, *Fast splittable pseudorandom number generators*,
    /// OOPSLA 2014): its state is a sum, so that an atomic addition is enough.
    fn random_bits(&self) -> u64 {
        let mut bits = self
            .random
            .fetch_add(STEP, Ordering::Relaxed)
            .wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

impl Draw<'_> {
    /// A number from `low` to `high`, both included. Each is as likely as the others, up to the
    /// range's share of 2^64.
    pub(crate) fn random(&self, low: i64, high: i64) -> i64 {
        let span = u128::from(high.abs_diff(low)) + 1;
        let scaled = (u128::from(self.values.random_bits()) * span) >> 64;
        let above_low = i128::try_from(scaled).unwrap_or_default();
        i64::try_from(i128::from(low) + above_low).unwrap_or(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of the authors' reference code (xoshiro.di.unimi.it/splitmix64.c) for
        // the seed 1234567.
        let values = Values::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| values.random_bits()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn random_numbers_fill_their_range_and_do_not_leave_it() {
        let values = Values::new(7);
        let draw = values.draw(0, Uuid::nil());
        let mut seen = [0; 11];
        for _ in 0..11_000 {
            let number = draw.random(-5, 5);
            seen[usize::try_from(number + 5).unwrap()] += 1;
        }
        assert!(
            seen.iter().all(|count| (850..1150).contains(count)),
            "{seen:?}"
        );
        assert_eq!(draw.random(3, 3), 3);
        for _ in 0..100 {
            // The widest range does not overflow.
            let _ = draw.random(i64::MIN, i64::MAX);
        }
    }

    #[test]
    fn a_seed_repeats_its_numbers() {
        let numbers = |seed| {
            let values = Values::new(seed);
            let draw = values.draw(0, Uuid::nil());
            (0..20)
                .map(|_| draw.random(1, 1_000_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    #[test]
    fn the_counter_counts_requests() {
        let values = Values::new(0);
        let counters: Vec<u64> = (0..3)
            .map(|_| values.draw(0, Uuid::nil()).counter)
            .collect();
        assert_eq!(counters, [1, 2, 3]);
    }
}
