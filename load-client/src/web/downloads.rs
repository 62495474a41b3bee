//! The files that can be made of what the board holds.

use serde::Serialize;

use super::{Board, Download, Refusal, Snapshot, State};
use crate::summary::{Row, Summary};

const JSON: &str = "application/json";
const CSV: &str = "text/csv; charset=utf-8";
const PERCENTILES: [(&str, f64); 4] = [("50%", 0.5), ("90%", 0.9), ("95%", 0.95), ("99%", 0.99)];

/// The files that [`board_download`] makes.
#[must_use]
pub fn board_downloads() -> Vec<String> {
    ["stats.csv", "summary.json", "history.json"]
        .map(str::to_owned)
        .to_vec()
}

/// Makes one of the files; `None` without such a file.
///
/// # Errors
///
/// When there are no figures yet.
pub fn board_download(board: &Board, file: &str) -> Result<Option<Download>, Refusal> {
    let snapshot = board.snapshot();
    match file {
        "stats.csv" => csv(summary(&snapshot)?).map(Some),
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

fn csv(summary: &Summary) -> Result<Download, Refusal> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut head = vec![
        "Type",
        "Name",
        "Request Count",
        "Failure Count",
        "Median Response Time",
        "Average Response Time",
        "Min Response Time",
        "Max Response Time",
        "Average Content Size",
        "Requests/s",
        "Failures/s",
    ];
    head.extend(PERCENTILES.map(|(name, _)| name));
    writer.write_record(head).map_err(cannot)?;
    for (kind, row) in rows(summary) {
        writer.write_record(fields(kind, row)).map_err(cannot)?;
    }
    let content = writer.into_inner().map_err(cannot)?;
    Ok(Download {
        media_type: CSV,
        content,
    })
}

fn rows(summary: &Summary) -> impl Iterator<Item = (&'static str, &Row)> {
    let kinds = summary.kinds.iter().map(|row| ("KAFKA", row));
    kinds.chain([("", &summary.total)])
}

/// An undefined figure is an empty field.
fn fields(kind: &str, row: &Row) -> Vec<String> {
    let response = row.response.as_ref();
    let show = |figure: Option<f64>| figure.map(|figure| figure.to_string()).unwrap_or_default();
    let mut fields = vec![
        kind.to_owned(),
        row.name.clone(),
        row.requests.to_string(),
        row.failures.to_string(),
        show(response.map(|response| response.median_ms)),
        show(response.map(|response| response.mean_ms)),
        show(response.map(|response| response.min_ms)),
        show(response.map(|response| response.max_ms)),
        show(row.mean_bytes),
        row.rates.requests.to_string(),
        row.rates.failures.to_string(),
    ];
    let percentile = |quantile| response.and_then(|response| response.percentile(quantile));
    fields.extend(PERCENTILES.map(|(_, quantile)| show(percentile(quantile))));
    fields
}

fn cannot(error: impl std::fmt::Display) -> Refusal {
    Refusal::Conflict(format!("the file cannot be made: {error}"))
}
