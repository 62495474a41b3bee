//! The order of the variants in the blocks. Each variant is first in equally many blocks, so that an effect such as
//! "the second run is warmer" is the same for all variants, even with few blocks. The blocks that it starts are random,
//! so that a drift of the machine does not look like an effect.

use load_client::stats::SplitMix64;

use super::Length;

/// The runs of one block in order. Each is the index of its variant.
pub type Block = Vec<usize>;

/// The order of the blocks of an experiment.
#[must_use]
pub fn order(length: Length, variants: usize, seed: u64) -> Vec<Block> {
    let mut generator = SplitMix64::new(seed);
    match length {
        Length::Fixed { trials } => balanced(trials as usize, variants, &mut generator),
        // It may end after any block, so each small group of blocks is balanced.
        Length::UntilDecided { max_trials, .. } => {
            let mut blocks = Vec::new();
            while blocks.len() < max_trials as usize {
                blocks.extend(balanced(variants, variants, &mut generator));
            }
            blocks.truncate(max_trials as usize);
            blocks
        }
    }
}

/// This number of blocks. Each variant starts equally many. If the number of blocks is not divisible, the seed decides
/// which variants start one more. The same seed gives the same order on every machine.
fn balanced(count: usize, variants: usize, generator: &mut SplitMix64) -> Vec<Block> {
    let first = generator.below(variants);
    let mut blocks: Vec<Block> = (0..count)
        .map(|index| {
            let start = index + first;
            let rotated = (0..variants).map(|place| (start + place) % variants);
            let mut block: Block = rotated.collect();
            // Otherwise each variant would always run after the same one.
            shuffle(&mut block[1..], generator);
            block
        })
        .collect();
    shuffle(&mut blocks, generator);
    blocks
}

/// The shuffle of Fisher and Yates.
fn shuffle<T>(items: &mut [T], generator: &mut SplitMix64) {
    for last in (1..items.len()).rev() {
        items.swap(last, generator.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(count: u32, seed: u64) -> Vec<Block> {
        order(Length::Fixed { trials: count }, 2, seed)
    }

    fn starting_with(variant: usize, order: &[Block]) -> usize {
        order.iter().filter(|block| block[0] == variant).count()
    }

    #[test]
    fn half_of_the_blocks_start_with_either_variant() {
        for seed in 0..200 {
            for count in 0..=13_u32 {
                let order = blocks(count, seed);
                assert_eq!(order.len(), count as usize);
                assert!(order.iter().all(|block| block[0] != block[1]));
                let starts = [0, 1].map(|variant| starting_with(variant, &order));
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
        let order: Vec<usize> = firsts(6, 1);
        assert_eq!(order, firsts(6, 1) as Vec<usize>);
        // Fixed, because a later version must repeat an experiment of this one.
        assert_eq!(order, [0, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn seeds_reach_every_balanced_order_about_equally_often() {
        let mut seen = std::collections::HashMap::new();
        for seed in 0..2000 {
            let order: Vec<usize> = blocks(4, seed).iter().map(|block| block[0]).collect();
            *seen.entry(order).or_insert(0) += 1;
        }
        // In four blocks, two start with tasks. That gives six orders, 333 times each on average.
        assert_eq!(seen.len(), 6);
        assert!(
            seen.values().all(|times| (260..=410).contains(times)),
            "{seen:?}"
        );
        let odd = (0..2000).filter(|seed| starting_with(1, &blocks(3, *seed)) == 2);
        assert!((900..=1100).contains(&odd.count()));
    }

    #[test]
    fn blocks_that_may_end_after_any_are_balanced_in_each_few() {
        for variants in [2, 3] {
            let length = Length::UntilDecided {
                min_trials: 3,
                max_trials: 7,
            };
            let order = order(length, variants, 5);
            assert_eq!(order.len(), 7);
            for few in order.chunks_exact(variants) {
                assert!(
                    (0..variants).all(|own| starting_with(own, few) == 1),
                    "{few:?}"
                );
            }
            assert!(order.iter().all(|block| {
                let mut places = block.clone();
                places.sort_unstable();
                places == (0..variants).collect::<Vec<_>>()
            }));
        }
    }
}
