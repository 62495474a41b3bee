//! The answers of the server: events, orders and downloads of the page, and with `--prometheus` the figures of the run
//! that goes on.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response, Sse};
use axum::routing::get;
use axum::{Json, Router};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use program_shell::http;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::load::plan::{checked_spawn_rate, checked_users};
use crate::measure::history::{Moment, MomentRow};
use crate::measure::selfcheck::Validity;
use crate::measure::summary::Summary;
use crate::measure::threshold::Judgements;
use crate::report::html::{RunPage, Section};
use crate::report::{CsvText, failures_csv, stats_csv};
use crate::web::board::{Contents, keep_alive};
use crate::web::{Figures, Order, Refusal, RunController, Shared, State as RunState, media_type};

/// Streams the past and the present to one browser.
pub(super) async fn events<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
) -> Result<Response, Refusal> {
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        return Err(busy("too many browsers are open; close one"));
    };
    let feed = shared.controller.board().feed(place, shared.closed.clone());
    let events = Sse::new(feed).keep_alive(keep_alive());
    Ok(([(header::CACHE_CONTROL, "no-store")], events).into_response())
}

/// Reads an order and carries it out.
pub(super) async fn order<C: RunController, T: DeserializeOwned>(
    shared: State<Arc<Shared<C>>>,
    body: Result<Bytes, BytesRejection>,
    order: fn(T) -> Order,
) -> Result<(StatusCode, Json<RunState>), Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        status @ StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(status, "the body is longer than any order")
        }
        _ => Refusal::new(StatusCode::BAD_REQUEST, rejection.body_text()),
    })?;
    let order = serde_json::from_slice(&body).map(order);
    let order = order.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    if let Some((users, spawn_rate)) = order.users() {
        let wrong = |field: &str, reason| Refusal::invalid(format!("{field}: {reason}"));
        checked_users(users).map_err(|reason| wrong("users", reason))?;
        checked_spawn_rate(spawn_rate).map_err(|reason| wrong("spawn_rate", reason))?;
    }
    carry_out(shared, order).await
}

/// Carries out an order, even if its browser disconnects meanwhile.
pub(super) async fn carry_out<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
    order: Order,
) -> Result<(StatusCode, Json<RunState>), Refusal> {
    let status = match order {
        Order::Start(_) | Order::Stop(_) => StatusCode::ACCEPTED,
        Order::Edit(_) | Order::Reset => StatusCode::OK,
    };
    match tokio::spawn(async move { shared.controller.carry_out(order).await }).await {
        Ok(done) => done.map(|state| (status, Json(state))),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_cancelled) => Err(busy("the server is ending")),
    }
}

fn busy(detail: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// Answers with one of [`DOWNLOADS`].
pub(super) async fn download<C: RunController>(
    State(shared): State<Arc<Shared<C>>>,
    Path(file): Path<String>,
) -> Result<Response, Refusal> {
    let Some((_, make)) = DOWNLOADS.iter().find(|(name, _)| *name == file) else {
        let known = downloads().join(", ");
        return Err(Refusal::not_found(format!(
            "there is no such file; the files are {known}"
        )));
    };
    let content = make(&shared.controller.board().contents())?;
    let disposition = format!("attachment; filename=\"{file}\"");
    let headers = [
        (header::CONTENT_TYPE, media_type(&file)),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, content).into_response())
}

/// Makes a file from the board. Fails when there are no figures yet.
type Make = fn(&Contents) -> Result<Vec<u8>, Refusal>;

/// The files under `/download/`.
const DOWNLOADS: [(&str, Make); 6] = [
    ("stats.csv", |board| Ok(stats_csv(&figures(board)?.summary))),
    ("history.csv", |board| Ok(history(board))),
    ("failures.csv", |board| {
        let start = board.state.started_unix_ms.unwrap_or_default() as f64 / 1e3;
        Ok(failures_csv(&figures(board)?.summary.errors, start))
    }),
    ("report.html", report),
    ("summary.json", |board| {
        let (state, summary) = (&board.state, &figures(board)?.summary);
        json(&SummaryFile { state, summary })
    }),
    ("history.json", |board| json(&*board.history)),
];
const HISTORY_COLUMNS: &str = "Run,Timestamp,User Count,Requests/s,Failures/s,50%,95%,99%,Total Request Count,\
    Total Failure Count";

