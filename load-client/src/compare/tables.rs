//! The tables that show a comparison, as data: terminal, Markdown and page differ in their markup alone. Pure.

use super::verdict::{percent, range};
use super::{Comparison, Effect, Kind, Metric, RunFigures};
use crate::stats::{Interval, TTest};

/// One table. The first column names its rows.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) heading: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
    /// What a reader must know of it, where there is room to say so.
    pub(crate) note: Option<String>,
}

/// A column after the first.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Left out where there is little room.
    pub(crate) is_detail: bool,
}

impl Table {
    /// A table of names and values, which needs no header.
    pub(crate) fn is_list(&self) -> bool {
        self.columns.len() == 1
    }

    /// The same without details.
    pub(crate) fn brief(mut self) -> Self {
        let is_kept: Vec<bool> = std::iter::once(true)
            .chain(self.columns.iter().map(|column| !column.is_detail))
            .collect();
        for row in &mut self.rows {
            let mut kept = is_kept.iter();
            row.retain(|_| *kept.next().unwrap_or(&true));
        }
        self.columns.retain(|column| !column.is_detail);
        self
    }

    fn new(heading: impl Into<String>, columns: &[&str], rows: Vec<Vec<String>>) -> Self {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            is_detail: false,
        };
        Self {
            heading: heading.into(),
            columns: columns.iter().map(column).collect(),
            rows,
            note: None,
        }
    }

    fn list<const N: usize>(heading: &str, rows: [(&str, String); N]) -> Self {
        let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
        Self::new(heading, &["value"], rows.into())
    }

    fn detailed(mut self, names: &[&str]) -> Self {
        for column in &mut self.columns {
            column.is_detail = names.contains(&column.name.as_str());
        }
        self
    }

    fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// What the verdict rests on: the effects over the blocks, and each kind of request.
pub(crate) fn verdicts(comparison: &Comparison) -> Vec<Table> {
    let tables = [effects(comparison), kinds(comparison)];
    tables.into_iter().flatten().collect()
}

/// Both sides pooled, with the change of each figure.
pub(crate) fn pooled(comparison: &Comparison) -> Table {
    let (old, new) = (&comparison.baseline.pooled, &comparison.changed.pooled);
    let count = |name: &str, old: u64, new: u64| {
        let [old, new] = [old, new].map(|count| count.to_string());
        vec![name.to_owned(), old, new, String::new()]
    };
    let mut rows = vec![
        count("replies", old.count, new.count),
        count("failures", old.failures, new.failures),
    ];
    rows.extend(Metric::ALL.map(|metric| {
        let (old, new) = (metric.of(old), metric.of(new));
        let change = old.zip(new).filter(|(old, _)| *old > 0.0);
        vec![
            with_unit(metric),
            figure(old),
            figure(new),
            or_dash(change, |(old, new)| percent(new / old - 1.0)),
        ]
    }));
    let [old, new] = names(comparison);
    Table::new("all runs pooled", &[old, new, "change"], rows)
}

/// One row for each run.
pub(crate) fn runs(comparison: &Comparison) -> Table {
    let sides = [&comparison.baseline, &comparison.changed];
    let rows = sides.into_iter().flat_map(|side| {
        let runs = side.runs.iter();
        runs.map(|run| run_row(&side.name, run))
    });
    let names = Metric::ALL.map(with_unit);
    let mut columns = vec!["side", "replies", "failures"];
    columns.extend(names.iter().map(String::as_str));
    let details = ["effective n", "effective n, p99", "autocorrelation"];
    columns.extend(details);
    Table::new("each run", &columns, rows.collect())
        .detailed(&details)
        .noted(
            "The requests of one run resemble their neighbours; the effective n is how many independent ones would \
             tell as much about the mean, or about the p99. Empty where the file does not tell the order of the \
             requests.",
        )
}

/// How the two distributions differ as wholes.
pub(crate) fn shape(comparison: &Comparison) -> Option<Table> {
    let shape = comparison.shape.as_ref()?;
    let milliseconds = |value: f64| format!("{value:+.3} ms");
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let faster = format!(
        "a request of the {} side is faster",
        comparison.changed.name
    );
    let rows = [
        ("typical shift", interval(shape.shift_ms, milliseconds)),
        ("typical ratio", interval(shape.ratio_change, percent)),
        (&*faster, share(shape.probability_faster)),
        ("Cliff's delta", format!("{:.3}", shape.cliffs_delta)),
        (
            "Kolmogorov and Smirnov's D",
            format!("{:.4}", shape.kolmogorov_smirnov),
        ),
    ];
    Some(Table::list("all requests of both sides", rows).noted(
        "Intervals take requests as independent and know nothing of what differs from run to run.",
    ))
}

/// What one run a side can tell.
pub(crate) fn within(comparison: &Comparison) -> Option<Table> {
    let within = comparison.within_runs.as_ref()?;
    let (old, new) = (&comparison.baseline, &comparison.changed);
    let sizes = names(comparison).map(|name| format!("effective n, {name}"));
    let rows = [
        (&*sizes[0], effective(old.runs.first())),
        (&*sizes[1], effective(new.runs.first())),
        (
            "median change, block bootstrap",
            interval(within.median_change, percent),
        ),
        (
            "Welch's t, batch means",
            welch(within.batch_mean_welch.as_ref()),
        ),
    ];
    let heading = "within the two runs (run-to-run variation was not measured)";
    Some(Table::list(heading, rows).noted(
        "With one run on each side, a difference between two runs of the same program would look the same.",
    ))
}

