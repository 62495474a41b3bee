//! The tables of the page of a run.

use crate::measure::summary::{Latency, PERCENTILES, Row, StageResult, Summary};
use crate::measure::threshold::{Answer, Judgement, Verdict};
use crate::report::html::{cells, escape, table};

const TYPE: &str = "KAFKA";
const OMISSION: &str = "<p class=\"note\">Response times count from the moment when a request was to be sent, \
    service times from the moment when it was handed over. Here they differ: requests waited to be sent. A \
    service that stalls keeps requests from being sent, and the service times do not know of those \
    (coordinated omission); what a user would have felt is the response time.</p>\n";

/// Requests, failures, times and rates of each kind.
pub(super) fn requests(summary: &Summary) -> String {
    let rows: Vec<String> = rows(summary)
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

fn request_row(kind: &str, row: &Row) -> String {
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

fn time_row(kind: &str, name: &str, time: &str, latency: Option<&Latency>) -> String {
    let mut fields = vec![kind.to_owned(), name.to_owned(), time.to_owned()];
    let at = |quantile| latency.and_then(|own| own.percentile(quantile));
    fields.extend(PERCENTILES.map(|(_, quantile)| figure(at(quantile))));
    fields.push(figure(latency.map(|own| own.max_ms)));
    fields.push(latency.map_or(0, |own| own.count).to_string());
    cells(&fields.iter().map(String::as_str).collect::<Vec<_>>())
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
        ])
    };
    let rows: Vec<String> = summary.errors.iter().map(row).collect();
    let columns = [
        "# failures",
        "name",
        "outcome",
        "message",
        "first seen",
        "last seen",
    ];
    let note = "<p class=\"note\">Seconds from the start of the run. The warm-up's failures are among them.</p>\n";
    table("Failures", &columns, &rows) + note
}

/// What became of each threshold; nothing without any.
pub(super) fn thresholds(answer: &Answer) -> String {
    if answer.judgements.is_empty() {
        return String::new();
    }
    let rows: Vec<String> = answer.judgements.iter().map(threshold_row).collect();
    table(
        "Thresholds",
        &["must hold", "outcome", "measured", ""],
        &rows,
    )
}

fn threshold_row(judgement: &Judgement) -> String {
    let (tone, outcome) = match judgement.verdict {
        Verdict::Holds => ("good", "holds"),
        Verdict::Broken => ("bad", "broken"),
        Verdict::Undecided => ("bad", "undecided"),
    };
    format!(
        "<tr><th>{}</th><td class=\"{tone}\">{outcome}</td><td>{}</td><td>{}</td></tr>\n",
        escape(&judgement.threshold),
        escape(judgement.measured.as_deref().unwrap_or("–")),
        escape(judgement.reason.as_deref().unwrap_or_default())
    )
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
            &stage
                .throughput
                .map_or_else(|| "–".to_owned(), |rate| format!("{rate:.2}")),
            &figure(latency.map(|own| own.median_ms)),
            &at(0.95),
            &at(0.99),
        ])
    };
    let stages = &summary.stages;
    let rows: Vec<String> = stages.iter().map(row).collect();
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

fn rows(summary: &Summary) -> impl Iterator<Item = (&'static str, &Row)> {
    let kinds = summary.kinds.iter().map(|row| (TYPE, row));
    kinds.chain([("", &summary.total)])
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.3}"))
}

fn dash() -> String {
    "–".to_owned()
}
