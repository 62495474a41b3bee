//! The charts of the page. They are fed with counts and quantiles, never with every request.

use plotly::common::{
    DashType, ErrorData, ErrorType, Fill, Line as Stroke, LineShape, Marker, Mode,
};
use plotly::layout::{AxisType, Shape, ShapeLine, ShapeType};
use plotly::{Plot, Scatter};

use crate::compare::{Comparison, CurvePoint, Effect, Metric, SideSummary, TimeBin};
use crate::report::html::frame::{
    BASELINE, CHANGED, Line, axis, figure, layout, log_axis, warm_up_shade,
};
use crate::stats::QuantileShift;

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

/// Each side, with how it is drawn.
fn sides(comparison: &Comparison) -> [(Line, &SideSummary); 2] {
    [
        (BASELINE, &comparison.baseline),
        (CHANGED, &comparison.changed),
    ]
}

/// The changes with their intervals, beside the threshold that counts as a difference.
fn effects(comparison: &Comparison) -> Option<String> {
    let effects = &comparison.blocks.as_ref()?.effects;
    let names: Vec<&str> = effects.iter().map(|effect| effect.metric.name()).collect();
    let percents = |figure: fn(&Effect) -> f64| -> Vec<f64> {
        effects
            .iter()
            .map(|effect| figure(effect) * 100.0)
            .collect()
    };
    let whiskers = ErrorData::new(ErrorType::Data)
        .array(percents(|effect| effect.high - effect.change))
        .array_minus(percents(|effect| effect.change - effect.low))
        .symmetric(false);
    let mut plot = Plot::new();
    plot.add_trace(
        Scatter::new(names, percents(|effect| effect.change))
            .name("change")
            .mode(Mode::Markers)
            .marker(Marker::new().color(CHANGED.colour).size(10))
            .error_y(whiskers),
    );
    let threshold = comparison.threshold * 100.0;
    let dots = || {
        let grey = ShapeLine::new().color("rgba(128,128,128,0.8)");
        grey.width(1.0).dash(DashType::Dot)
    };
    let bounds = [-threshold, threshold].map(|at| {
        Shape::new()
            .shape_type(ShapeType::Line)
            .x_ref("paper")
            .x0(0)
            .x1(1)
            .y0(at)
            .y1(at)
            .line(dots())
    });
    let layout = layout(axis("").type_(AxisType::Category), axis("change (%)"));
    plot.set_layout(layout.shapes(bounds.to_vec()).show_legend(false));
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
    for (line, side) in sides(comparison) {
        let points = side.runs.iter().enumerate();
        let (blocks, medians): (Vec<usize>, Vec<f64>) = points
            .filter_map(|(index, run)| Some((index + 1, Metric::P50.of(&run.figures)?)))
            .unzip();
        plot.add_trace(
            Scatter::new(blocks, medians)
                .name(&side.name)
                .mode(Mode::LinesMarkers)
                .line(stroke(line.colour, 1.0))
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
    let shares = [&overlay.baseline, &overlay.changed];
    for ((line, side), shares) in sides(comparison).into_iter().zip(shares) {
        // Steps over the edges, back to zero at the last: bars on a logarithmic axis would need a
        // width each.
        let mut percent: Vec<f64> = shares.iter().map(|share| share * 100.0).collect();
        percent.push(0.0);
        plot.add_trace(
            Scatter::new(overlay.edges_ms.clone(), percent)
                .name(&side.name)
                .mode(Mode::Lines)
                .line(stroke(line.colour, 1.5).shape(LineShape::Hv))
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
         replies of {}, {} of those of {}.",
        overlay.baseline_above,
        comparison.baseline.name,
        overlay.changed_above,
        comparison.changed.name
    );
    Some(figure("histogram", "Round-trip times", &note, plot))
}

/// The empirical distribution functions.
fn ecdf(comparison: &Comparison) -> Option<String> {
    let points = [
        &*comparison.curves.baseline_ecdf,
        &*comparison.curves.changed_ecdf,
    ];
    let mut plot = curves(comparison, points, |point| (point.ms, point.share * 100.0))?;
    let x = log_axis("round-trip time (ms)", milliseconds(points));
    plot.set_layout(layout(x, axis("replies that are no slower (%)")));
    let note = "The curve further to the left answers sooner. Where the curves cross, the change helps some \
                requests and harms others.";
    Some(figure("ecdf", "Share of replies by time", note, plot))
}

/// The percentile spectrum: the tail, stretched.
fn spectrum(comparison: &Comparison) -> Option<String> {
    let points = [
        &*comparison.curves.baseline_spectrum,
        &*comparison.curves.changed_spectrum,
    ];
    let mut plot = curves(comparison, points, |point| {
        (1.0 / (1.0 - point.share), point.ms)
    })?;
    let x = log_axis("one request in (number)", std::iter::empty())
        .tick_values(vec![1.0, 2.0, 10.0, 20.0, 100.0, 1e3, 1e4, 1e5, 1e6])
        .tick_text(vec![
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
    let y = log_axis("is at least so slow (ms)", milliseconds(points));
    plot.set_layout(layout(x, y));
    let note = "A percentile is drawn as far as at least ten replies lie above it.";
    Some(figure("spectrum", "The slow ones", note, plot))
}

/// One curve for each side; `None` unless both have points.
fn curves(
    comparison: &Comparison,
    points: [&[CurvePoint]; 2],
    place: fn(&CurvePoint) -> (f64, f64),
) -> Option<Plot> {
    let mut plot = Plot::new();
    for ((line, side), points) in sides(comparison).into_iter().zip(points) {
        if points.is_empty() {
            return None;
        }
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(place).unzip();
        let curve = Scatter::new(x, y).name(&side.name).mode(Mode::Lines);
        plot.add_trace(curve.line(stroke(line.colour, 2.0)));
    }
    Some(plot)
}

fn milliseconds(points: [&[CurvePoint]; 2]) -> impl Iterator<Item = f64> {
    points.into_iter().flatten().map(|point| point.ms)
}

fn stroke(colour: &'static str, width: f64) -> Stroke {
    Stroke::new().color(colour).width(width)
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
    let line = |figure: fn(&QuantileShift) -> f64| {
        Scatter::new(quantiles.clone(), points.iter().map(figure).collect())
    };
    let (old, new) = (&comparison.baseline.name, &comparison.changed.name);
    let mut plot = Plot::new();
    plot.add_trace(
        line(|point| point.shift.low)
            .mode(Mode::Lines)
            .line(stroke(CHANGED.colour, 0.0))
            .show_legend(false)
            .name("band, lower end"),
    );
    plot.add_trace(
        line(|point| point.shift.high)
            .mode(Mode::Lines)
            .line(stroke(CHANGED.colour, 0.0))
            .fill(Fill::ToNextY)
            .fill_color(CHANGED.shade)
            .name("95 % band, all together"),
    );
    plot.add_trace(
        line(|point| point.shift.estimate)
            .mode(Mode::LinesMarkers)
            .line(stroke(CHANGED.colour, 2.0))
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
    let mut plot = Plot::new();
    let (mut warm_up, mut times) = (0.0_f64, Vec::new());
    for (line, side) in sides(comparison) {
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
                        .line(stroke(colour, 1.2)),
                );
            }
        }
    }
    if times.is_empty() {
        return None;
    }
    let layout = layout(
        axis("time since the run's first request (s)"),
        log_axis("round-trip time (ms)", times.into_iter()),
    );
    plot.set_layout(layout.shapes(warm_up_shade(warm_up)));
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
