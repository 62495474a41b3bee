//! The tables and charts of the page of a run.

use plotly::common::{Fill, Line, LineShape, Mode};
use plotly::layout::{HoverMode, SpikeMode};
use plotly::{Layout, Plot, Scatter};

use crate::measure::history::{Bin, Moment, MomentRow};
use crate::measure::summary::{Latency, PERCENTILES, Row, StageResult, Summary};
use crate::measure::threshold::{Judgement, Judgements, Standing};
use crate::report::html::frame::{
    self, FAILURES, P50, P95, P99, REQUESTS, USERS, axis, layout, log_axis, warm_up_shade,
};
use crate::report::html::{cells, escape, table, toned_table};
use crate::report::rows;

const OMISSION: &str = "<p class=\"note\">Response times count from the moment when a request was to be sent, \
    service times from the moment when it was handed over. Here they differ: requests waited to be sent. A \
    service that stalls keeps requests from being sent, and the service times do not know of those \
    (coordinated omission); what a user would have felt is the response time.</p>\n";

/// What a reader looks for first.
pub(super) fn headline(summary: &Summary) -> String {
    let total = &summary.total;
    let response = total.response.as_ref();
    let ms = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.3} ms"));
    let at = |quantile| ms(response.and_then(|own| own.percentile(quantile)));
    let failed = match total.requests {
        0 => dash(),
        all => format!("{:.2} %", 100.0 * total.failures as f64 / all as f64),
    };
    let figures = [
        ("requests", total.requests.to_string()),
        ("failures", failed),
        ("good replies/s", rate(summary.throughput)),
        ("median", ms(response.map(|own| own.median_ms))),
        ("95 %", at(0.95)),
        ("99 %", at(0.99)),
    ];
    let figure =
        |(name, text): (&str, String)| format!("<div><dt>{name}</dt><dd>{text}</dd></div>\n");
    let figures: String = figures.map(figure).concat();
    format!("<dl class=\"headline\">\n{figures}</dl>\n")
}

/// Requests, failures, times and rates of each kind.
pub(super) fn requests(summary: &Summary) -> String {
    let rows: Vec<_> = rows(summary)
        .map(|(kind, row)| request_row(kind, row))
        .collect();
    let columns = [
        "type",
        "name",
        "# requests",
        "# fails",
        "average (ms)",
        "min (ms)",
        "max (ms)",
        "median (ms)",
        "average size (bytes)",
        "requests/s",
        "failures/s",
    ];
    let mut note = format!(
        "The warm-up's {} requests, of which {} failed, are in no figure. ",
        summary.warm_up.requests, summary.warm_up.failures
    );
    if summary.warm_up.requests == 0 {
        note.clear();
    }
    if let (Some(rate), Some(seconds)) = (summary.throughput, summary.window_seconds) {
        note += &format!("{rate:.2} good replies per second over the {seconds:.1} s measured.");
    }
    table("Request statistics", &columns, &rows) + &format!("<p class=\"note\">{note}</p>\n")
}

fn request_row(kind: &str, row: &Row) -> Vec<String> {
    let latency = row.response.as_ref();
    cells(&[
        kind,
        &row.name,
        &row.requests.to_string(),
        &row.failures.to_string(),
        &figure(latency.map(|own| own.mean_ms)),
        &figure(latency.map(|own| own.min_ms)),
        &figure(latency.map(|own| own.max_ms)),
        &figure(latency.map(|own| own.median_ms)),
        &row.mean_bytes
            .map_or_else(dash, |bytes| format!("{bytes:.0}")),
        &format!("{:.2}", row.rates.requests),
        &format!("{:.2}", row.rates.failures),
    ])
}

/// Percentiles of each kind; response beside service times where the two differ.
pub(super) fn times(summary: &Summary) -> String {
    let both = summary.total.times_differ();
    let mut lines = Vec::new();
    for (kind, row) in rows(summary) {
        lines.push(time_row(kind, &row.name, "response", row.response.as_ref()));
        if both {
            lines.push(time_row(kind, &row.name, "service", row.service.as_ref()));
        }
    }
    let mut columns = vec!["type", "name", "time (ms)"];
    columns.extend(PERCENTILES.map(|(name, _)| name));
    columns.extend(["100 %", "# replies"]);
    let note = "<p class=\"note\">Of good replies only. A percentile is left out where fewer than ten replies \
                lie above it.</p>\n";
    let note = if both {
        OMISSION.to_owned() + note
    } else {
        note.to_owned()
    };
    table("Response time statistics", &columns, &lines) + &note + &lag(summary)
}

