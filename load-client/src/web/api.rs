//! Events, orders and downloads.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response, Sse};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::load::plan::MAX_USERS;
use crate::measure::history::Moment;
use crate::measure::selfcheck::Validity;
use crate::measure::summary::Summary;
use crate::measure::threshold::Judgements;
use crate::report::html::{RunPage, Section};
use crate::report::{CsvText, failures_csv, stats_csv};
use crate::web::board::Snapshot;
use crate::web::events::{Position, feed, keep_alive};
use crate::web::{
    EditOrder, Refusal, RunController, Shared, StartOrder, State as RunState, StopOrder,
};

/// Streams the past and the present to one browser.
pub(super) async fn events<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        return Err(busy("too many browsers are open; close one"));
    };
    let last = headers.get("last-event-id");
    let position = last.and_then(|last| Position::parse(last.to_str().ok()?));
    let feed = feed(
        shared.controller.board().clone(),
        position,
        place,
        shared.closed.clone(),
    );
    let events = Sse::new(feed).keep_alive(keep_alive());
    Ok(([(header::CACHE_CONTROL, "no-store")], events).into_response())
}

pub(super) async fn start<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RunState>), Refusal> {
    let order: StartOrder = parse(body)?;
    check(order.users, order.spawn_rate)?;
    let state = to_the_end(async move { shared.controller.start(order).await }).await?;
    Ok((StatusCode::ACCEPTED, state))
}

/// Changes the users of the run that goes on.
pub(super) async fn edit<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RunState>, Refusal> {
    let order: EditOrder = parse(body)?;
    check(order.users, order.spawn_rate)?;
    to_the_end(async move { shared.controller.edit(order).await }).await
}

pub(super) async fn stop<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RunState>), Refusal> {
    let order: StopOrder = parse(body)?;
    let state = to_the_end(async move { shared.controller.stop(order).await }).await?;
    Ok((StatusCode::ACCEPTED, state))
}

/// Forgets the figures up to now.
pub(super) async fn reset<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
) -> Result<Json<RunState>, Refusal> {
    to_the_end(async move { shared.controller.reset().await }).await
}

/// One of [`DOWNLOADS`].
pub(super) async fn download<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
    Path(file): Path<String>,
) -> Result<Response, Refusal> {
    let content = made(&shared.controller.board().snapshot(), &file)?;
    let media_type = match file.rsplit('.').next() {
        Some("csv") => "text/csv; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/json",
    };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, content).into_response())
}

/// Carries an order out though the browser that gave it goes away meanwhile.
async fn to_the_end(
    order: impl Future<Output = Result<RunState, Refusal>> + Send + 'static,
) -> Result<Json<RunState>, Refusal> {
    match tokio::spawn(order).await {
        Ok(done) => done.map(Json),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_cancelled) => Err(busy("the server is ending")),
    }
}

fn parse<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(status, "the body is longer than any order")
        }
        _ => Refusal::new(StatusCode::BAD_REQUEST, rejection.body_text()),
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

fn busy(detail: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// The bounds of the command line.
fn check(users: u32, spawn_rate: f64) -> Result<(), Refusal> {
    if !(1..=MAX_USERS).contains(&users) {
        return Err(Refusal::invalid(format!(
            "users: takes a whole number from 1 to {MAX_USERS}"
        )));
    }
    if !(spawn_rate.is_finite() && spawn_rate > 0.0) {
        return Err(Refusal::invalid(
            "spawn_rate: takes a number above 0, users per second",
        ));
    }
    Ok(())
}

// The files that can be made of what the board holds.

/// Their names.
pub(super) const DOWNLOADS: [&str; 6] = [
    "stats.csv",
    "history.csv",
    "failures.csv",
    "report.html",
    "summary.json",
    "history.json",
];
const HISTORY_COLUMNS: &str = "Run,Timestamp,User Count,Requests/s,Failures/s,50%,95%,99%,Total Request Count,\
    Total Failure Count";

/// Makes one of the files. Refuses any other name, and figures that there are not yet.
fn made(snapshot: &Snapshot, file: &str) -> Result<Vec<u8>, Refusal> {
    match file {
        "stats.csv" => Ok(stats_csv(summary(snapshot)?)),
        "failures.csv" => {
            let start = snapshot.state.started_unix_ms.unwrap_or_default() as f64 / 1e3;
            Ok(failures_csv(&summary(snapshot)?.errors, start))
        }
        "history.csv" => Ok(history(snapshot)),
        "report.html" => report(snapshot),
        "summary.json" => json(&SummaryFile {
            state: &snapshot.state,
            summary: summary(snapshot)?,
        }),
        "history.json" => {
            json(&serde_json::json!({ "runs": snapshot.runs, "moments": snapshot.moments }))
        }
        _ => Err(Refusal::not_found(format!(
            "there is no such file; there is {}",
            DOWNLOADS.join(", ")
        ))),
    }
}

#[derive(Serialize)]
struct SummaryFile<'a> {
    state: &'a RunState,
    summary: &'a Summary,
}

fn summary(snapshot: &Snapshot) -> Result<&Summary, Refusal> {
    let figures = snapshot.figures.as_ref();
    let none = || Refusal::conflict("there are no figures yet; start a run");
    figures.map(|figures| &figures.summary).ok_or_else(none)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let failed = |error| Refusal::conflict(format!("the file cannot be made: {error}"));
    serde_json::to_vec_pretty(value).map_err(failed)
}

/// A row for each moment of every run on the page: rates and percentiles of the last ten seconds, counts from
/// the run's start. A figure that is not known is an empty field.
fn history(snapshot: &Snapshot) -> Vec<u8> {
    let mut text = CsvText::with_header(HISTORY_COLUMNS);
    for own in &snapshot.moments {
        let (moment, total) = (&own.moment, &own.moment.total);
        let at = |quantile| {
            let window = total.window.as_ref();
            let found = window.and_then(|window| window.percentile(quantile));
            found.map(|ms| ms.to_string()).unwrap_or_default()
        };
        text.line([
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
        ]);
    }
    text.bytes
}

/// The report of the last run, as far as the board knows it.
fn report(snapshot: &Snapshot) -> Result<Vec<u8>, Refusal> {
    let summary = summary(snapshot)?;
    let state = &snapshot.state;
    let moments = snapshot.moments.iter().filter(|own| own.run == state.run);
    let moments: Vec<Moment> = moments.map(|own| own.moment.clone()).collect();
    let bins = snapshot.figures.as_ref().map(|figures| &figures.histogram);
    let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let replies = state.target.reply_topic.as_deref().unwrap_or("none");
    let target = Section {
        heading: "Target".to_owned(),
        rows: vec![
            row("brokers", &state.target.brokers),
            row("topic", &state.target.topic),
            row("replies", replies),
        ],
    };
    let reason = "the live page does not judge its runs; --json does".to_owned();
    let page = RunPage {
        title: format!("Run {} on {}", state.run, state.target.topic),
        during: state.run_id.clone().unwrap_or_default(),
        summary,
        moments: &moments,
        warm_up_seconds: warm_up_end(&moments),
        bins: bins.map_or(&[][..], Vec::as_slice),
        validity: &Validity::NotJudged { reason },
        thresholds: &Judgements::default(),
        sections: vec![target],
        command: "load-client --web",
    };
    Ok(page.to_string().into_bytes())
}

fn warm_up_end(moments: &[Moment]) -> f64 {
    let warm = moments.iter().filter(|moment| moment.warm_up);
    warm.map(|moment| moment.seconds).fold(0.0, f64::max)
}
