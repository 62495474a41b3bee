//! The tables of the page.

use super::escape;
use super::page::Section;
use crate::compare::{Comparison, Effect, Figures, percent};

type Column = fn(&Figures) -> Option<f64>;

const FIGURES: [(&str, Column); 4] = [
    ("median (ms)", |figures| figures.median_ms),
    ("p95 (ms)", |figures| figures.p95_ms),
    ("mean (ms)", |figures| figures.mean_ms),
    ("throughput (replies/s)", |figures| figures.throughput),
];

/// Both sides pooled, with the change of each figure.
pub(super) fn figures(comparison: &Comparison) -> String {
    let (old, new) = (&comparison.baseline.pooled, &comparison.changed.pooled);
    let mut rows = vec![
        cells(&[
            "replies",
            &old.count.to_string(),
            &new.count.to_string(),
            "",
        ]),
        cells(&[
            "failures",
            &old.failures.to_string(),
            &new.failures.to_string(),
            "",
        ]),
    ];
    for (name, column) in FIGURES {
        let (old, new) = (column(old), column(new));
        let change = old
            .zip(new)
            .filter(|(old, _)| *old > 0.0)
            .map(|(old, new)| new / old - 1.0);
        rows.push(cells(&[
            name,
            &figure(old),
            &figure(new),
            &change.map_or_else(dash, percent),
        ]));
    }
    table(
        "All runs pooled",
        &["", "baseline", "changed", "change"],
        &rows,
    )
}

/// The effects over the blocks with their intervals; nothing when there are no blocks.
pub(super) fn effects(comparison: &Comparison) -> String {
    let Some(blocks) = &comparison.blocks else {
        return String::new();
    };
    let rows = [
        effect_row("median latency", blocks.median.as_ref()),
        effect_row("p95 latency", blocks.p95.as_ref()),
        effect_row("throughput", blocks.throughput.as_ref()),
    ];
    let heading = format!("Change, paired over {} blocks", blocks.count);
    let columns = ["", "change", "95 % interval", "p (exact sign flip)"];
    let note = "<p class=\"note\">In a closed loop without think time the throughput is the number of \
                users divided by the mean latency, so the last row restates the latency; it is no \
                second piece of evidence.</p>\n";
    table(&heading, &columns, &rows) + note
}

/// One row for each run.
pub(super) fn runs(comparison: &Comparison) -> String {
    let mut rows = Vec::new();
    for (side, summary) in [
        ("baseline", &comparison.baseline),
        ("changed", &comparison.changed),
    ] {
        for run in &summary.runs {
            let mut row = vec![
                side.to_owned(),
                run.label.clone(),
                run.figures.count.to_string(),
                run.figures.failures.to_string(),
            ];
            row.extend(FIGURES.map(|(_, column)| figure(column(&run.figures))));
            rows.push(cells(&row.iter().map(String::as_str).collect::<Vec<_>>()));
        }
    }
    let mut columns = vec!["side", "run", "replies", "failures"];
    columns.extend(FIGURES.map(|(name, _)| name));
    table("Each run", &columns, &rows)
}

/// The figures of the seed's article.
pub(super) fn parity(comparison: &Comparison) -> String {
    let change = comparison.parity.median_change.map_or_else(dash, percent);
    let mut rows = vec![cells(&["median change", &change])];
    if let Some(welch) = &comparison.parity.welch {
        rows.push(cells(&["Welch's t", &format!("{:.4}", welch.t)]));
        rows.push(cells(&["degrees of freedom", &format!("{:.1}", welch.df)]));
        rows.push(cells(&["p", &welch.p.to_string()]));
    }
    let note = "<p class=\"note\">These take every request as independent, which the requests of one \
                run are not. They are here for comparison with the article; the verdict does not rest \
                on them.</p>\n";
    table("Per request", &["", "value"], &rows) + note
}

/// A section of the context.
pub(super) fn section(section: &Section) -> String {
    let row = |(name, value): &(String, String)| cells(&[name, value]);
    let rows: Vec<String> = section.rows.iter().map(row).collect();
    table(&section.heading, &[], &rows)
}

fn effect_row(name: &str, effect: Option<&Effect>) -> String {
    match effect {
        None => cells(&[name, &dash(), &dash(), &dash()]),
        Some(effect) => cells(&[
            name,
            &percent(effect.change),
            &format!("{} to {}", percent(effect.low), percent(effect.high)),
            &effect.p.map_or_else(dash, |p| p.to_string()),
        ]),
    }
}

/// A row: the first cell names it.
pub(super) fn cells(values: &[&str]) -> String {
    let mut row = String::from("<tr>");
    for (index, value) in values.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        row.push_str(&format!("<{tag}>{}</{tag}>", escape(value)));
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

fn figure(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.3}"))
}

fn dash() -> String {
    "–".to_owned()
}