/// How late an open loop sent its requests.
fn lag(summary: &Summary) -> String {
    let Some(lag) = &summary.schedule_lag else {
        return String::new();
    };
    let warning = lag.warning().map_or_else(String::new, |warning| {
        format!(
            "<p class=\"warning\">{}; response times count the wait.</p>\n",
            escape(&warning)
        )
    });
    format!("<p>{}.</p>\n{warning}", escape(&lag.sentence()))
}

fn time_row(kind: &str, name: &str, time: &str, latency: Option<&Latency>) -> Vec<String> {
    let mut fields = vec![kind.to_owned(), name.to_owned(), time.to_owned()];
    let at = |quantile| latency.and_then(|own| own.percentile(quantile));
    fields.extend(PERCENTILES.map(|(_, quantile)| figure(at(quantile))));
    fields.push(figure(latency.map(|own| own.max_ms)));
    fields.push(latency.map_or(0, |own| own.count).to_string());
    fields
}

/// Failures by kind, outcome and text.
pub(super) fn failures(summary: &Summary) -> String {
    if summary.errors.is_empty() {
        return String::new();
    }
    let row = |error: &crate::measure::summary::ErrorCount| {
        cells(&[
            &error.count.to_string(),
            &error.name,
            error.status.as_str(),
            &error.error,
            &format!("{:.1} s", error.first_seconds),
            &format!("{:.1} s", error.last_seconds),
            error.first_body.as_deref().unwrap_or_default(),
        ])
    };
    let rows: Vec<_> = summary.errors.iter().map(row).collect();
    let columns = [
        "# failures",
        "name",
        "outcome",
        "message",
        "first seen",
        "last seen",
        "first body",
    ];
    let note = "<p class=\"note\">Seconds from the start of the run. The warm-up's failures are among them.</p>\n";
    table("Failures", &columns, &rows) + note
}

/// What became of each threshold; nothing without any.
pub(super) fn thresholds(answer: &Judgements) -> String {
    if answer.judgements.is_empty() {
        return String::new();
    }
    let outcomes = answer.judgements.iter().map(|own| match own.verdict {
        Standing::Holds => ("holds", "good"),
        Standing::Broken => ("broken", "bad"),
        Standing::Undecided => ("undecided", "bad"),
    });
    let (words, tones): (Vec<_>, Vec<_>) = outcomes.unzip();
    let row = |(own, outcome): (&Judgement, &&str)| {
        cells(&[
            &own.threshold,
            *outcome,
            own.measured.as_deref().unwrap_or("–"),
            own.reason.as_deref().unwrap_or_default(),
        ])
    };
    let rows: Vec<_> = answer.judgements.iter().zip(&words).map(row).collect();
    let columns = ["must hold", "outcome", "measured", ""];
    let tone = |row: usize, column: usize| if column == 1 { tones[row] } else { "" };
    toned_table("Thresholds", &columns, &rows, tone)
}

/// Figures of each stage, and what they show; nothing without stages.
pub(super) fn stages(summary: &Summary) -> String {
    let sentences = summary.findings.sentences();
    let sentences: String = sentences
        .iter()
        .map(|sentence| format!("<p>{}</p>\n", escape(sentence)))
        .collect();
    if summary.stages.is_empty() {
        return sentences;
    }
    let row = |stage: &StageResult| {
        let latency = stage.response.as_ref();
        let at = |quantile| figure(latency.and_then(|own| own.percentile(quantile)));
        cells(&[
            &stage.span.name,
            &stage.span.target,
            &format!(
                "{:.1} to {:.1} s",
                stage.span.start_seconds, stage.span.end_seconds
            ),
            &stage.requests.to_string(),
            &stage.failures.to_string(),
            &rate(stage.throughput),
            &figure(latency.map(|own| own.median_ms)),
            &at(0.95),
            &at(0.99),
        ])
    };
    let stages = &summary.stages;
    let rows: Vec<_> = stages.iter().map(row).collect();
    let columns = [
        "stage",
        "target",
        "from, to",
        "# requests",
        "# fails",
        "good replies/s",
        "median (ms)",
        "95 % (ms)",
        "99 % (ms)",
    ];
    table("Stages", &columns, &rows) + &sentences
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.3}"))
}

fn rate(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.2}"))
}

fn dash() -> String {
    "–".to_owned()
}

/// Points of a curve; a page of a day's run must open as fast as that of a minute's.
const MAX_POINTS: usize = 2000;

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

fn thinned(moments: &[Moment]) -> Vec<&Moment> {
    let step = moments.len().div_ceil(MAX_POINTS).max(1);
    moments.iter().step_by(step).collect()
}

fn seconds(moments: &[&Moment]) -> Vec<f64> {
    moments.iter().map(|moment| moment.seconds).collect()
}
