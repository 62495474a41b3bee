//! A comparison as a comment on a pull request: the verdict, the changes, the warnings; the rest folded.

use super::comparison::{dash, figure, kind_answer, range};
use super::markdown::{escape, table};
use crate::compare::{Comparison, Effect, Kind, Metric, Side, SideSummary, percent};
use crate::stats::{Interval, Welch};

/// Warnings and runs that are listed; a comment on GitHub ends at 65,536 characters.
const LISTED: usize = 40;

/// Renders a comparison in GitHub's Markdown.
#[must_use]
pub(crate) fn comparison_markdown(comparison: &Comparison) -> String {
    let mut text = format!("**{}**\n\n", escape(&comparison.conclusion));
    text.push_str(&effects(comparison));
    text.push_str(&kinds(comparison));
    text.push_str(&warnings(comparison));
    text.push_str("<details>\n<summary>All figures</summary>\n\n");
    let parts = [
        pooled(comparison),
        runs(comparison),
        shape(comparison),
        within(comparison),
        parity(comparison),
    ];
    text.push_str(&parts.concat());
    text.push_str("</details>\n");
    text
}

fn effects(comparison: &Comparison) -> String {
    let Some(blocks) = &comparison.blocks else {
        return String::new();
    };
    let columns = ["", "change", "95 % interval", "p", "p (Holm)", "alone"];
    let rows: Vec<Vec<String>> = blocks.effects.iter().map(effect).collect();
    let threshold = comparison.threshold * 100.0;
    let note = format!(
        "Paired over {} blocks; a change counts from ±{threshold} %. p: exact sign flips.",
        blocks.count
    );
    format!("{}\n{note}\n\n", table(&columns, &rows))
}

fn kinds(comparison: &Comparison) -> String {
    if comparison.kinds.is_empty() {
        return String::new();
    }
    let row = |kind: &Kind| {
        let share = |share: f64| format!("{:.1} %", share * 100.0);
        let median = kind
            .blocks
            .as_ref()
            .and_then(|blocks| blocks.effect(Metric::P50));
        vec![
            kind.kind.clone(),
            share(kind.baseline_share),
            share(kind.changed_share),
            median.map_or_else(dash, |median| percent(median.change)),
            median.map_or_else(dash, |median| range(median.low, median.high)),
            kind_answer(kind),
        ]
    };
    let rows: Vec<Vec<String>> = comparison.kinds.iter().take(LISTED).map(row).collect();
    let columns = [
        "kind of request",
        "share, baseline",
        "share, changed",
        "change of the median",
        "95 % interval",
        "alone",
    ];
    format!("{}\n", table(&columns, &rows))
}

fn effect(effect: &Effect) -> Vec<String> {
    vec![
        effect.metric.name().to_owned(),
        percent(effect.change),
        range(effect.low, effect.high),
        effect.p.map_or_else(dash, |p| p.to_string()),
        effect.p_holm.map_or_else(dash, |p| p.to_string()),
        effect
            .verdict
            .map_or_else(dash, |own| own.name().to_owned()),
    ]
}

fn warnings(comparison: &Comparison) -> String {
    let warnings = &comparison.warnings;
    if warnings.is_empty() {
        return String::new();
    }
    let line = |warning: &String| format!("- warning: {}\n", escape(warning));
    let lines: String = warnings.iter().take(LISTED).map(line).collect();
    let more = match warnings.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("- and {more} more warnings\n"),
    };
    format!("{lines}{more}\n")
}

fn pooled(comparison: &Comparison) -> String {
    let (old, new) = (&comparison.baseline.pooled, &comparison.changed.pooled);
    let count = |name: &str, old: u64, new: u64| {
        vec![
            name.to_owned(),
            old.to_string(),
            new.to_string(),
            String::new(),
        ]
    };
    let mut rows = vec![
        count("replies", old.count, new.count),
        count("failures", old.failures, new.failures),
    ];
    for metric in Metric::ALL {
        let (old, new) = (metric.of(old), metric.of(new));
        let change = old.zip(new).filter(|(old, _)| *old > 0.0);
        rows.push(vec![
            with_unit(metric),
            figure(old),
            figure(new),
            change.map_or_else(dash, |(old, new)| percent(new / old - 1.0)),
        ]);
    }
    table(&["all runs pooled", "baseline", "changed", "change"], &rows) + "\n"
}

fn runs(comparison: &Comparison) -> String {
    let mut rows = side_rows(Side::Baseline, &comparison.baseline);
    rows.extend(side_rows(Side::Changed, &comparison.changed));
    let more = rows.len().saturating_sub(LISTED);
    rows.truncate(LISTED);
    let names = Metric::ALL.map(with_unit);
    let mut columns = vec!["run", "side", "replies", "failures"];
    columns.extend(names.iter().map(String::as_str));
    let more = match more {
        0 => String::new(),
        more => format!("\nAnd {more} more runs.\n"),
    };
    format!("{}{more}\n", table(&columns, &rows))
}

