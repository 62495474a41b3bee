//! The tables of a comparison, as data. Terminal, Markdown and page differ only in their markup.

use super::verdict::{percent, range};
use super::{Comparison, Effect, Kind, Metric, RunFigures, change};
use crate::stats::{Interval, TTest};

/// A table. Its first column names the rows.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) heading: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
    /// The explanation of the table, shown where there is room for it.
    pub(crate) note: Option<String>,
}

/// A column after the first.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Whether it is left out where there is little room.
    pub(crate) is_detail: bool,
}

impl Table {
    /// Returns whether it is a table of names and values, which needs no header.
    pub(crate) fn is_list(&self) -> bool {
        self.columns.len() == 1
    }

    /// Removes the columns of details.
    pub(crate) fn brief(mut self) -> Self {
        for row in &mut self.rows {
            let details = self.columns.iter().map(|column| column.is_detail);
            // The first cell names the row.
            let mut details = std::iter::once(false).chain(details);
            row.retain(|_| !details.next().unwrap_or_default());
        }
        self.columns.retain(|column| !column.is_detail);
        self
    }

    /// Starts a table with a row for each of `items`, named by `name`, and without further columns.
    fn of<T>(heading: impl Into<String>, items: &[T], name: impl Fn(&T) -> String) -> Rows<'_, T> {
        let table = Self {
            heading: heading.into(),
            columns: Vec::new(),
            rows: items.iter().map(|item| vec![name(item)]).collect(),
            note: None,
        };
        Rows { items, table }
    }

    fn list<const N: usize>(heading: &str, rows: [(&str, String); N]) -> Self {
        let table = Self::of(heading, &rows, |(name, _)| (*name).to_owned());
        table.column("value", |(_, value)| value.clone()).table
    }

    fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// A table under construction, with the items of its rows.
struct Rows<'a, T> {
    items: &'a [T],
    table: Table,
}

impl<T> Rows<'_, T> {
    fn column(mut self, name: impl Into<String>, cell: impl Fn(&T) -> String) -> Self {
        self.table.columns.push(Column {
            name: name.into(),
            is_detail: false,
        });
        for (row, item) in self.table.rows.iter_mut().zip(self.items) {
            row.push(cell(item));
        }
        self
    }

    /// Adds a column that is left out where there is little room.
    fn detail(self, name: impl Into<String>, cell: impl Fn(&T) -> String) -> Self {
        let mut rows = self.column(name, cell);
        if let Some(column) = rows.table.columns.last_mut() {
            column.is_detail = true;
        }
        rows
    }
}

/// Returns the tables behind the verdict: the effects over the blocks, and each kind of request.
pub(crate) fn verdicts(comparison: &Comparison) -> Vec<Table> {
    let tables = [effects(comparison), looks(comparison), kinds(comparison)];
    tables.into_iter().flatten().collect()
}

/// Returns the table of the pooled sides, with the change of each figure.
pub(crate) fn pooled(comparison: &Comparison) -> Table {
    let pooled = comparison.sides().map(|side| &side.pooled);
    let count = |name: &str, counts: [u64; 2]| {
        let [old, new] = counts.map(|count| count.to_string());
        (name.to_owned(), old, new, String::new())
    };
    let mut rows = vec![
        count("replies", pooled.map(|side| side.count)),
        count("failures", pooled.map(|side| side.failures)),
    ];
    rows.extend(Metric::ALL.map(|metric| {
        let [old, new] = pooled.map(|side| metric.of(side));
        let change = or_dash(change([old, new]), percent);
        (with_unit(metric), figure(old), figure(new), change)
    }));
    let [old, new] = comparison.names();
    Table::of("all runs pooled", &rows, |row| row.0.clone())
        .column(old, |row| row.1.clone())
        .column(new, |row| row.2.clone())
        .column("change", |row| row.3.clone())
        .table
}

/// Returns the table with one row for each run.
pub(crate) fn runs(comparison: &Comparison) -> Table {
    let sides = comparison.sides().into_iter();
    let runs = sides.flat_map(|side| side.runs.iter().map(|run| (&side.name, run)));
    let runs: Vec<(&String, &RunFigures)> = runs.collect();
    let mut rows = Table::of("each run", &runs, |(_, run)| run.label.clone())
        .column("side", |(side, _)| (*side).clone())
        .column("replies", |(_, run)| run.figures.count.to_string())
        .column("failures", |(_, run)| run.figures.failures.to_string());
    for metric in Metric::ALL {
        rows = rows.column(with_unit(metric), |(_, run)| {
            figure(metric.of(&run.figures))
        });
    }
    rows.detail("effective n", |(_, run)| size(run.dependence.effective_size))
        .detail("effective n, p99", |(_, run)| size(run.dependence.effective_size_p99))
        .detail("autocorrelation", |(_, run)| figure(run.dependence.autocorrelation))
        .table
        .noted(
            "The requests of one run resemble their neighbours. The effective n is the number of independent requests \
             that would say as much about the mean, or about the p99. It is missing where the file does not show the \
             order of the requests.",
        )
}

