//! The charts of the pages. They get counts and quantiles, never single requests.

use plotly::common::{DashType, ErrorData, ErrorType, Fill, LineShape, Marker, Mode};
use plotly::layout::{AxisType, HoverMode, Shape, ShapeLine, ShapeType, SpikeMode};
use plotly::{Layout, Scatter, Trace};

use crate::compare::{Comparison, CurvePoint, Effect, Look, Metric, SideSummary, TimeBin};
use crate::measure::history::{Bin, Moment, MomentRow};
use crate::report::html::frame::{
    BASELINE, CHANGED, FAILURES, Line, P50, P95, P99, REQUESTS, USERS, axis, curve, figure, layout,
    log_axis, stroke, warm_up_shade,
};
use crate::stats::QuantileShift;

/// Returns all charts of a comparison, in the order of the page.
pub(super) fn all(comparison: &Comparison) -> String {
    let charts = [
        effects(comparison),
        looks(comparison),
        medians(comparison),
        histogram(comparison),
        ecdf(comparison),
        spectrum(comparison),
        shift_function(comparison),
        over_time(comparison),
    ];
    charts.into_iter().flatten().collect()
}

/// Returns each side and its line style.
fn sides(comparison: &Comparison) -> [(Line, &SideSummary); 2] {
    [
        (BASELINE, &comparison.baseline),
        (CHANGED, &comparison.changed),
    ]
}

/// Draws the changes with their intervals, and the threshold that counts as a difference.
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
    let changes = Scatter::new(names, percents(|effect| effect.change))
        .name("change")
        .mode(Mode::Markers)
        .marker(Marker::new().color(CHANGED.colour).size(10))
        .error_y(whiskers);
    let layout = layout(axis("").type_(AxisType::Category), axis("change (%)"));
    let layout = layout.shapes(bounds(comparison));
    let note = "Relative change of each figure with its 95 % interval over the blocks. The dotted lines are \
                the threshold. An interval wholly beyond one of them is a difference that matters.";
    let layout = layout.show_legend(false);
    Some(figure("effects", "Changes", note, vec![changes], layout))
}

/// Returns the threshold as dotted lines.
fn bounds(comparison: &Comparison) -> Vec<Shape> {
    let threshold = comparison.threshold * 100.0;
    let grey = ShapeLine::new().color("rgba(128,128,128,0.8)");
    let dots = grey.width(1.0).dash(DashType::Dot);
    let bound = |at: f64| {
        let line = Shape::new().shape_type(ShapeType::Line).line(dots.clone());
        line.x_ref("paper").x0(0).x1(1).y0(at).y1(at)
    };
    [-threshold, threshold].map(bound).to_vec()
}

/// Draws the change of the median after each block.
fn looks(comparison: &Comparison) -> Option<String> {
    let looks = &comparison.sequence.as_ref()?.looks;
    if looks.is_empty() {
        return None;
    }
    let blocks: Vec<u64> = looks.iter().map(|look| look.blocks).collect();
    let line = |name: &str, width: f64, figure: fn(&Look) -> f64| {
        let percents = looks.iter().map(|look| figure(look) * 100.0).collect();
        curve(name, CHANGED.colour, width, blocks.clone(), percents)
    };
    let traces: Vec<Box<dyn Trace>> = vec![
        line("interval, lower end", 0.0, |look| look.low).show_legend(false),
        line("95 % interval", 0.0, |look| look.high)
            .fill(Fill::ToNextY)
            .fill_color(CHANGED.shade),
        line("change", 2.0, |look| look.change)
            .mode(Mode::LinesMarkers)
            .marker(Marker::new().color(CHANGED.colour).size(8)),
    ];
    let changes = axis("change (%)").range(shown(looks, comparison.threshold));
    let layout = layout(axis("blocks (number)").dtick(1.0), changes);
    let layout = layout.shapes(bounds(comparison));
    let note = "The change of the median after each block. The interval is valid after each block, so the \
                experiment may end as soon as it lies beyond a dotted line, or between both lines.";
    let heading = "The median after each block";
    Some(figure("looks", heading, note, traces, layout))
}

