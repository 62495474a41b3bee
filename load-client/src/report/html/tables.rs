//! The tables of the page.

use super::escape;
use super::page::Section;
use crate::compare::tables::Table;

/// A table of a comparison, with its note.
pub(super) fn shown(of: &Table) -> String {
    let rows: Vec<String> = of.rows.iter().map(|row| cells(row)).collect();
    let mut columns = vec![""];
    columns.extend(of.columns.iter().map(|column| column.name.as_str()));
    let mut heading = of.heading.clone();
    if let Some(first) = heading.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let note = of.note.as_ref().map(|note| {
        let note = escape(note);
        format!("<p class=\"note\">{note}</p>\n")
    });
    table(&heading, &columns, &rows) + &note.unwrap_or_default()
}

/// A section of the context.
pub(super) fn section(section: &Section) -> String {
    let row = |(name, value): &(String, String)| cells(&[name, value]);
    let rows: Vec<String> = section.rows.iter().map(row).collect();
    table(&section.heading, &[], &rows)
}

/// A row: the first cell names it.
pub(super) fn cells(values: &[impl AsRef<str>]) -> String {
    let mut row = String::from("<tr>");
    for (index, value) in values.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        row.push_str(&format!("<{tag}>{}</{tag}>", escape(value.as_ref())));
    }
    row + "</tr>\n"
}

pub(super) fn table(heading: &str, columns: &[&str], rows: &[String]) -> String {
    let names: String = columns
        .iter()
        .map(|name| format!("<th>{}</th>", escape(name)))
        .collect();
    let head = if names.is_empty() {
        names
    } else {
        format!("<thead><tr>{names}</tr></thead>\n")
    };
    let body = rows.concat();
    let heading = escape(heading);
    format!(
        "<h2>{heading}</h2>\n<div class=\"scroll\"><table>\n{head}<tbody>\n{body}</tbody></table></div>\n"
    )
}