/// Returns the names of the files under `/download/`.
pub(crate) fn downloads() -> Vec<&'static str> {
    DOWNLOADS.iter().map(|(name, _)| *name).collect()
}

#[derive(Serialize)]
struct SummaryFile<'a> {
    state: &'a RunState,
    summary: &'a Summary,
}

fn figures(board: &Contents) -> Result<&Figures, Refusal> {
    let none = || Refusal::conflict("there are no figures yet; start a run");
    board.figures().ok_or_else(none)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let failed = |error| Refusal::conflict(format!("the file cannot be made: {error}"));
    serde_json::to_vec_pretty(value).map_err(failed)
}

/// Returns a row for each moment of every run on the page: rates and percentiles of the last ten seconds, and counts
/// from the start of the run. An unknown figure is an empty field.
fn history(board: &Contents) -> Vec<u8> {
    let mut text = CsvText::with_header(HISTORY_COLUMNS);
    for own in &board.history.moments {
        let (moment, total) = (&own.moment, &own.moment.total);
        let at = |quantile| {
            let found = total.window.as_ref()?.percentile(quantile)?;
            Some(found.to_string())
        };
        text.line([
            own.run.to_string(),
            moment.unix_seconds.to_string(),
            moment.users.to_string(),
            total.rates.requests.to_string(),
            total.rates.failures.to_string(),
            at(0.5).unwrap_or_default(),
            at(0.95).unwrap_or_default(),
            at(0.99).unwrap_or_default(),
            total.requests.to_string(),
            total.failures.to_string(),
        ]);
    }
    text.bytes
}

/// Returns the report of the last run, as far as the board knows the run.
fn report(board: &Contents) -> Result<Vec<u8>, Refusal> {
    let (state, figures) = (&board.state, figures(board)?);
    let moments = board.history.moments.iter();
    let of_run = moments.filter(|own| own.run == state.run);
    let moments: Vec<Moment> = of_run.map(|own| own.moment.clone()).collect();
    let warm_up = moments.iter().rfind(|moment| moment.warm_up);
    let replies = state.target.reply_topic.as_deref();
    let target = [
        ("brokers", &*state.target.brokers),
        ("topic", &state.target.topic),
        ("replies", replies.unwrap_or("none")),
    ];
    let page = RunPage {
        title: format!("Run {} on {}", state.run, state.target.topic),
        during: state.run_id.clone().unwrap_or_default(),
        summary: &figures.summary,
        moments: &moments,
        warm_up_seconds: warm_up.map_or(0.0, |moment| moment.seconds),
        bins: &figures.histogram,
        validity: &Validity::NotJudged {
            reason: "the live page does not judge its runs; --json does".to_owned(),
        },
        thresholds: &Judgements::default(),
        sections: vec![Section {
            heading: "Target".to_owned(),
            rows: Vec::from(target.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        }],
        command: "load-client --web".to_owned(),
    };
    Ok(page.to_string().into_bytes())
}

/// The content type of the text format (prometheus.io/docs/instrumenting/exposition_formats).
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the metrics. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Exporter(watch::Sender<String>);

impl Exporter {
    /// Serves `/metrics` until `closed`. Returns the address too, because port 0 takes a free port.
    ///
    /// # Errors
    ///
    /// Fails when it cannot listen at the address.
    pub(crate) async fn listen(
        address: SocketAddr,
        closed: CancellationToken,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("--prometheus: cannot listen at {address}; give another address or port")
        })?;
        let address = listener.local_addr()?;
        let exporter = Self::default();
        let served = exporter.0.subscribe();
        let text = move || served.borrow().clone();
        let metrics = get(async move || ([(header::CONTENT_TYPE, CONTENT_TYPE)], text()));
        let app = Router::new().route("/metrics", metrics);
        tokio::spawn(http::serve(listener, app, http::Bounds::default(), closed));
        Ok((exporter, address))
    }

    /// Replaces all metrics by the present figures. An old percentile must not stay when it is no longer known, and
    /// counts fall after a reset and with the next run.
    pub(crate) fn observe(&self, moment: &Moment, summary: &Summary) {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            gauge!("load_client_users").set(moment.users);
            for kind in &moment.kinds {
                counter!("load_client_requests_total", "kind" => kind.name.clone())
                    .absolute(kind.requests);
                response_seconds(kind);
            }
            if moment.kinds.len() > 1 {
                response_seconds(&moment.total);
            }
            for error in &summary.errors {
                let (kind, status) = (error.name.clone(), error.status.as_str());
                // Errors of one status differ by text.
                counter!("load_client_failures_total", "kind" => kind, "status" => status)
                    .increment(error.count);
            }
        });
        self.0.send_replace(recorder.handle().render());
    }
}

