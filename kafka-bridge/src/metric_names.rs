//! Names and meanings of the metrics, in one place; emitted through the `metrics` facade.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(crate) const RECORDS: &str = "kafka_bridge_records_total";
pub(crate) const REPLIES: &str = "kafka_bridge_replies_total";
pub(crate) const IN_FLIGHT: &str = "kafka_bridge_in_flight_records";
pub(crate) const HANDLING: &str = "kafka_bridge_handling_seconds";
pub(crate) const COMMIT_FAILURES: &str = "kafka_bridge_commit_failures_total";
pub(crate) const REVOCATIONS: &str = "kafka_bridge_revoked_partitions_total";
pub(crate) const PAUSES: &str = "kafka_bridge_pauses_total";
pub(crate) const STALE: &str = "kafka_bridge_stale_records_total";
pub(crate) const REWINDS: &str = "kafka_bridge_rewinds_total";
pub(crate) const IGNORED_PARTITIONS: &str = "kafka_bridge_ignored_reply_partitions_total";
pub(crate) const UNREADABLE_HEADERS: &str = "kafka_bridge_unreadable_headers_total";

/// Describes the bridge's metrics to the installed recorder; call it once after installing one.
pub fn describe_metrics() {
    describe_counter!(
        RECORDS,
        "finished records by topic, outcome (replied, dead_lettered, skipped) and reason"
    );
    describe_counter!(REPLIES, "replies produced, by topic and HTTP status");
    describe_gauge!(IN_FLIGHT, "records delivered and not finished");
    describe_histogram!(
        HANDLING,
        Unit::Seconds,
        "from the start of a record's handling to its reply's delivery report"
    );
    describe_counter!(COMMIT_FAILURES, "offset commits that the broker refused");
    describe_counter!(REVOCATIONS, "partitions that a rebalance took away");
    describe_counter!(
        PAUSES,
        "times that intake was paused at the in-flight bound"
    );
    describe_counter!(
        UNREADABLE_HEADERS,
        "record headers dropped because their name is not UTF-8"
    );
    describe_counter!(
        IGNORED_PARTITIONS,
        "reply partitions that requesters asked for in vain, by reason (unreadable, unknown)"
    );
    describe_counter!(
        STALE,
        "delivered records that were dropped because they belong to another assignment"
    );
    describe_counter!(
        REWINDS,
        "times that a partition went on below an offset that was delivered before"
    );
}