/// Returns the range of percents to show. The first intervals are so wide that the last one would be too small to see.
fn shown(looks: &[Look], threshold: f64) -> Vec<f64> {
    let last = looks
        .last()
        .map_or((0.0, 0.0), |last| (last.low, last.high));
    let reach = 2.0 * (last.1 - last.0);
    let low = looks.iter().map(|look| look.low.max(last.0 - reach));
    let high = looks.iter().map(|look| look.high.min(last.1 + reach));
    let low = low.fold(-2.0 * threshold, f64::min);
    let high = high.fold(2.0 * threshold, f64::max);
    vec![low * 100.0, high * 100.0]
}

/// Draws the median of each run, block by block.
fn medians(comparison: &Comparison) -> Option<String> {
    if comparison.baseline.runs.len() + comparison.changed.runs.len() < 3 {
        return None;
    }
    let medians = sides(comparison).map(|(line, side)| -> Box<dyn Trace> {
        let points = side.runs.iter().enumerate();
        let (blocks, medians): (Vec<usize>, Vec<f64>) = points
            .filter_map(|(index, run)| Some((index + 1, Metric::P50.of(&run.figures)?)))
            .unzip();
        curve(&side.name, line.colour, 1.0, blocks, medians)
            .mode(Mode::LinesMarkers)
            .marker(Marker::new().color(line.colour).size(10))
    });
    let blocks = axis("block (number)").dtick(1.0);
    let layout = layout(blocks, axis("median round-trip time (ms)"));
    let note = "Each point is one run. The change between the sides counts only where it is larger than \
                the change from block to block.";
    let heading = "Medians, block by block";
    Some(figure("medians", heading, note, medians.into(), layout))
}

/// Draws the histograms of both sides over the same bins.
fn histogram(comparison: &Comparison) -> Option<String> {
    let overlay = comparison.curves.overlay.as_ref()?;
    let shares = [&overlay.baseline, &overlay.changed];
    let both = sides(comparison).into_iter().zip(shares);
    let steps = both.map(|((line, side), shares)| -> Box<dyn Trace> {
        // Steps from edge to edge, back to zero at the last one. Bars on a logarithmic axis would each need a width.
        let percent = shares.iter().map(|share| share * 100.0).chain([0.0]);
        let edges = overlay.edges_ms.clone();
        curve(&side.name, line.colour, 1.5, edges, percent.collect())
            .line(stroke(line.colour, 1.5).shape(LineShape::Hv))
            .fill(Fill::ToZeroY)
            .fill_color(line.shade)
    });
    let times = log_axis("round-trip time (ms)", overlay.edges_ms.iter().copied());
    let layout = layout(times, axis("replies (%)"));
    let note = format!(
        "Both sides have the same bins, of equal width on the logarithmic axis. Beyond the right edge: {} of the \
         replies of {}, {} of the replies of {}.",
        overlay.baseline_above,
        comparison.baseline.name,
        overlay.changed_above,
        comparison.changed.name
    );
    let steps = steps.collect();
    Some(figure(
        "histogram",
        "Round-trip times",
        &note,
        steps,
        layout,
    ))
}

/// Draws the empirical distribution functions.
fn ecdf(comparison: &Comparison) -> Option<String> {
    let points = [
        &*comparison.curves.baseline_ecdf,
        &*comparison.curves.changed_ecdf,
    ];
    let curves = curves(comparison, points, |point| (point.ms, point.share * 100.0))?;
    let x = log_axis("round-trip time (ms)", milliseconds(points));
    let layout = layout(x, axis("replies within this time (%)"));
    let note = "The side whose curve is further to the left answers sooner. If the curves cross, the change helps \
                some requests and harms others.";
    let heading = "Share of replies by time";
    Some(figure("ecdf", heading, note, curves, layout))
}

/// Draws the percentile spectrum: the slow tail, stretched.
fn spectrum(comparison: &Comparison) -> Option<String> {
    let points = [
        &*comparison.curves.baseline_spectrum,
        &*comparison.curves.changed_spectrum,
    ];
    let one_in = |point: &CurvePoint| (1.0 / (1.0 - point.share), point.ms);
    let curves = curves(comparison, points, one_in)?;
    let ticks = [
        (1.0, "1"),
        (2.0, "2 (median)"),
        (10.0, "10 (p90)"),
        (20.0, "20"),
        (100.0, "100 (p99)"),
        (1e3, "1,000"),
        (1e4, "10,000"),
        (1e5, "100,000"),
        (1e6, "1,000,000"),
    ];
    let (values, texts): (Vec<f64>, Vec<&str>) = ticks.into_iter().unzip();
    let x = log_axis("one request in (number)", std::iter::empty());
    let x = x.tick_values(values).tick_text(texts);
    let y = log_axis("takes at least this long (ms)", milliseconds(points));
    let note = "A percentile is drawn if at least ten replies lie above it.";
    let layout = layout(x, y);
    Some(figure("spectrum", "Slow replies", note, curves, layout))
}

