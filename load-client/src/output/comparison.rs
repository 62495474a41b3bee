//! The terminal rendering of a comparison.

use std::fmt::Write;

use crate::compare::{Comparison, Kind, Metric, percent};
use crate::stats::Welch;

/// Renders a comparison for a terminal: the conclusion, the figures of both sides with their
/// change, the effects over the blocks, the seed's figures, the warnings.
#[must_use]
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut text = format!("{}\n\n", comparison.conclusion);
    // Writing to a String cannot fail, here and below.
    let _ = write_sides(&mut text, comparison);
    let _ = write_blocks(&mut text, comparison);
    let _ = write_kinds(&mut text, comparison);
    let _ = write_shape(&mut text, comparison);
    let _ = write_within(&mut text, comparison);
    let _ = write_parity(&mut text, comparison);
    let _ = write_warnings(&mut text, comparison);
    text
}

fn write_sides(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let (old, new) = (&comparison.baseline.pooled, &comparison.changed.pooled);
    writeln!(
        text,
        "{:<22}{:>14}{:>14}{:>12}",
        "all runs pooled", "baseline", "changed", "change"
    )?;
    for (name, old, new) in [
        ("replies", old.count, new.count),
        ("failures", old.failures, new.failures),
    ] {
        writeln!(text, "{name:<22}{old:>14}{new:>14}")?;
    }
    for metric in Metric::ALL {
        let (old, new) = (metric.of(old), metric.of(new));
        let change = old
            .zip(new)
            .filter(|(old, _)| *old > 0.0)
            .map(|(old, new)| new / old - 1.0);
        writeln!(
            text,
            "{:<22}{:>14}{:>14}{:>12}",
            format!("{} ({})", metric.name(), metric.unit()),
            figure(old),
            figure(new),
            change.map_or_else(dash, percent)
        )?;
    }
    Ok(())
}

fn write_blocks(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let Some(blocks) = &comparison.blocks else {
        return Ok(());
    };
    let title = format!("paired over {} blocks", blocks.count);
    writeln!(
        text,
        "\n{title:<22}{:>10}{:>24}{:>24}{:>10}{:>10}  alone",
        "change", "95 % interval", "by bootstrap", "p", "p (Holm)"
    )?;
    for effect in &blocks.effects {
        let bootstrap = effect
            .bootstrap
            .map(|interval| (interval.low, interval.high));
        writeln!(
            text,
            "{:<22}{:>10}{:>24}{:>24}{:>10}{:>10}  {}",
            effect.metric.name(),
            percent(effect.change),
            range(effect.low, effect.high),
            bootstrap.map_or_else(dash, |(low, high)| range(low, high)),
            effect.p.map_or_else(dash, |p| p.to_string()),
            effect.p_holm.map_or_else(dash, |p| p.to_string()),
            effect
                .verdict
                .map_or_else(dash, |own| own.name().to_owned())
        )?;
    }
    Ok(())
}

fn write_kinds(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    for (index, kind) in comparison.kinds.iter().enumerate() {
        if index == 0 {
            writeln!(text, "\neach kind of request, its median on its own")?;
        }
        let [share, other] = [kind.baseline_share, kind.changed_share].map(|share| share * 100.0);
        let median = kind
            .blocks
            .as_ref()
            .and_then(|blocks| blocks.effect(Metric::P50));
        let change = median.map_or_else(dash, |median| {
            format!(
                "{} ({})",
                percent(median.change),
                range(median.low, median.high)
            )
        });
        writeln!(
            text,
            "{:<22}{share:.1} % / {other:.1} % of the requests; {change}  {}",
            kind.kind,
            kind_answer(kind)
        )?;
    }
    Ok(())
}

/// The verdict on a kind of request, or why there is none.
pub(super) fn kind_answer(kind: &Kind) -> String {
    match (kind.verdict, &kind.refusal) {
        (Some(verdict), _) => verdict.name().to_owned(),
        (None, Some(reason)) => format!("no verdict: {reason}"),
        (None, None) => dash(),
    }
}

fn write_shape(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let Some(shape) = &comparison.shape else {
        return Ok(());
    };
    writeln!(text, "\nall requests of both sides")?;
    if let Some(shift) = shape.shift_ms {
        writeln!(
            text,
            "{:<22}{:>14} ms",
            "typical shift",
            format!("{:+.3}", shift.estimate)
        )?;
    }
    if let Some(share) = shape.probability_faster {
        let delta = shape
            .cliffs_delta
            .map_or_else(dash, |delta| format!("{delta:+.3}"));
        writeln!(
            text,
            "{:<22}{:>14}  Cliff's delta {delta}",
            "P(changed is faster)",
            format!("{:.1} %", 100.0 * share)
        )?;
    }
    if let Some(test) = shape.kolmogorov_smirnov {
        writeln!(
            text,
            "{:<22}{:>14}",
            "Kolmogorov-Smirnov D",
            format!("{:.4}", test.d)
        )?;
    }
    Ok(())
}

fn write_within(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let Some(within) = &comparison.within_runs else {
        return Ok(());
    };
    writeln!(
        text,
        "\nwithin the two runs (run-to-run variation was not measured)"
    )?;
    for (name, side) in [
        ("baseline", &comparison.baseline),
        ("changed", &comparison.changed),
    ] {
        let Some(run) = side.runs.first() else {
            continue;
        };
        writeln!(
            text,
            "{:<22}{:>14}  of {} replies ({} for the p99); autocorrelation {}",
            format!("effective n, {name}"),
            run.dependence
                .effective_size
                .map_or_else(dash, |size| format!("{size:.0}")),
            run.figures.count,
            run.dependence
                .effective_size_p99
                .map_or_else(dash, |size| format!("{size:.0}")),
            run.dependence
                .autocorrelation
                .map_or_else(dash, |lag| format!("{lag:.3}"))
        )?;
    }
    if let Some(change) = within.median_change {
        let range = range(change.low, change.high);
        writeln!(
            text,
            "{:<22}{:>14}  {range}, block bootstrap",
            "median change",
            percent(change.estimate)
        )?;
    }
    match &within.batch_mean_welch {
        Some(welch) => write_welch(text, "Welch, batch means", welch),
        None => Ok(()),
    }
}

fn write_welch(text: &mut String, name: &str, welch: &Welch) -> std::fmt::Result {
    let t = format!("{:.3}", welch.t);
    writeln!(text, "{name:<22}{t:>14}  df {:.1}, p {}", welch.df, welch.p)
}

fn write_parity(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(
        text,
        "\nper request, as if each were independent (the article's figures; not the verdict)"
    )?;
    let parity = &comparison.parity;
    let change = parity.median_change.map_or_else(dash, percent);
    writeln!(text, "{:<22}{change:>14}", "median change")?;
    match &parity.welch {
        Some(welch) => write_welch(text, "Welch's t", welch)?,
        None => writeln!(text, "{:<22}{:>14}", "Welch's t", "-")?,
    }
    let rounded = parity.locust_median_change.map_or_else(dash, percent);
    writeln!(
        text,
        "{:<22}{rounded:>14}  medians in whole milliseconds, as Locust shows them",
        "rounded"
    )
}

fn write_warnings(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    for warning in &comparison.warnings {
        writeln!(text, "\nwarning: {warning}")?;
    }
    Ok(())
}

pub(super) fn figure(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.3}"))
}

pub(super) fn range(low: f64, high: f64) -> String {
    format!("{} to {}", percent(low), percent(high))
}

pub(super) fn dash() -> String {
    "-".to_owned()
}
