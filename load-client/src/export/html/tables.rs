//! The tables of the page.

use super::escape;
use super::section::Section;
use crate::compare::{Comparison, Effect, Kind, Metric, percent};
use crate::stats::{Interval, Welch};

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
    for metric in Metric::ALL {
        let (old, new) = (metric.of(old), metric.of(new));
        let change = old
            .zip(new)
            .filter(|(old, _)| *old > 0.0)
            .map(|(old, new)| new / old - 1.0);
        rows.push(cells(&[
            &with_unit(metric),
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
    let rows: Vec<String> = blocks.effects.iter().map(effect_row).collect();
    let heading = format!("Change, paired over {} blocks", blocks.count);
    let columns = [
        "",
        "change",
        "95 % interval",
        "by bootstrap",
        "p (sign flip)",
        "p (Holm)",
        "alone",
    ];
    let note = "<p class=\"note\">In a closed loop without think time the throughput is the number of \
                users divided by the mean latency, so the last row restates the latency; it is no \
                second piece of evidence.</p>\n";
    table(&heading, &columns, &rows) + note
}

/// Each kind of request on its own; nothing when there is only one.
pub(super) fn kinds(comparison: &Comparison) -> String {
    if comparison.kinds.is_empty() {
        return String::new();
    }
    let row = |kind: &Kind| {
        let share = |share: f64| format!("{:.1} %", share * 100.0);
        let median = kind
            .blocks
            .as_ref()
            .and_then(|blocks| blocks.effect(Metric::P50));
        let range =
            |median: &Effect| format!("{} to {}", percent(median.low), percent(median.high));
        let answer = kind.verdict.map(|verdict| verdict.name().to_owned());
        cells(&[
            &kind.kind,
            &share(kind.baseline_share),
            &share(kind.changed_share),
            &figure(kind.baseline.median_ms),
            &figure(kind.changed.median_ms),
            &median.map_or_else(dash, |median| percent(median.change)),
            &median.map_or_else(dash, range),
            &answer.or_else(|| kind.refusal.clone()).unwrap_or_else(dash),
        ])
    };
    let rows: Vec<String> = comparison.kinds.iter().map(row).collect();
    let columns = [
        "",
        "share, baseline",
        "share, changed",
        "median, baseline (ms)",
        "median, changed (ms)",
        "change",
        "95 % interval",
        "alone",
    ];
    table("Each kind of request", &columns, &rows)
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
            row.extend(Metric::ALL.map(|metric| figure(metric.of(&run.figures))));
            let dependence = &run.dependence;
            row.push(
                dependence
                    .effective_size
                    .map_or_else(dash, |size| format!("{size:.0}")),
            );
            let size = dependence.effective_size_p99;
            row.push(size.map_or_else(dash, |size| format!("{size:.0}")));
            row.push(figure(dependence.autocorrelation));
            rows.push(cells(&row.iter().map(String::as_str).collect::<Vec<_>>()));
        }
    }
    let names = Metric::ALL.map(with_unit);
    let mut columns = vec!["side", "run", "replies", "failures"];
    columns.extend(names.iter().map(String::as_str));
    columns.extend(["effective n", "effective n, p99", "autocorrelation"]);
    let note = "<p class=\"note\">The requests of one run resemble their neighbours; the effective n is how many \
                independent ones would tell as much about the mean, or about the p99. Empty where the \
                file does not tell the order of the requests.</p>\n";
    table("Each run", &columns, &rows) + note
}

/// How the two distributions differ as wholes.
pub(super) fn shape(comparison: &Comparison) -> String {
    let Some(shape) = &comparison.shape else {
        return String::new();
    };
    let interval = |interval: Option<Interval>, show: fn(f64) -> String| {
        interval.map_or_else(dash, |found| {
            let [estimate, low, high] = [found.estimate, found.low, found.high].map(show);
            format!("{estimate} ({low} to {high})")
        })
    };
    let share = shape
        .probability_faster
        .map_or_else(dash, |share| format!("{:.1} %", share * 100.0));
    let test = shape
        .kolmogorov_smirnov
        .map_or_else(dash, |test| format!("D = {:.4}, p {}", test.d, test.p));
    let milliseconds = |value: f64| format!("{value:+.3} ms");
    let rows = [
        cells(&[
            "typical shift (Hodges and Lehmann)",
            &interval(shape.shift_ms, milliseconds),
        ]),
        cells(&["typical ratio", &interval(shape.ratio_change, percent)]),
        cells(&[
            "a changed request is the faster one with probability",
            &share,
        ]),
        cells(&["Cliff's delta", &figure(shape.cliffs_delta)]),
        cells(&["Kolmogorov and Smirnov", &test]),
    ];
    let note = "<p class=\"note\">Over all requests; intervals and p take requests as independent and know nothing of \
                what differs from run to run.</p>\n";
    table("The distributions as wholes", &["", "value"], &rows) + note
}

/// The article's figures, and with one run a side the honest ones beside them.
pub(super) fn parity(comparison: &Comparison) -> String {
    let parity = &comparison.parity;
    let change = parity.median_change.map_or_else(dash, percent);
    let mut rows = vec![cells(&["median change", &change])];
    rows.extend(
        parity
            .welch
            .as_ref()
            .map(|found| welch("Welch's t-test", found)),
    );
    let rounded = parity.locust_median_change.map_or_else(dash, percent);
    rows.push(cells(&[
        "change of medians in whole milliseconds, as Locust shows them",
        &rounded,
    ]));
    let note = "<p class=\"note\">These take every request as independent, which the requests of one \
                run are not. They are here for comparison with the article; the verdict does not rest \
                on them.</p>\n";
    within(comparison) + &table("Per request", &["", "value"], &rows) + note
}

fn within(comparison: &Comparison) -> String {
    let Some(within) = &comparison.within_runs else {
        return String::new();
    };
    let change = within.median_change.map_or_else(dash, |found| {
        let [estimate, low, high] = [found.estimate, found.low, found.high].map(percent);
        format!("{estimate} ({low} to {high})")
    });
    let mut rows = vec![cells(&["median change, circular block bootstrap", &change])];
    let batches = within.batch_mean_welch.as_ref();
    rows.extend(batches.map(|found| welch("Welch's t-test on batch means", found)));
    let note = "<p class=\"note\">Run-to-run variation was not measured: with one run on each side, a difference \
                between two runs of the same program would look the same.</p>\n";
    table("Within the two runs", &["", "value"], &rows) + note
}

fn welch(name: &str, welch: &Welch) -> String {
    let text = format!("t = {:.4}, df = {:.1}, p {}", welch.t, welch.df, welch.p);
    cells(&[name, &text])
}

/// A section of the context.
pub(super) fn section(section: &Section) -> String {
    let row = |(name, value): &(String, String)| cells(&[name, value]);
    let rows: Vec<String> = section.rows.iter().map(row).collect();
    table(&section.heading, &[], &rows)
}

fn effect_row(effect: &Effect) -> String {
    let range = |low: f64, high: f64| format!("{} to {}", percent(low), percent(high));
    let bootstrap = effect
        .bootstrap
        .map_or_else(dash, |found| range(found.low, found.high));
    cells(&[
        effect.metric.name(),
        &percent(effect.change),
        &range(effect.low, effect.high),
        &bootstrap,
        &effect.p.map_or_else(dash, |p| p.to_string()),
        &effect.p_holm.map_or_else(dash, |p| p.to_string()),
        &effect
            .verdict
            .map_or_else(dash, |own| own.name().to_owned()),
    ])
}

fn with_unit(metric: Metric) -> String {
    format!("{} ({})", metric.name(), metric.unit())
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