/// The article's figures.
pub(crate) fn per_request(comparison: &Comparison) -> Table {
    let per_request = &comparison.per_request;
    let rows = [
        ("median change", or_dash(per_request.median_change, percent)),
        ("Welch's t", welch(per_request.welch.as_ref())),
        (
            "whole milliseconds, as Locust",
            or_dash(per_request.locust_median_change, percent),
        ),
    ];
    Table::list("per request, as if each were independent (not the verdict)", rows).noted(
        "The requests of one run are not independent. These figures are here for comparison with the article; the \
         verdict does not rest on them.",
    )
}

fn effects(comparison: &Comparison) -> Option<Table> {
    let blocks = comparison.blocks.as_ref()?;
    let columns = [
        "change",
        "95 % interval",
        "by bootstrap",
        "p",
        "p (Holm)",
        "verdict",
    ];
    let heading = format!("paired over {} blocks", blocks.count);
    let rows = blocks.effects.iter().map(effect_row).collect();
    let table = Table::new(heading, &columns, rows).detailed(&["by bootstrap"]);
    Some(table.noted(format!(
        "A change counts from ±{} %. p: exact sign flips. In a closed loop without think time the throughput is the \
         number of users divided by the mean latency: it restates the latency, and is no second piece of evidence.",
        comparison.threshold * 100.0
    )))
}

fn effect_row(effect: &Effect) -> Vec<String> {
    vec![
        effect.metric.name().to_owned(),
        percent(effect.change),
        range(effect.low, effect.high),
        or_dash(effect.bootstrap, |found| range(found.low, found.high)),
        or_dash(effect.p, |p| p.to_string()),
        or_dash(effect.p_holm, |p| p.to_string()),
        or_dash(effect.verdict, |verdict| verdict.name().to_owned()),
    ]
}

fn kinds(comparison: &Comparison) -> Option<Table> {
    let shares = names(comparison).map(|name| format!("share, {name}"));
    let medians = names(comparison).map(|name| format!("median, {name} (ms)"));
    let details = [&shares[0], &shares[1], &medians[0], &medians[1]].map(String::as_str);
    let columns = [&details[..], &["change", "95 % interval", "verdict"]].concat();
    let rows = comparison.kinds.iter().map(kind_row).collect();
    let table = Table::new("each kind of request, by its median", &columns, rows);
    (!comparison.kinds.is_empty()).then(|| table.detailed(&details))
}

fn kind_row(kind: &Kind) -> Vec<String> {
    let share = |share: f64| format!("{:.1} %", share * 100.0);
    let blocks = kind.blocks.as_ref();
    let median = blocks.and_then(|blocks| blocks.effect(Metric::P50));
    vec![
        kind.kind.clone(),
        share(kind.baseline_share),
        share(kind.changed_share),
        figure(kind.baseline.median_ms),
        figure(kind.changed.median_ms),
        or_dash(median, |median| percent(median.change)),
        or_dash(median, |median| range(median.low, median.high)),
        match (kind.verdict, &kind.refusal) {
            (Some(verdict), _) => verdict.name().to_owned(),
            (None, Some(reason)) => format!("no verdict: {reason}"),
            (None, None) => dash(),
        },
    ]
}

fn run_row(side: &str, run: &RunFigures) -> Vec<String> {
    let figures = &run.figures;
    let mut row = vec![
        run.label.clone(),
        side.to_owned(),
        figures.count.to_string(),
        figures.failures.to_string(),
    ];
    row.extend(Metric::ALL.map(|metric| figure(metric.of(figures))));
    row.push(size(run.dependence.effective_size));
    row.push(size(run.dependence.effective_size_p99));
    row.push(figure(run.dependence.autocorrelation));
    row
}

fn effective(run: Option<&RunFigures>) -> String {
    or_dash(run, |run| {
        let dependence = &run.dependence;
        format!(
            "{} of {} ({} for the p99)",
            size(dependence.effective_size),
            run.figures.count,
            size(dependence.effective_size_p99),
        )
    })
}

fn interval(interval: Option<Interval>, show: impl Fn(f64) -> String) -> String {
    or_dash(interval, |found| {
        let [estimate, low, high] = [found.estimate, found.low, found.high].map(&show);
        format!("{estimate} ({low} to {high})")
    })
}

fn welch(welch: Option<&TTest>) -> String {
    or_dash(welch, |found| {
        format!(
            "t = {:.3}, df = {:.1}, {}",
            found.t,
            found.df,
            found.p.equation()
        )
    })
}

/// What the sides are called.
fn names(comparison: &Comparison) -> [&str; 2] {
    [&comparison.baseline, &comparison.changed].map(|side| side.name.as_str())
}

fn size(effective: Option<f64>) -> String {
    or_dash(effective, |size| format!("{size:.0}"))
}

fn with_unit(metric: Metric) -> String {
    format!("{} ({})", metric.name(), metric.unit())
}

fn figure(value: Option<f64>) -> String {
    or_dash(value, |value| format!("{value:.3}"))
}

fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(dash, show)
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::PValue;

    #[test]
    fn a_p_value_equals_its_number_or_lies_below_the_smallest() {
        for (p, expected) in [
            (0.5, "p = 0.50000"),
            (1.38e-87, "p = 1.38e-87"),
            (0.0, "p < 1e-300"),
        ] {
            let (t, df, p) = (1.0, 2.0, PValue::new(p));
            let shown = welch(Some(&TTest { t, df, p }));
            assert_eq!(shown, format!("t = 1.000, df = 2.0, {expected}"));
        }
    }
}
