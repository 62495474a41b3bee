//! The charts of the page. They are fed with counts and quantiles, never with every request.

use plotly::common::{
    DashType, ErrorData, ErrorType, Fill, Line as Stroke, LineShape, Marker, Mode,
};
use plotly::layout::{Shape, ShapeLayer, ShapeLine, ShapeType};
use plotly::{Plot, Scatter};

use crate::compare::{Comparison, CurvePoint, Metric, SideSummary, TimeBin};
use crate::report::html::frame::{BASELINE, CHANGED, Line, axis, figure, layout, log_axis};

/// All charts of a comparison, in the order of the page.
pub(super) fn all(comparison: &Comparison) -> String {
    let charts = [
        effects(comparison),
        medians(comparison),
        histogram(comparison),
        ecdf(comparison),
        spectrum(comparison),
        shift_function(comparison),
        over_time(comparison),
    ];
    charts.into_iter().flatten().collect()
}

/// The changes with their intervals, beside the threshold that counts as a difference.
fn effects(comparison: &Comparison) -> Option<String> {
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
fn medians(comparison: &Comparison) -> Option<String> {
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
                .name(&side.name)
                .mode(Mode::LinesMarkers)
                .line(Stroke::new().color(line.colour).width(1.0))
                .marker(Marker::new().color(line.colour).size(10)),
        );
    }
    plot.set_layout(layout(
        axis("block (number)").dtick(1.0),
        axis("median round-trip time (ms)"),
    ));
    let note = "Each point is one run. The change between the sides counts only where it is larger than \
                the change from block to block.";
    Some(figure("medians", "Medians, block by block", note, plot))
}

/// Overlay histogram of both sides on one binning.
fn histogram(comparison: &Comparison) -> Option<String> {
    let overlay = comparison.curves.overlay.as_ref()?;
    let mut plot = Plot::new();
    let (old, new) = (&comparison.baseline.name, &comparison.changed.name);
    for (line, name, shares) in [
        (BASELINE, old, &overlay.baseline),
        (CHANGED, new, &overlay.changed),
    ] {
        // Steps over the edges, back to zero at the last: bars on a logarithmic axis would need a
        // width each.
        let mut percent: Vec<f64> = shares.iter().map(|share| share * 100.0).collect();
        percent.push(0.0);
        plot.add_trace(
            Scatter::new(overlay.edges_ms.clone(), percent)
                .name(name)
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
        log_axis("round-trip time (ms)", overlay.edges_ms.iter().copied()),
        axis("replies (%)"),
    ));
    let note = format!(
        "Both sides on the same bins, of equal width on the logarithmic axis. Beyond the right edge: {} of the \
         replies of {old}, {} of those of {new}.",
        overlay.baseline_above, overlay.changed_above
    );
    Some(figure("histogram", "Round-trip times", &note, plot))
}

/// The empirical distribution functions.
fn ecdf(comparison: &Comparison) -> Option<String> {
    let curves = &comparison.curves;
    if curves.baseline_ecdf.is_empty() || curves.changed_ecdf.is_empty() {
        return None;
    }
    let mut plot = Plot::new();
    for (line, side, points) in [
        (BASELINE, &comparison.baseline, &curves.baseline_ecdf),
        (CHANGED, &comparison.changed, &curves.changed_ecdf),
    ] {
        let x = points.iter().map(|point| point.ms).collect();
        let y = points.iter().map(|point| point.share * 100.0).collect();
        plot.add_trace(curve(line, side, x, y));
    }
    let y = axis("replies that are no slower (%)");
    let points = curves.baseline_ecdf.iter().chain(&curves.changed_ecdf);
    let x = log_axis("round-trip time (ms)", points.map(|point| point.ms));
    plot.set_layout(layout(x, y));
    let note = "The curve further to the left answers sooner. Where the curves cross, the change helps some \
                requests and harms others.";
    Some(figure("ecdf", "Share of replies by time", note, plot))
}

/// The percentile spectrum: the tail, stretched.
fn spectrum(comparison: &Comparison) -> Option<String> {
    let curves = &comparison.curves;
    if curves.baseline_spectrum.is_empty() || curves.changed_spectrum.is_empty() {
        return None;
    }
    let mut plot = Plot::new();
    for (line, side, points) in [
        (BASELINE, &comparison.baseline, &curves.baseline_spectrum),
        (CHANGED, &comparison.changed, &curves.changed_spectrum),
    ] {
        let x = points.iter().map(one_in).collect();
        let y = points.iter().map(|point| point.ms).collect();
        plot.add_trace(curve(line, side, x, y));
    }
    let x = log_axis("one request in (number)", std::iter::empty())
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
    let points = curves.baseline_spectrum.iter();
    let points = points.chain(&curves.changed_spectrum).map(|point| point.ms);
    plot.set_layout(layout(x, log_axis("is at least so slow (ms)", points)));
    let note = "A percentile is drawn as far as at least ten replies lie above it.";
    Some(figure("spectrum", "The slow ones", note, plot))
}

fn one_in(point: &CurvePoint) -> f64 {
    1.0 / (1.0 - point.share)
}

fn curve(line: Line, side: &SideSummary, x: Vec<f64>, y: Vec<f64>) -> Box<Scatter<f64, f64>> {
    Scatter::new(x, y)
        .name(&side.name)
        .mode(Mode::Lines)
        .line(Stroke::new().color(line.colour).width(2.0))
}

/// Differences of the deciles and of the tail, with their simultaneous bands.
fn shift_function(comparison: &Comparison) -> Option<String> {
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
    let (old, new) = (&comparison.baseline.name, &comparison.changed.name);
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
            .name(format!("{new} - {old}")),
    );
    plot.set_layout(layout(
        axis("percentile (%)"),
        axis("difference (ms)").zero_line(true),
    ));
    let note = format!(
        "Below zero, the {new} side is faster at that percentile. The band holds all points together with 95 % \
         confidence as far as requests vary within the runs; what differs from run to run is in the blocks' \
         intervals above."
    );
    Some(figure("shift", "Where the distribution moved", &note, plot))
}

/// Runs of each side that are drawn; more would hide each other.
const RUNS_SHOWN: usize = 6;

/// The median and the 95th percentile over time, one line for each run.
fn over_time(comparison: &Comparison) -> Option<String> {
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
    let (mut warm_up, mut times) = (0.0_f64, Vec::new());
    for (line, side) in sides {
        for (index, bins) in timelines(side).enumerate() {
            warm_up = warm_up.max(end_of_warm_up(bins));
            let seconds: Vec<f64> = bins.iter().map(|bin| bin.seconds).collect();
            let medians = bins.iter().map(|bin| bin.median_ms).collect();
            let p95 = bins.iter().map(|bin| bin.p95_ms).collect();
            times.extend(bins.iter().flat_map(|bin| [bin.median_ms, bin.p95_ms]));
            for (name, values, colour) in [("p50", medians, line.colour), ("p95", p95, line.pale)] {
                plot.add_trace(
                    Scatter::new(seconds.clone(), values)
                        .name(format!("{} {name}", side.name))
                        .legend_group(format!("{} {name}", side.name))
                        .show_legend(index == 0)
                        .mode(Mode::Lines)
                        .line(Stroke::new().color(colour).width(1.2)),
                );
            }
        }
    }
    let layout = layout(
        axis("time since the run's first request (s)"),
        log_axis("round-trip time (ms)", times.into_iter()),
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
