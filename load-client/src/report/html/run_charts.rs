//! The charts of the page of a run.

use plotly::common::{Fill, Line, LineShape, Mode};
use plotly::layout::{HoverMode, SpikeMode};
use plotly::{Layout, Plot, Scatter};

use crate::measure::history::{Bin, Moment, MomentRow};
use crate::report::html::frame::{
    self, FAILURES, P50, P95, P99, REQUESTS, USERS, axis, layout, log_axis, warm_up_shade,
};

type Curve = fn(&MomentRow) -> Option<f64>;

const RATES: [(&str, &str, Curve); 2] = [
    ("requests/s", REQUESTS, |row| Some(row.rates.requests)),
    ("failures/s", FAILURES, |row| Some(row.rates.failures)),
];
const TIMES: [(&str, &str, Curve); 3] = [
    ("p50 (ms)", P50, |row| {
        row.window.as_ref().map(|own| own.median_ms)
    }),
    ("p95 (ms)", P95, |row| row.window.as_ref()?.percentile(0.95)),
    ("p99 (ms)", P99, |row| row.window.as_ref()?.percentile(0.99)),
];

/// Requests per second, response times and users, over the time since the start.
pub(super) fn course(moments: &[Moment], warm_up_seconds: f64) -> String {
    if moments.is_empty() {
        return String::new();
    }
    let mut plot = Plot::new();
    for (name, colour, curve) in RATES {
        plot.add_trace(line(moments, name, colour, "y", curve));
    }
    for (name, colour, curve) in TIMES {
        plot.add_trace(line(moments, name, colour, "y2", curve));
    }
    plot.add_trace(
        Scatter::new(
            seconds(moments),
            moments.iter().map(|own| own.users).collect(),
        )
        .name("users")
        .mode(Mode::Lines)
        .line(Line::new().color(USERS).shape(LineShape::Hv))
        .y_axis("y3"),
    );
    plot.set_layout(panels(warm_up_seconds));
    let note = "Drag to look closer; all three panels follow. Rates are those of the ten seconds that ended two \
                seconds before, percentiles those of the last ten seconds. The shaded part is the warm-up, which \
                is in none of the figures above.";
    let chart = frame::figure("course", "Course of the run", note, plot);
    chart.replacen("class=\"chart\"", "class=\"chart tall\"", 1)
}

fn line(
    moments: &[Moment],
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

/// The measured response times, on a logarithmic axis so that the tail is seen.
pub(super) fn histogram(bins: &[Bin]) -> String {
    let Some(last) = bins.last() else {
        return String::new();
    };
    // A step from each lower edge to the next; the last one ends at zero.
    let mut edges: Vec<f64> = bins.iter().map(|bin| bin.low_ms).collect();
    let mut counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
    edges.push(last.high_ms);
    counts.push(0);
    let time = log_axis("response time (ms), logarithmic", edges.iter().copied());
    let mut plot = Plot::new();
    plot.add_trace(
        Scatter::new(edges, counts)
            .name("requests")
            .mode(Mode::Lines)
            .line(Line::new().color(REQUESTS).shape(LineShape::Hv))
            .fill(Fill::ToZeroY)
            .fill_color(format!("{REQUESTS}80")),
    );
    plot.set_layout(layout(time, axis("requests (number)")).show_legend(false));
    let note = "Good replies of the measured part, from the fastest to the slowest, in bins of equal ratio.";
    frame::figure("histogram", "Response times", note, plot)
}

fn seconds(moments: &[Moment]) -> Vec<f64> {
    moments.iter().map(|moment| moment.seconds).collect()
}
