//! The files that can be made of what the board holds.

use serde::Serialize;

use super::{Board, Download, Refusal, Snapshot, State};
use crate::measure::moment::Moment;
use crate::measure::selfcheck::Validity;
use crate::measure::summary::Summary;
use crate::measure::threshold::Answer;
use crate::report::html::{RunPage, Section, run_page};
use crate::report::{failures_csv, stats_csv};

const JSON: &str = "application/json";
const CSV: &str = "text/csv; charset=utf-8";
const HISTORY_COLUMNS: [&str; 10] = [
    "Run",
    "Timestamp",
    "User Count",
    "Requests/s",
    "Failures/s",
    "50%",
    "95%",
    "99%",
    "Total Request Count",
    "Total Failure Count",
];
const HTML: &str = "text/html; charset=utf-8";

/// The files that [`board_download`] makes.
#[must_use]
pub(crate) fn board_downloads() -> Vec<String> {
    [
        "stats.csv",
        "history.csv",
        "failures.csv",
        "report.html",
        "summary.json",
        "history.json",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Makes one of the files; `None` without such a file.
///
/// # Errors
///
/// When there are no figures yet.
pub(crate) fn board_download(board: &Board, file: &str) -> Result<Option<Download>, Refusal> {
    let snapshot = board.snapshot();
    match file {
        "stats.csv" => Ok(Some(csv(stats_csv(summary(&snapshot)?)))),
        "failures.csv" => {
            let start = snapshot.state.started_unix_ms.unwrap_or_default() as f64 / 1e3;
            let failures = failures_csv(&summary(&snapshot)?.errors, start);
            Ok(Some(csv(failures)))
        }
        "history.csv" => history(&snapshot).map(csv).map(Some),
        "report.html" => report(&snapshot).map(Some),
        "summary.json" => {
            let report = SummaryFile {
                state: &snapshot.state,
                summary: summary(&snapshot)?,
            };
            json(&report).map(Some)
        }
        "history.json" => {
            let history = serde_json::json!({ "runs": snapshot.runs, "moments": snapshot.moments });
            json(&history).map(Some)
        }
        _ => Ok(None),
    }
}

#[derive(Serialize)]
struct SummaryFile<'a> {
    state: &'a State,
    summary: &'a Summary,
}

fn summary(snapshot: &Snapshot) -> Result<&Summary, Refusal> {
    let figures = snapshot.figures.as_ref();
    let none = || Refusal::Conflict("there are no figures yet; start a run".to_owned());
    figures.map(|figures| &figures.summary).ok_or_else(none)
}

fn json(value: &impl Serialize) -> Result<Download, Refusal> {
    let content = serde_json::to_vec_pretty(value).map_err(cannot)?;
    Ok(Download {
        media_type: JSON,
        content,
    })
}

fn csv(content: Vec<u8>) -> Download {
    Download {
        media_type: CSV,
        content,
    }
}

/// A row for each moment of every run on the page: rates and percentiles of the last ten seconds, counts from
/// the run's start. A figure that is not known is an empty field.
fn history(snapshot: &Snapshot) -> Result<Vec<u8>, Refusal> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HISTORY_COLUMNS).map_err(cannot)?;
    for own in &snapshot.moments {
        let (moment, total) = (&own.moment, &own.moment.total);
        let at = |quantile| {
            let found = total
                .window
                .as_ref()
                .and_then(|window| window.percentile(quantile));
            found.map(|ms| ms.to_string()).unwrap_or_default()
        };
        let row = [
            own.run.to_string(),
            moment.unix_seconds.to_string(),
            moment.users.to_string(),
            total.rates.requests.to_string(),
            total.rates.failures.to_string(),
            at(0.5),
            at(0.95),
            at(0.99),
            total.requests.to_string(),
            total.failures.to_string(),
        ];
        writer.write_record(row).map_err(cannot)?;
    }
    writer.into_inner().map_err(cannot)
}

/// The report of the last run, as far as the board knows it.
fn report(snapshot: &Snapshot) -> Result<Download, Refusal> {
    let summary = summary(snapshot)?;
    let state = &snapshot.state;
    let moments = snapshot.moments.iter().filter(|own| own.run == state.run);
    let moments: Vec<Moment> = moments.map(|own| own.moment.clone()).collect();
    let bins = snapshot.figures.as_ref().map(|figures| &figures.histogram);
    let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let header = [Section {
        heading: "Target".to_owned(),
        rows: vec![
            row("brokers", &state.target.brokers),
            row("topic", &state.target.topic),
            row(
                "replies",
                state.target.reply_topic.as_deref().unwrap_or("none"),
            ),
        ],
    }];
    let reason = "the live page does not judge its runs; --json does".to_owned();
    let page = RunPage {
        title: &format!("Run {} on {}", state.run, state.target.topic),
        during: state.run_id.as_deref().unwrap_or_default(),
        summary,
        moments: &moments,
        warm_up_seconds: warm_up_end(&moments),
        bins: bins.map_or(&[][..], Vec::as_slice),
        validity: &Validity::NotJudged { reason },
        thresholds: &Answer::default(),
        header: &header,
        circumstances: &[],
        command: "load-client --web",
    };
    Ok(Download {
        media_type: HTML,
        content: run_page(&page).into_bytes(),
    })
}

fn warm_up_end(moments: &[Moment]) -> f64 {
    let warm = moments.iter().filter(|moment| moment.warm_up);
    warm.map(|moment| moment.seconds).fold(0.0, f64::max)
}

fn cannot(error: impl std::fmt::Display) -> Refusal {
    Refusal::Conflict(format!("the file cannot be made: {error}"))
}
