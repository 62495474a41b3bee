//! Names and meanings of the metrics, in one place; emitted through the `metrics` facade.

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

/// What a metric is, its name, its unit and its meaning.
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
        "1 while no record can be fetched from a partition, or produced to a topic, while a topic cannot be read, the group takes no part, or there is no token to log in with (what: fetch, produce, topic, group, login)",
    ),
    (
        Kind::Counter,
        DEADLINES,
        Unit::Count,
        "requests whose requester's deadline passed, by topic and when: before they were run, or during it",
    ),
    (
        Kind::Counter,
        REMADE,
        Unit::Count,
        "partitions that were begun anew because their topic was deleted and made again, or their log was cut below the position",
    ),
    (
        Kind::Counter,
        DELETED_UNREAD,
        Unit::Count,
        "records that the log lost before they were read, gaps in the offsets among them",
    ),
    (
        Kind::Counter,
        FINISHED_BEFORE,
        Unit::Count,
        "records that came again and were not handled, because they were finished under an earlier assignment",
    ),
    (
        Kind::Counter,
        FINISHED_LEFT_OUT,
        Unit::Count,
        "committed positions beside which not all that was finished above them had room: the rest is handled again after a crash",
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
        "records delivered and not finished",
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
        "from a record's arrival at the dispatch to its reply's delivery report, by topic",
    ),
    (
        Kind::Counter,
        RETRIES,
        Unit::Count,
        "requests that were made again after a failure, by topic",
    ),
    (
        Kind::Gauge,
        OLDEST,
        Unit::Seconds,
        "how long the lowest unfinished record of a partition has been there, by topic and partition",
    ),
    (
        Kind::Gauge,
        UNCOMMITTED,
        Unit::Count,
        "records delivered and held back from the commit by an unfinished one",
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
        "partitions that a rebalance took away",
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
        "times that intake, or that of an operation, was paused at its in-flight bound",
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
        "reply partitions that requesters asked for in vain, by reason (unreadable, unknown)",
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
        "times that a partition went on below an offset that was delivered before",
    ),
];

/// Describes the bridge's metrics to the installed recorder; call it once after installing one.
///
/// All metrics of a bridge with a name have the label `bridge`: see [`crate::Builder::name`].
///
/// The recorder has to be installed before a bridge is run: the meters that each record moves are
/// looked up once, at the run's start or a topic's first record, and kept. A recorder that is installed
/// later sees none of them. For the same reason an exporter must not forget meters that rest (the
/// Prometheus exporter's `idle_timeout`): what is forgotten is moved on unseen.
pub fn describe_metrics() {
    for (kind, name, unit, meaning) in DESCRIPTIONS {
        match kind {
            Kind::Counter => describe_counter!(name, unit, meaning),
            Kind::Gauge => describe_gauge!(name, unit, meaning),
            Kind::Histogram => describe_histogram!(name, unit, meaning),
        }
    }
}
