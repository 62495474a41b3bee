//! The shift function: by how much each part of the distribution moved.

use plotly::common::{Fill, Line as Stroke, Marker, Mode};
use plotly::{Plot, Scatter};

use super::{CHANGED, axis, figure, layout};
use crate::compare::Comparison;

/// Differences of the deciles and of the tail, with their simultaneous bands.
pub(super) fn shift_function(comparison: &Comparison) -> Option<String> {
    let points = &comparison.shape.as_ref()?.shift_function;
    if points.is_empty() {
        return None;
    }
    let quantiles: Vec<f64> = points
        .iter()
        .map(|point| point.probability * 100.0)
        .collect();
    let line = |figure: fn(&crate::stats::QuantileShift) -> f64| {
        Scatter::new(quantiles.clone(), points.iter().map(figure).collect())
    };
    let edge = || Stroke::new().width(0.0).color(CHANGED.colour);
    let mut plot = Plot::new();
    plot.add_trace(
        line(|point| point.shift.low)
            .mode(Mode::Lines)
            .line(edge())
            .show_legend(false)
            .name("band, lower end"),
    );
    plot.add_trace(
        line(|point| point.shift.high)
            .mode(Mode::Lines)
            .line(edge())
            .fill(Fill::ToNextY)
            .fill_color(CHANGED.shade)
            .name("95 % band, all together"),
    );
    plot.add_trace(
        line(|point| point.shift.estimate)
            .mode(Mode::LinesMarkers)
            .line(Stroke::new().color(CHANGED.colour).width(2.0))
            .marker(Marker::new().color(CHANGED.colour).size(8))
            .name("changed - baseline"),
    );
    plot.set_layout(layout(
        axis("percentile"),
        axis("difference (ms)").zero_line(true),
    ));
    let note = "Below zero, the changed side is faster at that percentile. The band holds all points together \
                with 95 % confidence as far as requests vary within the runs; what differs from run to run is in \
                the blocks' intervals above.";
    Some(figure("shift", "Where the distribution moved", note, plot))
}
