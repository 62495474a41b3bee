//! What the blocks say: the effects with their intervals, and the median of each run.

use plotly::common::{DashType, ErrorData, ErrorType, Line as Stroke, Marker, Mode};
use plotly::layout::{Shape, ShapeLine, ShapeType};
use plotly::{Plot, Scatter};

use super::{BASELINE, CHANGED, axis, figure, layout};
use crate::compare::{Comparison, Metric};

/// The changes with their intervals, beside the threshold that counts as a difference.
pub(super) fn effects(comparison: &Comparison) -> Option<String> {
    let effects = &comparison.blocks.as_ref()?.effects;
    let percent = |value: f64| value * 100.0;
    let names: Vec<&str> = effects.iter().map(|effect| effect.metric.name()).collect();
    let changes: Vec<f64> = effects
        .iter()
        .map(|effect| percent(effect.change))
        .collect();
    let above = effects
        .iter()
        .map(|effect| percent(effect.high - effect.change));
    let below = effects
        .iter()
        .map(|effect| percent(effect.change - effect.low));
    let whiskers = ErrorData::new(ErrorType::Data)
        .array(above.collect())
        .array_minus(below.collect())
        .symmetric(false);
    let mut plot = Plot::new();
    plot.add_trace(
        Scatter::new(names, changes)
            .name("change")
            .mode(Mode::Markers)
            .marker(Marker::new().color(CHANGED.colour).size(10))
            .error_y(whiskers),
    );
    let threshold = percent(comparison.threshold);
    let bounds = [-threshold, threshold].map(|at| {
        Shape::new()
            .shape_type(ShapeType::Line)
            .x_ref("paper")
            .x0(0)
            .x1(1)
            .y0(at)
            .y1(at)
            .line(
                ShapeLine::new()
                    .color("rgba(128,128,128,0.8)")
                    .width(1.0)
                    .dash(DashType::Dot),
            )
    });
    plot.set_layout(
        layout(
            axis("").type_(plotly::layout::AxisType::Category),
            axis("change (%)"),
        )
        .shapes(bounds.to_vec())
        .show_legend(false),
    );
    let note = "Relative change of each figure with its 95 % interval over the blocks. The dotted lines are \
                the threshold: an interval wholly beyond one of them is a difference that matters.";
    Some(figure("effects", "Changes", note, plot))
}

/// The median of each run, block by block.
pub(super) fn medians(comparison: &Comparison) -> Option<String> {
    if comparison.baseline.runs.len() + comparison.changed.runs.len() < 3 {
        return None;
    }
    let mut plot = Plot::new();
    for (line, side) in [
        (BASELINE, &comparison.baseline),
        (CHANGED, &comparison.changed),
    ] {
        let points = side.runs.iter().enumerate();
        let (blocks, medians): (Vec<usize>, Vec<f64>) = points
            .filter_map(|(index, run)| Some((index + 1, Metric::P50.of(&run.figures)?)))
            .unzip();
        plot.add_trace(
            Scatter::new(blocks, medians)
                .name(line.name)
                .mode(Mode::LinesMarkers)
                .line(Stroke::new().color(line.colour).width(1.0))
                .marker(Marker::new().color(line.colour).size(10)),
        );
    }
    plot.set_layout(layout(
        axis("block").dtick(1.0),
        axis("median round-trip time (ms)"),
    ));
    let note = "Each point is one run. The change between the sides counts only where it is larger than \
                the change from block to block.";
    Some(figure("medians", "Medians, block by block", note, plot))
}
