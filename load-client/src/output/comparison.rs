//! The terminal rendering of a comparison.

use std::fmt::Write;

use crate::compare::{Comparison, Effect, Figures, percent};

/// Renders a comparison for a terminal: the conclusion, the figures of both sides with their
/// change, the effects over the blocks, the seed's figures, the warnings.
#[must_use]
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut text = format!("{}\n\n", comparison.conclusion);
    // Writing to a String cannot fail, here and below.
    let _ = write_sides(&mut text, comparison);
    let _ = write_blocks(&mut text, comparison);
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
    let count = |figures: &Figures| (figures.count.to_string(), figures.failures.to_string());
    let (old_count, new_count) = (count(old), count(new));
    writeln!(
        text,
        "{:<22}{:>14}{:>14}",
        "replies", old_count.0, new_count.0
    )?;
    writeln!(
        text,
        "{:<22}{:>14}{:>14}",
        "failures", old_count.1, new_count.1
    )?;
    let rows = [
        ("median (ms)", old.median_ms, new.median_ms),
        ("p95 (ms)", old.p95_ms, new.p95_ms),
        ("mean (ms)", old.mean_ms, new.mean_ms),
        ("throughput (1/s)", old.throughput, new.throughput),
    ];
    for (name, old, new) in rows {
        let change = old
            .zip(new)
            .filter(|(old, _)| *old > 0.0)
            .map(|(old, new)| new / old - 1.0);
        writeln!(
            text,
            "{name:<22}{:>14}{:>14}{:>12}",
            figure(old),
            figure(new),
            change.map_or_else(|| "-".to_owned(), percent)
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
        "\n{title:<22}{:>14}{:>26}  p (sign flip)",
        "change", "95 % interval"
    )?;
    for (name, effect) in [
        ("median latency", &blocks.median),
        ("p95 latency", &blocks.p95),
        ("throughput", &blocks.throughput),
    ] {
        writeln!(text, "{name:<22}{}", effect_columns(effect.as_ref()))?;
    }
    Ok(())
}

fn effect_columns(effect: Option<&Effect>) -> String {
    let Some(effect) = effect else {
        return format!("{:>14}{:>26}  -", "-", "-");
    };
    let interval = format!("{} to {}", percent(effect.low), percent(effect.high));
    let p = effect.p.map_or_else(|| "-".to_owned(), |p| p.to_string());
    format!("{:>14}{interval:>26}  {p}", percent(effect.change))
}

fn write_parity(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(
        text,
        "\nper request, as if each were independent (the article's figures; not the verdict)"
    )?;
    let change = comparison
        .parity
        .median_change
        .map_or_else(|| "-".to_owned(), percent);
    writeln!(text, "{:<22}{change:>14}", "median change")?;
    match &comparison.parity.welch {
        Some(welch) => writeln!(
            text,
            "{:<22}{:>14}  df {:.1}, p {}",
            "Welch's t",
            format!("{:.3}", welch.t),
            welch.df,
            welch.p
        ),
        None => writeln!(text, "{:<22}{:>14}", "Welch's t", "-"),
    }
}

fn write_warnings(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    for warning in &comparison.warnings {
        writeln!(text, "\nwarning: {warning}")?;
    }
    Ok(())
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}
