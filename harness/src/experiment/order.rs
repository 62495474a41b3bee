//! In which order the variants run: blocks of one run each. Half of the blocks start with either variant, so
//! that "the second one always runs warmer" hits both alike also where there are few blocks; which ones is
//! random, so that neither can a drift of the machine pass for an effect.

use load_client::stats::SplitMix64;

use crate::run::Variant;

/// The two runs of one block, first to last.
pub type Block = [Variant; 2];

/// The order for `count` blocks, of which half start with either variant (of an odd number, one more with the
/// baseline or with tasks, as the seed has it); the same for the same seed, on every machine.
#[must_use]
pub fn blocks(count: u32, seed: u64) -> Vec<Block> {
    let mut generator = SplitMix64::new(seed);
    let [baseline, tasks] = Variant::BOTH;
    let orders = [[baseline, tasks], [tasks, baseline]];
    let odd_one = generator.below(2);
    let mut blocks: Vec<Block> = (0..count)
        .map(|index| orders[(index as usize + odd_one) % 2])
        .collect();
    // Fisher and Yates, from the end.
    for last in (1..blocks.len()).rev() {
        blocks.swap(last, generator.below(last + 1));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starting_with(variant: Variant, order: &[Block]) -> usize {
        order.iter().filter(|block| block[0] == variant).count()
    }

    #[test]
    fn half_of_the_blocks_start_with_either_variant() {
        for seed in 0..200 {
            for count in 0..=13_u32 {
                let order = blocks(count, seed);
                assert_eq!(order.len(), count as usize);
                assert!(order.iter().all(|[first, second]| first != second));
                let starts = Variant::BOTH.map(|variant| starting_with(variant, &order));
                assert!(
                    starts[0].abs_diff(starts[1]) == count as usize % 2,
                    "{starts:?}"
                );
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let firsts = |count, seed| blocks(count, seed).iter().map(|block| block[0]).collect();
        let order: Vec<Variant> = firsts(6, 1);
        assert_eq!(order, firsts(6, 1) as Vec<Variant>);
        let [baseline, tasks] = Variant::BOTH;
        // Written down: an experiment must be repeatable with a later version too.
        assert_eq!(order, [baseline, tasks, tasks, baseline, tasks, baseline]);
    }

    #[test]
    fn seeds_reach_every_balanced_order_about_equally_often() {
        let mut seen = std::collections::HashMap::new();
        for seed in 0..2000 {
            let order: Vec<&str> = blocks(4, seed)
                .iter()
                .map(|block| block[0].name())
                .collect();
            *seen.entry(order).or_insert(0) += 1;
        }
        // Four blocks, two of which start with tasks: six ways, 333 times each on average.
        assert_eq!(seen.len(), 6);
        assert!(
            seen.values().all(|times| (260..=410).contains(times)),
            "{seen:?}"
        );
        let odd = (0..2000).filter(|seed| starting_with(Variant::Tasks, &blocks(3, *seed)) == 2);
        assert!((900..=1100).contains(&odd.count()));
    }
}
