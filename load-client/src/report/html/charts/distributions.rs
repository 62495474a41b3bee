//! The distributions of both sides, pooled over their runs.

use plotly::common::{Fill, Line as Stroke, LineShape, Mode};
use plotly::{Plot, Scatter};

use super::{BASELINE, CHANGED, axis, figure, layout, log_axis};
use crate::compare::{Comparison, CurvePoint};

/// Overlay histogram of both sides on one binning.
pub(super) fn histogram(comparison: &Comparison) -> Option<String> {
    let overlay = comparison.curves.overlay.as_ref()?;
    let mut plot = Plot::new();
    for (line, shares) in [(BASELINE, &overlay.baseline), (CHANGED, &overlay.changed)] {
        // Steps over the edges, back to zero at the last: bars on a logarithmic axis would need a
        // width each.
        let mut percent: Vec<f64> = shares.iter().map(|share| share * 100.0).collect();
        percent.push(0.0);
        plot.add_trace(
            Scatter::new(overlay.edges_ms.clone(), percent)
                .name(line.name)
                .mode(Mode::Lines)
                .line(
                    Stroke::new()
                        .color(line.colour)
                        .width(1.5)
                        .shape(LineShape::Hv),
                )
                .fill(Fill::ToZeroY)
                .fill_color(line.shade),
        );
    }
    plot.set_layout(layout(
        log_axis("round-trip time (ms)"),
        axis("replies (%)"),
    ));
    let note = format!(
        "Both sides on the same bins, of equal width on the logarithmic axis. Beyond the right edge: {} of the \
         baseline's replies, {} of the changed side's.",
        overlay.baseline_above, overlay.changed_above
    );
    Some(figure("histogram", "Round-trip times", &note, plot))
}

/// The empirical distribution functions.
pub(super) fn ecdf(comparison: &Comparison) -> Option<String> {
    let curves = &comparison.curves;
    if curves.baseline_ecdf.is_empty() || curves.changed_ecdf.is_empty() {
        return None;
    }
    let mut plot = Plot::new();
    for (line, points) in [
        (BASELINE, &curves.baseline_ecdf),
        (CHANGED, &curves.changed_ecdf),
    ] {
        let x = points.iter().map(|point| point.ms).collect();
        let y = points.iter().map(|point| point.share * 100.0).collect();
        plot.add_trace(curve(line, x, y));
    }
    let y = axis("replies that are no slower (%)");
    plot.set_layout(layout(log_axis("round-trip time (ms)"), y));
    let note = "The curve further to the left answers sooner. Where the curves cross, the change helps some \
                requests and harms others.";
    Some(figure("ecdf", "Share of replies by time", note, plot))
}

/// The percentile spectrum: the tail, stretched.
pub(super) fn spectrum(comparison: &Comparison) -> Option<String> {
    let curves = &comparison.curves;
    if curves.baseline_spectrum.is_empty() || curves.changed_spectrum.is_empty() {
        return None;
    }
    let mut plot = Plot::new();
    for (line, points) in [
        (BASELINE, &curves.baseline_spectrum),
        (CHANGED, &curves.changed_spectrum),
    ] {
        let x = points.iter().map(one_in).collect();
        let y = points.iter().map(|point| point.ms).collect();
        plot.add_trace(curve(line, x, y));
    }
    let x = log_axis("one request in")
        .tick_values(vec![1.0, 2.0, 10.0, 20.0, 100.0, 1e3, 1e4, 1e5, 1e6]);
    let x = x.tick_text(vec![
        "1",
        "2 (median)",
        "10 (p90)",
        "20",
        "100 (p99)",
        "1,000",
        "10,000",
        "100,000",
        "1,000,000",
    ]);
    plot.set_layout(layout(x, log_axis("is at least so slow (ms)")));
    let note = "A percentile is drawn as far as at least ten replies lie above it.";
    Some(figure("spectrum", "The slow ones", note, plot))
}

fn one_in(point: &CurvePoint) -> f64 {
    1.0 / (1.0 - point.share)
}

fn curve(line: super::Line, x: Vec<f64>, y: Vec<f64>) -> Box<Scatter<f64, f64>> {
    Scatter::new(x, y)
        .name(line.name)
        .mode(Mode::Lines)
        .line(Stroke::new().color(line.colour).width(2.0))
}
