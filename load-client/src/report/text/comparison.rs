//! The terminal rendering of a comparison.

use crate::compare::Comparison;
use crate::compare::tables::{self, Table};

/// Renders a comparison for a terminal: the conclusion, the figures of both sides with their
/// change, the effects over the blocks, the seed's figures, the warnings.
#[must_use]
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut tables = vec![tables::pooled(comparison)];
    tables.extend(tables::verdicts(comparison));
    tables.extend(tables::shape(comparison));
    tables.extend(tables::within(comparison));
    tables.push(tables::per_request(comparison));
    let tables = tables.into_iter().map(|table| text(table.brief()));
    let warnings = comparison.warnings.iter();
    let warnings = warnings.map(|warning| format!("\nwarning: {warning}\n"));
    let rest = tables.chain(warnings).collect::<String>();
    format!("{}\n{rest}", comparison.conclusion)
}

fn text(table: Table) -> String {
    let is_list = table.is_list();
    let mut lines = table.rows;
    if is_list {
        let names = lines.iter().map(|row| row[0].chars().count()).max();
        let width = names.unwrap_or_default();
        let rows = lines
            .iter()
            .map(|row| format!("{:<width$}  {}\n", row[0], row[1]));
        return format!("\n{}\n{}", table.heading, rows.collect::<String>());
    }
    let names = table.columns.into_iter().map(|column| column.name);
    lines.insert(0, std::iter::once(table.heading).chain(names).collect());
    let length =
        |row: &Vec<String>, index: usize| row.get(index).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|index| lines.iter().map(|row| length(row, index)).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &Vec<String>| {
        let mut cells = row.iter().zip(&widths);
        let first = cells.next().map(|(name, width)| format!("{name:<width$}"));
        let rest = cells.map(|(cell, width)| format!("  {cell:>width$}"));
        let line = first.into_iter().chain(rest).collect::<String>();
        format!("{}\n", line.trim_end())
    };
    format!("\n{}", lines.iter().map(line).collect::<String>())
}
