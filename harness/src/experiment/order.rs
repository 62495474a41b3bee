//! In which order the variants run: blocks of one run each, shuffled inside the block, so that neither a
//! drift of the machine nor "the second one always runs warmer" can pass for an effect.

use serde::Serialize;

use crate::run::Variant;

/// The two runs of one block, first to last.
pub type Block = [Variant; 2];

/// The order for `count` blocks; the same for the same seed, on every machine and in every version.
#[must_use]
pub fn blocks(count: u32, seed: u64) -> Vec<Block> {
    let mut generator = SplitMix64(seed);
    let block = |_| match generator.next() >> 63 {
        0 => [Variant::Baseline, Variant::Tasks],
        _ => [Variant::Tasks, Variant::Baseline],
    };
    (0..count).map(block).collect()
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug, Serialize)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_numbers() {
        let mut generator = SplitMix64(0);
        let numbers = [generator.next(), generator.next(), generator.next()];
        assert_eq!(
            numbers,
            [
                0xe220_a839_7b1d_cdaf,
                0x6e78_9e6a_a1b9_65f4,
                0x06c4_5d18_8009_454f
            ]
        );
    }

    #[test]
    fn each_block_holds_both_variants_and_both_orders_occur() {
        let order = blocks(64, 1);
        assert!(order.iter().all(|[first, second]| first != second));
        let baseline_first = order
            .iter()
            .filter(|block| block[0] == Variant::Baseline)
            .count();
        assert!((16..=48).contains(&baseline_first), "{baseline_first}");
        assert_eq!(order, blocks(64, 1));
    }
}