/// Returns one curve for each side, or `None` unless both have points.
fn curves(
    comparison: &Comparison,
    points: [&[CurvePoint]; 2],
    place: fn(&CurvePoint) -> (f64, f64),
) -> Option<Vec<Box<dyn Trace>>> {
    let both = sides(comparison).into_iter().zip(points);
    let curves = both.map(|((line, side), points)| -> Option<Box<dyn Trace>> {
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(place).unzip();
        (!points.is_empty()).then(|| curve(&side.name, line.colour, 2.0, x, y) as _)
    });
    curves.collect()
}

fn milliseconds(points: [&[CurvePoint]; 2]) -> impl Iterator<Item = f64> {
    points.into_iter().flatten().map(|point| point.ms)
}

/// Draws the differences of the deciles and of the tail, with their simultaneous bands.
fn shift_function(comparison: &Comparison) -> Option<String> {
    let points = &comparison.shape.as_ref()?.shift_function;
    if points.is_empty() {
        return None;
    }
    let quantiles: Vec<f64> = points
        .iter()
        .map(|point| point.probability * 100.0)
        .collect();
    let line = |name: &str, width: f64, figure: fn(&QuantileShift) -> f64| {
        let values = points.iter().map(figure).collect();
        curve(name, CHANGED.colour, width, quantiles.clone(), values)
    };
    let (old, new) = (&comparison.baseline.name, &comparison.changed.name);
    let traces: Vec<Box<dyn Trace>> = vec![
        line("band, lower end", 0.0, |point| point.shift.low).show_legend(false),
        line("95 % band, all together", 0.0, |point| point.shift.high)
            .fill(Fill::ToNextY)
            .fill_color(CHANGED.shade),
        line(&format!("{new} - {old}"), 2.0, |point| point.shift.estimate)
            .mode(Mode::LinesMarkers)
            .marker(Marker::new().color(CHANGED.colour).size(8)),
    ];
    let differences = axis("difference (ms)").zero_line(true);
    let layout = layout(axis("percentile (%)"), differences);
    let note = format!(
        "Below zero, the {new} side is faster at that percentile. The band covers all points together with 95 % \
         confidence, for the variation of requests within the runs. The intervals over the blocks, above, cover the \
         variation from run to run."
    );
    let heading = "Where the distribution moved";
    Some(figure("shift", heading, &note, traces, layout))
}

/// Most runs of a side that are drawn. More would hide one another.
const RUNS_SHOWN: usize = 6;

