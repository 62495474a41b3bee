//! The page of one run: verdict, figures, charts, circumstances. Fed with plain data, never with the runner.

mod tables;

use plotly::common::{Fill, Line, LineShape, Mode, Title};
use plotly::layout::{Axis, AxisType, HoverMode, Shape, ShapeLayer, ShapeType, SpikeMode};
use plotly::{Layout, Plot, Scatter};

use crate::measure::history::{Bin, Moment, MomentRow};
use crate::measure::selfcheck::Validity;
use crate::measure::summary::Summary;
use crate::measure::threshold::Answer;
use crate::report::html::charts::{axis, figure, layout};
use crate::report::html::{STYLE, Section, THEME, chart_library, escape, paragraphs};

const RUN_STYLE: &str = include_str!("run.css");
const PRINT: &str = include_str!("print.js");

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunPage<'a> {
    /// Heading and window title.
    pub title: &'a str,
    /// One line under the heading: when, and for how long.
    pub during: &'a str,
    /// The figures.
    pub summary: &'a Summary,
    /// The course of the run, a moment for each second.
    pub moments: &'a [Moment],
    /// Length of the warm-up, in seconds.
    pub warm_up_seconds: f64,
    /// The measured response times.
    pub bins: &'a [Bin],
    /// Whether the load client was the bottleneck.
    pub validity: &'a Validity,
    /// What became of the thresholds.
    pub thresholds: &'a Answer,
    /// Target and load, shown before the figures.
    pub header: &'a [Section],
    /// Client settings and environment, shown after them.
    pub circumstances: &'a [Section],
    /// The command that repeats the run, secrets masked.
    pub command: &'a str,
}

/// Renders a run as one HTML page: no file beside it, no request to any server.
#[must_use]
pub(crate) fn run_page(page: &RunPage<'_>) -> String {
    let title = escape(page.title);
    let during = escape(page.during);
    let verdict = verdict(page);
    let validity = validity(page.validity);
    let header: String = page
        .header
        .iter()
        .map(crate::report::html::section)
        .collect();
    let thresholds = tables::thresholds(page.thresholds);
    let requests = tables::requests(page.summary);
    let times = tables::times(page.summary);
    let failures = tables::failures(page.summary);
    let course = course(page.moments, page.warm_up_seconds);
    let histogram = histogram(page.bins);
    let stages = tables::stages(page.summary);
    let circumstances: String = page
        .circumstances
        .iter()
        .map(crate::report::html::section)
        .collect();
    let command = escape(page.command);
    let library = chart_library();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{RUN_STYLE}</style>\n{library}\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"note\">{during}</p>\n{verdict}{validity}{header}{thresholds}\
         <div class=\"figures\">\n{requests}{times}</div>\n{failures}{course}{histogram}{stages}{circumstances}\
         <h2>Command</h2>\n<pre class=\"command\">{command}</pre>\n\
         </main>\n<script>\n{THEME}{PRINT}</script>\n</body>\n</html>\n"
    )
}

/// The one sentence that a hurried reader needs.
fn verdict(page: &RunPage<'_>) -> String {
    let total = &page.summary.total;
    let broken = !page.thresholds.all_hold();
    let (tone, text) = if page.validity.is_invalid() {
        let text = "The load client was a bottleneck: do not use these figures.".to_owned();
        ("bad", text)
    } else if broken {
        ("bad", "A threshold does not hold.".to_owned())
    } else if total.requests == 0 {
        ("open", "No request was measured.".to_owned())
    } else if page.summary.any_failure() {
        let text = format!("{} of {} requests failed.", total.failures, total.requests);
        ("open", text)
    } else {
        let text = format!("All {} requests were answered well.", total.requests);
        ("good", text)
    };
    format!("<p class=\"verdict {tone}\">{}</p>\n", escape(&text))
}

fn validity(validity: &Validity) -> String {
    match validity {
        Validity::Valid => String::new(),
        Validity::NotJudged { .. } => paragraphs("notice", &validity.lines()),
        Validity::Invalid { .. } => paragraphs("warning", &validity.lines()),
    }
}

// The charts of the page of a run: its course in three panels over one time axis, and the histogram.

/// Okabe & Ito's colours: told apart by the colour-blind, readable on light and dark.
const BLUE: &str = "#56b4e9";
const ORANGE: &str = "#e69f00";
const VERMILION: &str = "#d55e00";
const GREEN: &str = "#009e73";
/// Points of a curve; a page of a day's run must open as fast as that of a minute's.
const MAX_POINTS: usize = 2000;

type Curve = fn(&MomentRow) -> Option<f64>;