fn describe() {
    describe_gauge!(
        "load_client_users",
        "Active users, or requests in flight of an open loop"
    );
    describe_counter!(
        "load_client_requests_total",
        "Requests that ended, including failures and the warm-up"
    );
    describe_counter!("load_client_failures_total", "Requests that failed");
    describe_gauge!(
        "load_client_response_seconds",
        "Response times of the last ten seconds; a quantile only if ten replies lie above it"
    );
}

fn response_seconds(row: &MomentRow) {
    for percentile in row.window.iter().flat_map(|window| &window.percentiles) {
        let quantile = percentile.quantile.to_string();
        gauge!("load_client_response_seconds", "kind" => row.name.clone(), "quantile" => quantile)
            .set(percentile.ms / 1000.0);
    }
}

#[cfg(test)]
mod prometheus_tests {
    use super::*;
    use crate::measure::analysis::tests::{latency, moment};
    use crate::measure::summary::{ErrorCount, Status};
    use crate::measure::tally::Tally;

    #[test]
    fn a_run_is_told_as_it_stands_and_nothing_of_before() {
        let exporter = Exporter::default();
        let mut now = moment(1.0, Some(latency(4.0, 9.0)));
        now.total.requests = 7;
        now.kinds = vec![MomentRow {
            name: "find \"x\"".to_owned(),
            ..now.total.clone()
        }];
        let mut summary = Tally::new(&["find".to_owned()]).summary();
        let error = |text: &str| ErrorCount {
            name: "find".to_owned(),
            status: Status::ErrorStatus,
            error: text.to_owned(),
            count: 2,
            first_seconds: 0.0,
            last_seconds: 1.0,
            first_body: None,
        };
        summary.errors = vec![error("500"), error("503")];
        exporter.observe(&now, &summary);
        let text = exporter.0.borrow().clone();
        for line in [
            "load_client_users 1",
            r#"load_client_requests_total{kind="find \"x\""} 7"#,
            r#"load_client_failures_total{kind="find",status="error_status"} 4"#,
            r#"load_client_response_seconds{kind="find \"x\"",quantile="0.95"} 0.009"#,
        ] {
            assert!(text.lines().any(|own| own == line), "{line}\n{text}");
        }
        // A stalled service has no percentiles, and a reset clears the counts.
        (now.kinds[0].window, now.kinds[0].requests) = (None, 2);
        exporter.observe(&now, &Tally::new(&["find".to_owned()]).summary());
        let text = exporter.0.borrow().clone();
        assert!(
            text.contains(r#"requests_total{kind="find \"x\""} 2"#),
            "{text}"
        );
        assert!(
            !text.contains("response_seconds{") && !text.contains("failures_total{"),
            "{text}"
        );
    }
}