/// Draws the median and the 95th percentile over time, one line for each run.
fn over_time(comparison: &Comparison) -> Option<String> {
    let mut traces: Vec<Box<dyn Trace>> = Vec::new();
    let (mut warm_up, mut times) = (0.0_f64, Vec::new());
    for (line, side) in sides(comparison) {
        for (index, bins) in timelines(side).enumerate() {
            warm_up = warm_up.max(end_of_warm_up(bins));
            let seconds: Vec<f64> = bins.iter().map(|bin| bin.seconds).collect();
            let medians = bins.iter().map(|bin| bin.median_ms).collect();
            let p95 = bins.iter().map(|bin| bin.p95_ms).collect();
            times.extend(bins.iter().flat_map(|bin| [bin.median_ms, bin.p95_ms]));
            for (name, values, colour) in [("p50", medians, line.colour), ("p95", p95, line.pale)] {
                let name = format!("{} {name}", side.name);
                let line = curve(&name, colour, 1.2, seconds.clone(), values);
                traces.push(line.legend_group(&name).show_legend(index == 0));
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
    let layout = layout.shapes(warm_up_shade(warm_up));
    let note = "One line per run. The shaded warm-up is not part of any figure. If a run still changes after the \
                warm-up, it was not steady: use a longer warm-up.";
    let heading = "Over the time of the runs";
    Some(figure("time", heading, note, traces, layout))
}

fn timelines(side: &SideSummary) -> impl Iterator<Item = &[TimeBin]> {
    let timelines = side.runs.iter().map(|run| run.timeline.as_slice());
    timelines.filter(|bins| !bins.is_empty()).take(RUNS_SHOWN)
}

fn end_of_warm_up(bins: &[TimeBin]) -> f64 {
    let warm = bins.iter().filter(|bin| bin.warm_up);
    warm.map(|bin| bin.seconds).fold(0.0, f64::max)
}

// The charts of a run.

type Curve = fn(&MomentRow) -> Option<f64>;

/// Name, colour and panel of each curve.
const CURVES: [(&str, &str, &str, Curve); 5] = [
    ("requests/s", REQUESTS, "y", |row| Some(row.rates.requests)),
    ("failures/s", FAILURES, "y", |row| Some(row.rates.failures)),
    ("p50 (ms)", P50, "y2", |row| {
        row.window.as_ref().map(|own| own.median_ms)
    }),
    ("p95 (ms)", P95, "y2", |row| {
        row.window.as_ref()?.percentile(0.95)
    }),
    ("p99 (ms)", P99, "y2", |row| {
        row.window.as_ref()?.percentile(0.99)
    }),
];

/// Draws requests per second, response times and users over the time since the start.
pub(super) fn course(moments: &[Moment], warm_up_seconds: f64) -> String {
    if moments.is_empty() {
        return String::new();
    }
    let seconds: Vec<f64> = moments.iter().map(|own| own.seconds).collect();
    let curves = CURVES.map(|(name, colour, panel, value)| -> Box<dyn Trace> {
        let values = moments.iter().map(|moment| value(&moment.total));
        curve(name, colour, 2.0, seconds.clone(), values.collect()).y_axis(panel)
    });
    let users = moments.iter().map(|own| own.users).collect();
    let users = curve("users", USERS, 2.0, seconds.clone(), users)
        .line(stroke(USERS, 2.0).shape(LineShape::Hv))
        .y_axis("y3");
    let traces = curves.into_iter().chain([users as _]).collect();
    let layout = panels(warm_up_seconds);
    let note = "Drag to zoom in; all three panels follow. Rates are from ten seconds that ended two seconds before, \
                percentiles are from the last ten seconds. The shaded part is the warm-up. It is not part of the \
                figures above.";
    let chart = figure("course", "Course of the run", note, traces, layout);
    chart.replacen("class=\"chart\"", "class=\"chart tall\"", 1)
}

/// Returns the layout of three panels, one above the other, that share the time axis.
fn panels(warm_up_seconds: f64) -> Layout {
    let panel = |title: &str, domain: [f64; 2]| {
        let range = plotly::layout::RangeMode::ToZero;
        axis(title).domain(&domain).range_mode(range)
    };
    let time = axis("time since the start (s)")
        .anchor("y3")
        .show_spikes(true)
        .spike_mode(SpikeMode::Across)
        .spike_thickness(1);
    layout(axis(""), axis(""))
        .x_axis(time)
        .y_axis(panel("rate (per second)", [0.70, 1.0]))
        .y_axis2(panel("response time (ms)", [0.32, 0.64]))
        .y_axis3(panel("users (number)", [0.0, 0.26]))
        .hover_mode(HoverMode::X)
        .shapes(warm_up_shade(warm_up_seconds))
}

/// Draws the measured response times, on a logarithmic axis that shows the tail.
pub(super) fn run_histogram(bins: &[Bin]) -> String {
    let Some(last) = bins.last() else {
        return String::new();
    };
    // A step from each lower edge to the next one. The last step ends at zero.
    let mut edges: Vec<f64> = bins.iter().map(|bin| bin.low_ms).collect();
    let mut counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
    edges.push(last.high_ms);
    counts.push(0);
    let time = log_axis("response time (ms), logarithmic", edges.iter().copied());
    let steps = curve("requests", REQUESTS, 2.0, edges, counts)
        .line(stroke(REQUESTS, 2.0).shape(LineShape::Hv))
        .fill(Fill::ToZeroY)
        .fill_color(format!("{REQUESTS}80"));
    let layout = layout(time, axis("requests (number)")).show_legend(false);
    let note = "Good replies after the warm-up, from fastest to slowest, in bins of equal ratio.";
    figure("histogram", "Response times", note, vec![steps], layout)
}
