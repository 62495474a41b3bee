//! The metrics of two bridges in one process, with in-memory ports and the recorder that programs use.

mod support;

use std::future::IntoFuture;
use std::time::Duration;

use axum::Router;
use kafka_bridge::testing::{MemoryBroker, MemorySink};
use kafka_bridge::{Builder, Dispatch, Record};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::runtime;
use tokio::time::sleep;

/// Runs bridges side by side, each with its records, and returns a scrape while they run.
fn scraped(bridges: Vec<(Builder<Router>, Vec<Record>)>) -> Vec<String> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let mut brokers = Vec::new();
            for (builder, records) in bridges {
                let (broker, source) = MemoryBroker::new();
                for record in records {
                    broker.assign([record.coordinates.topic_partition.clone()], 0);
                    broker.send(record);
                }
                // Kept, so that no bridge ends before the scrape.
                brokers.push(broker);
                let builder = builder.dispatch(Dispatch::Tasks);
                let bridge = builder.with_ports(source, MemorySink::default());
                let bridge = bridge.expect("settings that agree");
                tokio::spawn(bridge.into_future());
            }
            // Some metrics are set once a second.
            sleep(Duration::from_millis(2500)).await;
        });
    });
    let told = recorder.handle().render();
    let lines = told.lines().filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

fn assert_shown(lines: &[String], line: &str) {
    assert!(lines.iter().any(|own| own == line), "{line}: {lines:#?}");
}

#[test]
fn metrics_of_two_named_bridges_do_not_overwrite_each_other() {
    let busy = [(0, "hang"), (1, "x"), (2, "hang")];
    let busy = busy.map(|(offset, body)| support::order(offset, body));
    // The idle bridge comes last, and would set all gauges to 0.
    let lines = scraped(vec![
        (support::builder().name("busy"), busy.into()),
        (
            support::builder().name("idle"),
            vec![support::order(0, "x")],
        ),
    ]);
    for (bridge, in_flight, uncommitted, replied) in [("busy", 2, 3, 1), ("idle", 0, 0, 1)] {
        let label = format!(r#"bridge="{bridge}""#);
        for (gauge, value) in [("in_flight", in_flight), ("uncommitted", uncommitted)] {
            let line = format!("kafka_bridge_{gauge}_records{{{label}}} {value}");
            assert_shown(&lines, &line);
        }
        let records = r#"topic="createOrder",outcome="replied",reason=""#;
        let line = format!("kafka_bridge_records_total{{{records}\",{label}}} {replied}");
        assert_shown(&lines, &line);
    }
    let oldest = |line: &&String| line.starts_with("kafka_bridge_oldest_unfinished_seconds{");
    let oldest: Vec<_> = lines.iter().filter(oldest).collect();
    let [oldest] = &oldest[..] else {
        panic!("the other bridge has nothing old: {oldest:?}");
    };
    assert!(oldest.contains(r#"bridge="busy""#), "{oldest}");
    let unnamed = lines.iter().find(|line| !line.contains("bridge=\""));
    assert_eq!(unnamed, None, "{lines:#?}");
}

#[test]
fn metrics_of_a_bridge_without_a_name_have_no_label_for_it() {
    let lines = scraped(vec![(support::builder(), vec![support::order(0, "hang")])]);
    assert_shown(&lines, "kafka_bridge_in_flight_records 1");
    assert_shown(&lines, "kafka_bridge_uncommitted_records 1");
    let named = lines.iter().find(|line| line.contains("bridge=\""));
    assert_eq!(named, None);
}
