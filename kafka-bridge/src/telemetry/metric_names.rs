//! Defines the names and descriptions of all metrics. They are emitted through the `metrics` facade.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(crate) const RECORDS: &str = "kafka_bridge_records_total";
pub(crate) const REPLIES: &str = "kafka_bridge_replies_total";
pub(crate) const IN_FLIGHT: &str = "kafka_bridge_in_flight_records";
pub(crate) const HANDLER: &str = "kafka_bridge_handler_seconds";
pub(crate) const TIME_TO_REPLY: &str = "kafka_bridge_time_to_reply_seconds";
pub(crate) const RETRIES: &str = "kafka_bridge_retries_total";
pub(crate) const OLDEST: &str = "kafka_bridge_oldest_unfinished_seconds";
pub(crate) const UNCOMMITTED: &str = "kafka_bridge_uncommitted_records";
pub(crate) const COMMIT_FAILURES: &str = "kafka_bridge_commit_failures_total";
pub(crate) const REVOCATIONS: &str = "kafka_bridge_revoked_partitions_total";
pub(crate) const REBALANCES: &str = "kafka_bridge_rebalances_total";
pub(crate) const MAX_POLL_EXCEEDED: &str = "kafka_bridge_max_poll_exceeded_total";
pub(crate) const CONSUMER_LAG: &str = "kafka_bridge_consumer_lag_records";
pub(crate) const PAUSES: &str = "kafka_bridge_pauses_total";
pub(crate) const STALE: &str = "kafka_bridge_stale_records_total";
pub(crate) const REWINDS: &str = "kafka_bridge_rewinds_total";
pub(crate) const IGNORED_PARTITIONS: &str = "kafka_bridge_ignored_reply_partitions_total";
pub(crate) const UNREADABLE_HEADERS: &str = "kafka_bridge_unreadable_headers_total";
pub(crate) const REMADE: &str = "kafka_bridge_remade_partitions_total";
pub(crate) const DELETED_UNREAD: &str = "kafka_bridge_deleted_unread_records_total";
pub(crate) const FINISHED_BEFORE: &str = "kafka_bridge_finished_before_records_total";
pub(crate) const FINISHED_LEFT_OUT: &str = "kafka_bridge_finished_left_out_total";
pub(crate) const DEADLINES: &str = "kafka_bridge_deadlines_passed_total";
pub(crate) const BLOCKED: &str = "kafka_bridge_blocked";

/// The kind, name, unit and description of a metric.
type Description = (Kind, &'static str, Unit, &'static str);

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const DESCRIPTIONS: [Description; 24] = [
    (
        Kind::Gauge,
        BLOCKED,
        Unit::Count,
        "1 while an obstacle lasts: no record can be fetched from a partition or produced to a topic, a topic cannot \
         be read, the group does not accept the member, or there is no token to log in with (what: fetch, produce, \
         topic, group, login)",
    ),
    (
        Kind::Counter,
        DEADLINES,
        Unit::Count,
        "requests whose requester's deadline passed, by topic and when: before or during the request",
    ),
    (
        Kind::Counter,
        REMADE,
        Unit::Count,
        "partitions that restarted because their topic was deleted and created again, or their log was cut below \
         the position",
    ),
    (
        Kind::Counter,
        DELETED_UNREAD,
        Unit::Count,
        "records that were deleted from the log before they were read, including gaps in the offsets",
    ),
    (
        Kind::Counter,
        FINISHED_BEFORE,
        Unit::Count,
        "redelivered records that were not handled because they were finished under an earlier assignment",
    ),
    (
        Kind::Counter,
        FINISHED_LEFT_OUT,
        Unit::Count,
        "committed positions without room for all finished offsets above them: the rest is handled again after a crash",
    ),
    (
        Kind::Counter,
        RECORDS,
        Unit::Count,
        "finished records by topic, outcome (replied, dead_lettered, skipped) and reason",
    ),
    (
        Kind::Counter,
        REPLIES,
        Unit::Count,
        "replies produced, by topic and HTTP status",
    ),
    (
        Kind::Gauge,
        IN_FLIGHT,
        Unit::Count,
        "records in flight: delivered and not finished",
    ),
    (
        Kind::Histogram,
        HANDLER,
        Unit::Seconds,
        "the application's time for one request, by topic",
    ),
    (
        Kind::Histogram,
        TIME_TO_REPLY,
        Unit::Seconds,
        "time from a record's arrival at the dispatch to its reply's delivery report, by topic",
    ),
    (
        Kind::Counter,
        RETRIES,
        Unit::Count,
        "retries of failed requests, by topic",
    ),
    (
        Kind::Gauge,
        OLDEST,
        Unit::Seconds,
        "how long the lowest unfinished record of a partition has been in flight, by topic and partition",
    ),
    (
        Kind::Gauge,
        UNCOMMITTED,
        Unit::Count,
        "delivered records whose commit waits for an unfinished record",
    ),
    (
        Kind::Counter,
        COMMIT_FAILURES,
        Unit::Count,
        "offset commits that the broker refused",
    ),
    (
        Kind::Counter,
        REVOCATIONS,
        Unit::Count,
        "partitions that a rebalance revoked",
    ),
    (
        Kind::Counter,
        REBALANCES,
        Unit::Count,
        "changes of the assignment by kind: assign, revoke, or lost (without a chance to commit)",
    ),
    (
        Kind::Counter,
        MAX_POLL_EXCEEDED,
        Unit::Count,
        "times that the member left its group because it did not poll in time",
    ),
    (
        Kind::Gauge,
        CONSUMER_LAG,
        Unit::Count,
        "records behind the committed offset, by topic and partition; 0 when not assigned",
    ),
    (
        Kind::Counter,
        PAUSES,
        Unit::Count,
        "times that intake, of all topics or of one operation, was paused at its in-flight limit",
    ),
    (
        Kind::Counter,
        UNREADABLE_HEADERS,
        Unit::Count,
        "record headers dropped because their name is not UTF-8",
    ),
    (
        Kind::Counter,
        IGNORED_PARTITIONS,
        Unit::Count,
        "requested reply partitions that were ignored, by reason (unreadable, unknown)",
    ),
    (
        Kind::Counter,
        STALE,
        Unit::Count,
        "delivered records that were dropped because they belong to another assignment",
    ),
    (
        Kind::Counter,
        REWINDS,
        Unit::Count,
        "times that a partition continued below an offset that was delivered before",
    ),
];

/// Describes the bridge's metrics to the installed recorder. Call it once after you have installed one.
///
/// All metrics of a bridge with a name have the label `bridge`: see [`crate::Builder::name`].
///
/// Install the recorder before you run a bridge. The bridge looks up most meters once, when it starts or with a topic's
/// first record, and keeps them. A recorder that is installed later does not see these meters. For the same reason an
/// exporter must not forget idle meters (the Prometheus exporter's `idle_timeout`): it would not see their later
/// updates.
pub fn describe_metrics() {
    for (kind, name, unit, meaning) in DESCRIPTIONS {
        match kind {
            Kind::Counter => describe_counter!(name, unit, meaning),
            Kind::Gauge => describe_gauge!(name, unit, meaning),
            Kind::Histogram => describe_histogram!(name, unit, meaning),
        }
    }
}
