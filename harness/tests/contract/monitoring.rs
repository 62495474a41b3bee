//! The service has the metrics that the dashboard and the alert rules name, with their labels.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::service::Service;
use tokio::time::{Duration, Instant, sleep};

use super::support::requester::{ORDER, Requester};
use super::support::{LIMIT, get};
use super::{options, stack};

/// Metrics that appear with the first event of their kind, which a healthy service never has.
const OF_RARE_EVENTS: [&str; 8] = [
    "kafka_bridge_blocked",
    "kafka_bridge_commit_failures_total",
    "kafka_bridge_deadlines_passed_total",
    "kafka_bridge_deleted_unread_records_total",
    "kafka_bridge_oldest_unfinished_seconds",
    "kafka_bridge_pauses_total",
    "kafka_bridge_retries_total",
    "kafka_bridge_revoked_partitions_total",
];
/// Labels that Prometheus adds.
const OF_PROMETHEUS: [&str; 2] = ["instance", "job"];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap()
}

/// The words of a text that begin with the prefix of the bridge's metrics.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("kafka_bridge_"))
        .collect()
}

/// The labels of each expression: those in `by (...)` and in `{...}`, with its metrics.
fn labels(expression: &str) -> BTreeSet<String> {
    let grouped = expression.split("by (").skip(1);
    let grouped = grouped.filter_map(|rest| rest.split_once(')'));
    let grouped = grouped
        .flat_map(|(list, _)| list.split(", "))
        .map(str::to_owned);
    let selected = expression.split('{').skip(1);
    let selected = selected.filter_map(|rest| rest.split_once('}'));
    let selected = selected.flat_map(|(list, _)| list.split(','));
    let selected = selected.filter_map(|one| {
        one.split(['=', '!'])
            .next()
            .map(|name| name.trim().to_owned())
    });
    grouped
        .chain(selected)
        .filter(|name| !name.is_empty())
        .collect()
}

/// All expressions of the dashboard and of the alert rules.
fn expressions() -> Vec<String> {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let shown = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let alerts = read("deploy/monitoring/alerts.yaml");
    let rules = alerts.split("expr: ").skip(1);
    let rules = rules.map(|rest| rest.split("labels:").next().unwrap().to_owned());
    shown.chain(rules).collect()
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_name_metrics_and_labels_that_the_service_has() {
    let stack = stack().await;
    let requester = Requester::new(&stack, "seen-", 1).await;
    let service = Service::start(&stack, options("seen-", &[])).await.unwrap();
    assert_eq!(requester.ask("one", ORDER).await.status(), "200");
    // librdkafka reports the lag every five seconds.
    let deadline = Instant::now() + LIMIT;
    let mut exposed = String::new();
    while !exposed.contains("kafka_bridge_consumer_lag_records{") {
        assert!(Instant::now() < deadline, "no lag in:\n{exposed}");
        sleep(Duration::from_millis(200)).await;
        exposed = get(service.admin(), "/metrics").await.1;
    }
    let described = read("kafka-bridge/src/telemetry/metric_names.rs");
    let expressions = expressions();
    assert!(expressions.len() > 20, "{expressions:?}");
    for expression in &expressions {
        let mut all_labels = BTreeSet::new();
        let mut is_seen = true;
        for name in metrics(expression) {
            let is_sample = |line: &&str| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
            };
            let samples: Vec<_> = exposed.lines().filter(is_sample).collect();
            if OF_RARE_EVENTS.contains(&name) {
                is_seen = false;
                assert!(
                    described.contains(&format!("\"{name}\"")),
                    "{name} is no metric of the bridge"
                );
            } else {
                assert!(
                    !samples.is_empty(),
                    "{name} of {expression} is not in:\n{exposed}"
                );
            }
            all_labels.extend(samples.iter().flat_map(|line| labels(line)));
        }
        let unknown: Vec<_> = labels(expression)
            .into_iter()
            .filter(|label| !OF_PROMETHEUS.contains(&label.as_str()) && !all_labels.contains(label))
            .collect();
        assert!(
            !is_seen || unknown.is_empty(),
            "{expression}: no label {unknown:?}"
        );
    }
    service.stop().await.unwrap();
    stack.stop().await.unwrap();
}
