//! A table that fits a terminal, as Locust's do: names are cut, and where that is not enough, columns are left out.

use std::fmt::Write;

use crate::measure::summary::Summary;
use crate::measure::tally::AGGREGATED;

/// A column of figures. A narrow terminal goes without those of the highest rank first; those of rank 0 stay.
pub(super) struct Column {
    title: &'static str,
    lead: &'static str,
    width: usize,
    rank: u8,
}

pub(super) const fn column(
    title: &'static str,
    lead: &'static str,
    width: usize,
    rank: u8,
) -> Column {
    Column {
        title,
        lead,
        width,
        rank,
    }
}

/// A table with the columns that fit a terminal of `room`; without one, all of them.
pub(super) struct Table<'a> {
    columns: &'a [Column],
    shown: Vec<usize>,
    /// Of the names.
    width: usize,
}

/// What the type takes, and the blank behind it.
const TYPE_WIDTH: usize = 9;

impl<'a> Table<'a> {
    pub(super) fn fitting(columns: &'a [Column], summary: &Summary, room: Option<usize>) -> Self {
        let mut shown: Vec<usize> = (0..columns.len()).collect();
        let taken = |shown: &[usize]| {
            let widths = shown
                .iter()
                .map(|at| columns[*at].lead.len() + columns[*at].width);
            TYPE_WIDTH + widths.sum::<usize>()
        };
        while room.is_some_and(|room| taken(&shown) + AGGREGATED.len() > room)
            && let Some(worst) = shown.iter().max_by_key(|at| columns[**at].rank)
            && columns[*worst].rank > 0
        {
            let worst = *worst;
            shown.retain(|at| *at != worst);
        }
        let width = name_width(summary, room, taken(&shown));
        Self {
            columns,
            shown,
            width,
        }
    }

    pub(super) fn line(&self, kind: &str, name: &str, cells: &[impl AsRef<str>]) -> String {
        let (name, width) = (fitted(name, self.width), self.width);
        let mut line = format!("{kind:<8} {name:<width$}");
        for at in &self.shown {
            let Column { lead, width, .. } = self.columns[*at];
            // Writing to a String cannot fail, here and below.
            let _ = write!(line, "{lead}{:>width$}", cells[*at].as_ref());
        }
        line + "\n"
    }

    pub(super) fn head(&self) -> String {
        let titles: Vec<_> = self.columns.iter().map(|column| column.title).collect();
        self.line("Type", "Name", &titles)
    }

    pub(super) fn rule(&self) -> String {
        let columns = self.shown.iter().map(|at| &self.columns[*at]);
        let widths = columns.map(|column| column.lead.len() - 1 + column.width);
        let widths = [TYPE_WIDTH - 1, self.width].into_iter().chain(widths);
        let dashes: Vec<_> = widths.map(|width| "-".repeat(width)).collect();
        dashes.join("|") + "\n"
    }
}

/// Longer names are cut whatever the room, as in Locust.
const WIDEST: usize = 80;

/// The width of the name column in a terminal of `columns`, of which the figures take `taken`; without a
/// terminal, names are whole.
fn name_width(summary: &Summary, columns: Option<usize>, taken: usize) -> usize {
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
fn fitted(name: &str, width: usize) -> String {
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