/// Returns the table of the differences between the whole distributions.
pub(crate) fn shape(comparison: &Comparison) -> Option<Table> {
    let shape = comparison.shape.as_ref()?;
    let milliseconds = |value: f64| format!("{value:+.3} ms");
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
        "These intervals treat requests as independent and leave out the variation from run to run.",
    ))
}

/// Returns the table for one run on each side.
pub(crate) fn within(comparison: &Comparison) -> Option<Table> {
    let within = comparison.within_runs.as_ref()?;
    let names = comparison
        .names()
        .map(|name| format!("effective n, {name}"));
    let [old, new] = comparison.sides().map(|side| effective(side.runs.first()));
    let rows = [
        (&*names[0], old),
        (&*names[1], new),
        (
            "median change, block bootstrap",
            interval(within.median_change, percent),
        ),
        ("Welch's t, batch means", welch(within.batch_mean_welch)),
    ];
    let heading = "within the two runs (run-to-run variation was not measured)";
    Some(Table::list(heading, rows).noted(
        "With one run on each side, a difference between two runs of the same program would look the same.",
    ))
}

/// Returns the table of the article's figures.
pub(crate) fn per_request(comparison: &Comparison) -> Table {
    let per_request = &comparison.per_request;
    let rows = [
        ("median change", or_dash(per_request.median_change, percent)),
        ("Welch's t", welch(per_request.welch)),
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
    let heading = format!("paired over {} blocks", blocks.count);
    let name = |effect: &Effect| effect.metric.name().to_owned();
    let mut rows = Table::of(heading, &blocks.effects, name)
        .column("change", |effect| percent(effect.change))
        .column("95 % interval", |effect| range(effect.low, effect.high));
    let rule = if comparison.sequence.is_some() {
        "The intervals are those of a confidence sequence, which hold however often you look. p90, p95 and p99 get a \
         quarter of the error each."
    } else {
        rows = rows
            .detail("by bootstrap", |effect| {
                or_dash(effect.bootstrap, |found| range(found.low, found.high))
            })
            .column("p", |effect| or_dash(effect.p, |p| p.to_string()))
            .column("p (Holm)", |effect| {
                or_dash(effect.p_holm, |p| p.to_string())
            });
        "p is from the exact sign-flip test."
    };
    let rows = rows.column("verdict", |effect| {
        or_dash(effect.verdict, |verdict| verdict.name().to_owned())
    });
    Some(rows.table.noted(format!(
        "A change counts from ±{} %. {rule} In a closed loop without think time the throughput is the number of users \
         divided by the mean latency. It restates the latency and is not independent evidence.",
        comparison.threshold * 100.0
    )))
}

/// Returns the table of the looks after each block.
fn looks(comparison: &Comparison) -> Option<Table> {
    let looks = &comparison.sequence.as_ref()?.looks;
    let table = Table::of("the median after each block", looks, |look| {
        format!("{} blocks", look.blocks)
    });
    let table = table
        .column("change", |look| percent(look.change))
        .column("95 % interval", |look| range(look.low, look.high));
    (!looks.is_empty()).then_some(table.table)
}

fn kinds(comparison: &Comparison) -> Option<Table> {
    if comparison.kinds.is_empty() {
        return None;
    }
    let [old, new] = comparison.names();
    let median = |kind: &Kind, show: fn(&Effect) -> String| {
        let blocks = kind.blocks.as_ref();
        or_dash(blocks.and_then(|blocks| blocks.effect(Metric::P50)), show)
    };
    let heading = "each kind of request, by its median";
    let table = Table::of(heading, &comparison.kinds, |kind| kind.kind.clone())
        .detail(format!("share, {old}"), |kind| share(kind.baseline_share))
        .detail(format!("share, {new}"), |kind| share(kind.changed_share))
        .detail(format!("median, {old} (ms)"), |kind| {
            figure(kind.baseline.median_ms)
        })
        .detail(format!("median, {new} (ms)"), |kind| {
            figure(kind.changed.median_ms)
        })
        .column("change", |kind| median(kind, |own| percent(own.change)))
        .column("95 % interval", |kind| {
            median(kind, |own| range(own.low, own.high))
        })
        .column("verdict", |kind| match (kind.verdict, &kind.refusal) {
            (Some(verdict), _) => verdict.name().to_owned(),
            (None, Some(reason)) => format!("no verdict: {reason}"),
            (None, None) => dash(),
        });
    Some(table.table)
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

fn welch(welch: Option<TTest>) -> String {
    or_dash(welch, |TTest { t, df, p }| {
        format!("t = {t:.3}, df = {df:.1}, {}", p.equation())
    })
}

fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn size(effective: Option<f64>) -> String {
    or_dash(effective, |size| format!("{size:.0}"))
}

fn with_unit(metric: Metric) -> String {
    let unit = match metric {
        Metric::Throughput => "replies/s",
        _ => "ms",
    };
    format!("{} ({unit})", metric.name())
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
            let shown = welch(Some(TTest { t, df, p }));
            assert_eq!(shown, format!("t = 1.000, df = 2.0, {expected}"));
        }
    }
}
