//! Fits the names of request kinds into a terminal, as Locust does: the figures keep their room, the names
//! take what is left.

use crate::measure::summary::Summary;
use crate::measure::tally::AGGREGATED;

/// Longer names are cut whatever the room, as in Locust.
const WIDEST: usize = 80;

/// The width of the name column in a terminal of `columns`, of which the figures take `taken`; without a
/// terminal, names are whole.
pub(super) fn name_width(summary: &Summary, columns: Option<usize>, taken: usize) -> usize {
    let names = summary.kinds.iter().map(|row| row.name.chars().count());
    let wanted = names.max().unwrap_or(0).max(AGGREGATED.len());
    match columns {
        None => wanted,
        Some(columns) => {
            let room = columns.saturating_sub(taken);
            wanted.min(room.clamp(AGGREGATED.len(), WIDEST))
        }
    }
}

/// The name, cut where it is too long.
pub(super) fn fitted(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let mut cut: String = name.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tally::Tally;

    #[test]
    fn names_take_what_the_figures_leave() {
        let summary = |length: usize| Tally::new(&["x".repeat(length)]).summary();
        for (length, columns, width) in [
            (3, None, 10),
            (200, None, 200),
            (200, Some(40), 10),
            (200, Some(140), 37),
            (200, Some(1000), 80),
            (20, Some(1000), 20),
        ] {
            assert_eq!(name_width(&summary(length), columns, 103), width);
        }
        assert_eq!(fitted("häuser", 6), "häuser");
        assert_eq!(fitted("häuser", 4), "häu…");
    }
}
