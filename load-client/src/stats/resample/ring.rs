//! Blocks drawn from a ring: how often each place of a series appears in a resample.

use crate::stats::SplitMix64;

/// The multiplicities of the places of a ring in the last resample.
pub(super) struct Ring {
    block: usize,
    /// How often each place was drawn; they add up to the number of places.
    pub(super) multiplicities: Vec<i16>,
    steps: Vec<i32>,
}

impl Ring {
    /// A ring of `places`, from which blocks of `block` places are drawn.
    pub(super) fn new(places: usize, block: usize) -> Self {
        Self {
            block: block.clamp(1, places),
            multiplicities: vec![0; places],
            steps: vec![0; places + 1],
        }
    }

    /// Draws as many blocks as fill the ring, cutting the last one: one draw of the generator for
    /// each block, for the place where it begins.
    pub(super) fn draw(&mut self, random: &mut SplitMix64) {
        let places = self.multiplicities.len();
        self.steps.fill(0);
        let mut left = places;
        while left > 0 {
            let length = self.block.min(left);
            let start = random.below(places);
            let end = start + length;
            self.steps[start] += 1;
            self.steps[end.min(places)] -= 1;
            if end > places {
                self.steps[0] += 1;
                self.steps[end - places] -= 1;
            }
            left -= length;
        }
        let mut covering = 0;
        for (multiplicity, step) in self.multiplicities.iter_mut().zip(&self.steps) {
            covering += step;
            // At most one for each block, and a series has fewer places than an i16 can count.
            *multiplicity = covering as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
