//! Round-trip times over the time of a run, the warm-up shaded.

use plotly::common::{Line as Stroke, Mode};
use plotly::layout::{Shape, ShapeLayer, ShapeLine, ShapeType};
use plotly::{Plot, Scatter};

use super::{BASELINE, CHANGED, axis, figure, layout, log_axis};
use crate::compare::{Comparison, SideSummary, TimeBin};

/// Runs of each side that are drawn; more would hide each other.
const RUNS_SHOWN: usize = 6;

/// The median and the 95th percentile over time, one line for each run.
pub(super) fn over_time(comparison: &Comparison) -> Option<String> {
    let sides = [
        (BASELINE, &comparison.baseline),
        (CHANGED, &comparison.changed),
    ];
    if sides
        .iter()
        .all(|(_, side)| timelines(side).next().is_none())
    {
        return None;
    }
    let mut plot = Plot::new();
    let mut warm_up = 0.0_f64;
    for (line, side) in sides {
        for (index, bins) in timelines(side).enumerate() {
            warm_up = warm_up.max(end_of_warm_up(bins));
            let seconds: Vec<f64> = bins.iter().map(|bin| bin.seconds).collect();
            let medians = bins.iter().map(|bin| bin.median_ms).collect();
            let p95 = bins.iter().map(|bin| bin.p95_ms).collect();
            for (name, values, colour) in [("p50", medians, line.colour), ("p95", p95, line.pale)] {
                plot.add_trace(
                    Scatter::new(seconds.clone(), values)
                        .name(format!("{} {name}", line.name))
                        .legend_group(format!("{} {name}", line.name))
                        .show_legend(index == 0)
                        .mode(Mode::Lines)
                        .line(Stroke::new().color(colour).width(1.2)),
                );
            }
        }
    }
    let layout = layout(
        axis("seconds since the run's first request"),
        log_axis("round-trip time (ms)"),
    );
    plot.set_layout(layout.shapes(shade(warm_up)));
    let note = "One line a run. The shaded warm-up is in no figure. A run that goes on changing after it was not \
                steady: lengthen the warm-up.";
    Some(figure("time", "Over the time of the runs", note, plot))
}

fn timelines(side: &SideSummary) -> impl Iterator<Item = &[TimeBin]> {
    let timelines = side.runs.iter().map(|run| run.timeline.as_slice());
    timelines.filter(|bins| !bins.is_empty()).take(RUNS_SHOWN)
}

fn end_of_warm_up(bins: &[TimeBin]) -> f64 {
    let warm = bins.iter().filter(|bin| bin.warm_up);
    warm.map(|bin| bin.seconds).fold(0.0, f64::max)
}

fn shade(end: f64) -> Vec<Shape> {
    if end <= 0.0 {
        return Vec::new();
    }
    let shape = Shape::new()
        .shape_type(ShapeType::Rect)
        .layer(ShapeLayer::Below)
        .y_ref("paper")
        .x0(0)
        .x1(end)
        .y0(0)
        .y1(1)
        .fill_color("rgba(128,128,128,0.18)")
        .line(ShapeLine::new().width(0.0));
    vec![shape]
}