const RATES: [(&str, &str, Curve); 2] = [
    ("requests/s", GREEN, |row| Some(row.rates.requests)),
    ("failures/s", VERMILION, |row| Some(row.rates.failures)),
];
const TIMES: [(&str, &str, Curve); 3] = [
    ("p50 (ms)", BLUE, |row| {
        row.window.as_ref().map(|own| own.median_ms)
    }),
    ("p95 (ms)", ORANGE, |row| {
        row.window.as_ref()?.percentile(0.95)
    }),
    ("p99 (ms)", VERMILION, |row| {
        row.window.as_ref()?.percentile(0.99)
    }),
];

/// Requests per second, response times and users, over the time since the start.
fn course(moments: &[Moment], warm_up_seconds: f64) -> String {
    if moments.is_empty() {
        return String::new();
    }
    let shown = thinned(moments);
    let mut plot = Plot::new();
    for (name, colour, curve) in RATES {
        plot.add_trace(line(&shown, name, colour, "y", curve));
    }
    for (name, colour, curve) in TIMES {
        plot.add_trace(line(&shown, name, colour, "y2", curve));
    }
    plot.add_trace(
        Scatter::new(seconds(&shown), shown.iter().map(|own| own.users).collect())
            .name("users")
            .mode(Mode::Lines)
            .line(Line::new().color(BLUE).shape(LineShape::Hv))
            .y_axis("y3"),
    );
    plot.set_layout(panels(warm_up_seconds));
    let note = "Drag to look closer; all three panels follow. Rates are those of the ten seconds that ended two \
                seconds before, percentiles those of the last ten seconds. The shaded part is the warm-up, which \
                is in none of the figures above.";
    let chart = figure("course", "Course of the run", note, plot);
    chart.replacen("class=\"chart\"", "class=\"chart tall\"", 1)
}

fn line(
    moments: &[&Moment],
    name: &str,
    colour: &'static str,
    panel: &str,
    curve: Curve,
) -> Box<Scatter<f64, Option<f64>>> {
    let values = moments.iter().map(|moment| curve(&moment.total));
    Scatter::new(seconds(moments), values.collect())
        .name(name)
        .mode(Mode::Lines)
        .line(Line::new().color(colour))
        .y_axis(panel)
}

/// Three panels, one above the other, that share the time axis.
fn panels(warm_up_seconds: f64) -> Layout {
    let panel = |title: &str, domain: [f64; 2]| {
        let range = plotly::layout::RangeMode::ToZero;
        axis(title).domain(&domain).range_mode(range)
    };
    let time = axis("seconds since the start")
        .anchor("y3")
        .show_spikes(true)
        .spike_mode(SpikeMode::Across)
        .spike_thickness(1);
    layout(axis(""), axis(""))
        .x_axis(time)
        .y_axis(panel("per second", [0.70, 1.0]))
        .y_axis2(panel("response time (ms)", [0.32, 0.64]))
        .y_axis3(panel("users", [0.0, 0.26]))
        .hover_mode(HoverMode::X)
        .shapes(warm_up(warm_up_seconds).into_iter().collect())
}

/// A shade from the start to the end of the warm-up; none without one.
fn warm_up(seconds: f64) -> Option<Shape> {
    (seconds > 0.0).then(|| {
        Shape::new()
            .shape_type(ShapeType::Rect)
            .layer(ShapeLayer::Below)
            .x_ref("x")
            .y_ref("paper")
            .x0(0.0)
            .x1(seconds)
            .y0(0.0)
            .y1(1.0)
            .fill_color("rgba(128,128,128,0.18)")
            .line(plotly::layout::ShapeLine::new().width(0.0))
    })
}

/// The measured response times, on a logarithmic axis so that the tail is seen.
fn histogram(bins: &[Bin]) -> String {
    let Some(last) = bins.last() else {
        return String::new();
    };
    // A step from each lower edge to the next; the last one ends at zero.
    let mut edges: Vec<f64> = bins.iter().map(|bin| bin.low_ms).collect();
    let mut counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
    edges.push(last.high_ms);
    counts.push(0);
    let mut plot = Plot::new();
    plot.add_trace(
        Scatter::new(edges, counts)
            .name("requests")
            .mode(Mode::Lines)
            .line(Line::new().color(BLUE).shape(LineShape::Hv))
            .fill(Fill::ToZeroY),
    );
    let time = axis("response time (ms), logarithmic").type_(AxisType::Log);
    let count = Axis::new().title(Title::with_text("requests"));
    plot.set_layout(
        layout(axis(""), axis(""))
            .x_axis(time)
            .y_axis(count.grid_color("rgba(128,128,128,0.25)")),
    );
    let note = "Good replies of the measured part, from the fastest to the slowest, in bins of equal ratio.";
    figure("histogram", "Response times", note, plot)
}

fn thinned(moments: &[Moment]) -> Vec<&Moment> {
    let step = moments.len().div_ceil(MAX_POINTS).max(1);
    moments.iter().step_by(step).collect()
}

fn seconds(moments: &[&Moment]) -> Vec<f64> {
    moments.iter().map(|moment| moment.seconds).collect()
}

#[cfg(test)]
mod tests;