fn side_rows(side: Side, summary: &SideSummary) -> Vec<Vec<String>> {
    let row = |run: &crate::compare::RunFigures| {
        let mut row = vec![
            run.label.clone(),
            side.to_string(),
            run.figures.count.to_string(),
            run.figures.failures.to_string(),
        ];
        row.extend(Metric::ALL.map(|metric| figure(metric.of(&run.figures))));
        row
    };
    summary.runs.iter().map(row).collect()
}

fn shape(comparison: &Comparison) -> String {
    let Some(shape) = &comparison.shape else {
        return String::new();
    };
    let milliseconds = |value: f64| format!("{value:+.3} ms");
    let share = shape.probability_faster;
    let test = shape.kolmogorov_smirnov;
    let rows = [
        ("typical shift", interval(shape.shift_ms, milliseconds)),
        ("typical ratio", interval(shape.ratio_change, percent)),
        (
            "a changed request is the faster one",
            share.map_or_else(dash, |share| format!("{:.1} %", share * 100.0)),
        ),
        ("Cliff's delta", figure(shape.cliffs_delta)),
        (
            "Kolmogorov and Smirnov",
            test.map_or_else(dash, |test| format!("D = {:.4}, p {}", test.d, test.p)),
        ),
    ];
    pairs("all requests of both sides", rows)
}

fn within(comparison: &Comparison) -> String {
    let Some(within) = &comparison.within_runs else {
        return String::new();
    };
    let rows = [
        (
            "median change, circular block bootstrap",
            interval(within.median_change, percent),
        ),
        (
            "Welch's t-test on batch means",
            welch(within.batch_mean_welch.as_ref()),
        ),
    ];
    pairs(
        "within the two runs; run-to-run variation was not measured",
        rows,
    )
}

fn parity(comparison: &Comparison) -> String {
    let parity = &comparison.parity;
    let change = |change: Option<f64>| change.map_or_else(dash, percent);
    let rows = [
        ("median change", change(parity.median_change)),
        ("Welch's t-test", welch(parity.welch.as_ref())),
        (
            "medians in whole milliseconds, as Locust shows them",
            change(parity.locust_median_change),
        ),
    ];
    pairs(
        "per request, as if each were independent; not the verdict",
        rows,
    )
}

fn pairs<const N: usize>(heading: &str, rows: [(&str, String); N]) -> String {
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    table(&[heading, "value"], &rows) + "\n"
}

fn interval(interval: Option<Interval>, show: impl Fn(f64) -> String) -> String {
    interval.map_or_else(dash, |found| {
        let [estimate, low, high] = [found.estimate, found.low, found.high].map(&show);
        format!("{estimate} ({low} to {high})")
    })
}

fn welch(welch: Option<&Welch>) -> String {
    welch.map_or_else(dash, |found| {
        format!("t = {:.3}, df = {:.1}, p {}", found.t, found.df, found.p)
    })
}

fn with_unit(metric: Metric) -> String {
    format!("{} ({})", metric.name(), metric.unit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Options, Run, compare};

    fn runs(label: &str, count: usize, median: f64) -> Vec<Run> {
        let run = |index: usize| {
            let factor = median * (1.0 + 0.001 * (index % 7) as f64);
            let latencies = (0..400).map(|step| factor * (0.8 + 0.001 * f64::from(step)));
            Run::new(format!("{label}-{index}"), latencies.collect())
        };
        (0..count).map(run).collect()
    }

    fn markdown(baseline: &[Run], changed: &[Run]) -> String {
        comparison_markdown(&compare(baseline, changed, &Options::default()).unwrap())
    }

    #[test]
    fn the_verdict_is_seen_and_the_rest_is_folded() {
        let mut changed = runs("tasks", 6, 4.0);
        changed[0].failures = 1;
        insta::assert_snapshot!(markdown(&runs("serial", 6, 6.0), &changed));
    }

    #[test]
    fn a_refusal_names_its_reason_and_texts_are_no_markup() {
        let text = markdown(&runs("@all <b>|", 1, 6.0), &runs("two", 1, 4.0));
        assert!(
            text.starts_with("**No verdict: run-to-run variation was not measured"),
            "{text}"
        );
        assert!(text.contains("within the two runs"), "{text}");
        assert!(
            text.contains("| &#64;all &#60;b&#62;&#124;-0 | baseline |"),
            "{text}"
        );
    }

    #[test]
    fn it_fits_a_comment_however_many_runs() {
        let (mut baseline, changed) = (runs("serial", 300, 6.0), runs("tasks", 300, 4.0));
        baseline
            .iter_mut()
            .for_each(|run| run.warnings.push("w".repeat(200)));
        let options = Options {
            detail: crate::compare::Detail::Verdict,
            ..Options::default()
        };
        let text = comparison_markdown(&compare(&baseline, &changed, &options).unwrap());
        assert!(text.contains("and 261 more warnings"), "{text}");
        assert!(text.contains("And 560 more runs."), "{text}");
        assert!(text.len() < 65_536, "{}", text.len());
    }
}
