//! `--prometheus`: the figures of the run that goes on, for Prometheus to scrape.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use program_shell::http;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::measure::history::{Moment, MomentRow};
use crate::measure::summary::Summary;

/// The text format that is served (prometheus.io/docs/instrumenting/exposition_formats).
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text that is served. Clones serve the same.
#[derive(Clone, Default)]
pub(crate) struct Exporter(watch::Sender<String>);

impl Exporter {
    /// Serves `/metrics` until `closed`; answers the address too, as port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at.
    pub(crate) async fn listen(
        address: SocketAddr,
        closed: CancellationToken,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("--prometheus {address} cannot be listened at; give another address or port")
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

    /// Takes how the run stands. Nothing is left of how it stood before: a percentile that is not known any more must
    /// not be served on, and counts fall when they are reset, and with the next run.
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
        "Requests that ended, well or not, the warm-up's among them"
    );
    describe_counter!("load_client_failures_total", "Requests that failed");
    describe_gauge!(
        "load_client_response_seconds",
        "Response times of the last ten seconds; a quantile only where ten replies lie above it"
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
mod tests {
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
        // A service that stalls has no percentiles, and a reset forgets the counts.
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
