//! Makes the settings of the clients: first what the guarantees need, then what low latency needs, then the user's own.

use std::time::Duration;

use kafka_cluster_url::{last, other_name};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::Error;

/// The properties that the delivery guarantee depends on, and their allowed values.
const REQUIRED: [(&str, &[&str]); 10] = [
    // The dispatch commits offsets, after the reply's delivery report.
    ("enable.auto.commit", &["false"]),
    ("auto.commit.enable", &["false"]),
    ("enable.auto.offset.store", &["false"]),
    // A reply counts as produced when all in-sync replicas have it.
    ("acks", &["all", "-1"]),
    ("request.required.acks", &["all", "-1"]),
    // A group without committed offsets that starts at the end would skip earlier records.
    ("auto.offset.reset", &["earliest", "smallest", "beginning"]),
    // A return address must not create topics.
    ("allow.auto.create.topics", &["false"]),
    // The bridge never begins a transaction, and a transactional producer takes no record without one.
    ("transactional.id", &[]),
    // One refused record would end the producer.
    ("enable.gapless.guarantee", &["false"]),
    // A record waits for its reply's delivery report.
    ("delivery.report.only.error", &["false"]),
];

/// Refuses properties that would silently break the guarantees.
pub(super) fn check(properties: &[(String, String)]) -> Result<(), Error> {
    for (name, allowed) in REQUIRED {
        let set = properties
            .iter()
            .find(|(own, value)| own == name && !allowed.contains(&&**value));
        if let Some((_, value)) = set {
            return Err(Error::Property {
                name,
                value: value.clone(),
                required: allowed.first().copied().unwrap_or("left out"),
            });
        }
    }
    Ok(())
}

/// Refuses OAUTHBEARER without a source of tokens, and a token source that librdkafka would never ask.
pub(super) fn check_tokens(has_source: bool, properties: &[(String, String)]) -> Result<(), Error> {
    let is = |name, value: &str| {
        last(properties, name).is_some_and(|own| own.eq_ignore_ascii_case(value))
    };
    let is_sasl = is("security.protocol", "sasl_ssl") || is("security.protocol", "sasl_plaintext");
    let wants_token = is_sasl && is("sasl.mechanism", "OAUTHBEARER");
    let is_oidc = is("sasl.oauthbearer.method", "oidc");
    let makes_own = is_oidc || is("enable.sasl.oauthbearer.unsecure.jwt", "true");
    match (has_source, wants_token) {
        (true, false) => Err(Error::TokenSource(
            "it needs the properties security.protocol=sasl_ssl and sasl.mechanism=OAUTHBEARER",
        )),
        (true, true) if makes_own => Err(Error::TokenSource(
            "librdkafka makes its own tokens with sasl.oauthbearer.method=oidc or \
             enable.sasl.oauthbearer.unsecure.jwt=true: remove that property, or the token source",
        )),
        (false, true) if !makes_own => Err(Error::TokenSource(
            "sasl.mechanism=OAUTHBEARER needs one: call Builder::token_source, or set \
             sasl.oauthbearer.method=oidc (cargo feature `oidc`)",
        )),
        _ => Ok(()),
    }
}

/// The longest wait between two attempts to connect, in milliseconds, as in Java's clients (KIP-144). With librdkafka's
/// 10 s, members find a returned broker one by one, some after their session has expired, and the group rebalances each
/// time.
const LONGEST_BACKOFF: u32 = 1000;

/// How far the wait for a revoked partition has to stay below the group's limits. The rest of a rebalance takes time
/// too.
const MARGIN: Duration = Duration::from_secs(2);

/// How long the group tolerates a member that does not poll, and one that does not send heartbeats, with librdkafka's
/// defaults. The bridge, and with it the whole group, waits for a revoked partition. Beyond either time it is better to
/// lose the member than to wait for it.
const PATIENCE: [(&str, Duration); 2] = [
    ("max.poll.interval.ms", Duration::from_secs(300)),
    ("session.timeout.ms", Duration::from_secs(45)),
];

/// Returns how long a consumer may go without a poll.
pub(super) fn max_poll_interval(config: &ClientConfig) -> Duration {
    let (property, default) = PATIENCE[0];
    let set = config.get(property).and_then(|value| value.parse().ok());
    set.map_or(default, Duration::from_millis)
}

/// Refuses a wait for revoked partitions that may exceed the group's limits.
pub(super) fn check_revocation(
    revocation: Duration,
    properties: &[(String, String)],
) -> Result<(), Error> {
    for (property, default) in PATIENCE {
        let set = last(properties, property).and_then(|value| value.parse().ok());
        let limit = set.map_or(default, Duration::from_millis);
        if revocation.saturating_add(MARGIN) > limit {
            return Err(Error::RevocationTimeout {
                revocation,
                margin: MARGIN,
                property,
                limit,
            });
        }
    }
    Ok(())
}

/// Refuses a reply size that the producer would refuse. The producer also needs room for the headers.
pub(super) fn check_reply_size(reply: usize, properties: &[(String, String)]) -> Result<(), Error> {
    let set = last(properties, "message.max.bytes").and_then(|value| value.parse().ok());
    let message = set.unwrap_or(MAX_MESSAGE_BYTES);
    if reply >= message {
        return Err(Error::ReplyBytes { reply, message });
    }
    Ok(())
}

/// Returns the settings of the consumer of requests.
pub(super) fn consumer(
    brokers: &str,
    group_id: &str,
    properties: &[(String, String)],
) -> ClientConfig {
    let mut config = base(brokers, properties);
    config
        .set("group.id", group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A group without committed offsets starts with the oldest record, or a crash before its first commit would
        // lose earlier records.
        .set("auto.offset.reset", "earliest")
        // Limits prefetching. After the limit the fetcher waits 1 s by default, which would be a latency cliff.
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.queue.backoff.ms", "10")
        // A topic that is created later is found within this time, instead of 5 minutes.
        .set("topic.metadata.refresh.interval.ms", "10000")
        // The age limit of the lag metric and of the check for stuck partitions.
        .set("statistics.interval.ms", "5000");
    if !is_broker_side_protocol(properties) {
        // Only the partitions that move are revoked (KIP-429).
        config.set("partition.assignment.strategy", "cooperative-sticky");
    }
    apply(&mut config, properties);
    config
}

/// Sets properties in order. A later one replaces an earlier one, also under its alias.
fn apply(config: &mut ClientConfig, properties: &[(String, String)]) {
    for (name, value) in properties {
        if let Some(other) = other_name(name) {
            config.remove(other);
        }
        config.set(name, value);
    }
}

/// Returns whether the broker assigns the partitions (KIP-848). That protocol is incremental by itself, and librdkafka
/// then refuses an assignment strategy.
fn is_broker_side_protocol(properties: &[(String, String)]) -> bool {
    last(properties, "group.protocol").is_some_and(|value| value.eq_ignore_ascii_case("consumer"))
}

/// Refuses patterns if the broker matches them, because it does not know which topics to exclude.
pub(super) fn check_patterns(properties: &[(String, String)]) -> Result<(), Error> {
    if !is_broker_side_protocol(properties) {
        return Ok(());
    }
    Err(Error::Property {
        name: "group.protocol",
        value: "consumer".to_owned(),
        required: "classic if an operation has a topic pattern",
    })
}

/// Adds topics to those that the user excludes.
pub(super) fn pass_over(config: &mut ClientConfig, topics: &[String]) {
    if topics.is_empty() {
        return;
    }
    let own = config.get("topic.blacklist").map(str::to_owned);
    let all: Vec<_> = own.into_iter().chain(topics.iter().cloned()).collect();
    config.set("topic.blacklist", all.join(","));
}

const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Returns the settings of the producer of replies.
pub(super) fn producer(brokers: &str, properties: &[(String, String)]) -> ClientConfig {
    let mut config = base(brokers, properties);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // Java's clients look for a key on its murmur2 partition. librdkafka's default is another hash.
        .set("partitioner", "murmur2_random")
        // Waiting to batch replies would delay each round trip. The default is 5 ms.
        .set("linger.ms", "0")
        // The limit of one attempt. The sink repeats attempts as long as they may help.
        .set("message.timeout.ms", "10000")
        // A received record must fit into a dead letter. The broker decides what is too large.
        .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string())
        // A return address must not create topics, and a missing topic must not delay a record for long.
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.propagation.max.ms", "2000");
    apply(&mut config, properties);
    config
}

fn base(brokers: &str, properties: &[(String, String)]) -> ClientConfig {
    let first = last(properties, "reconnect.backoff.ms").and_then(|first| first.parse().ok());
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        // The user's first wait may be longer, but it must not be above the longest wait.
        .set(
            "reconnect.backoff.max.ms",
            first.unwrap_or(0).max(LONGEST_BACKOFF).to_string(),
        );
    // rdkafka would ask the `log` crate, which is not in use here, and would log errors only.
    config.set_log_level(if tracing::enabled!(tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Warning
    });
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_source_and_the_properties_that_ask_for_tokens_have_to_agree() {
        let refused = |has_source, properties: &str| {
            let pairs = properties
                .split_whitespace()
                .filter_map(|one| one.split_once('='));
            let pairs: Vec<_> = pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let refused = check_tokens(has_source, &pairs).err();
            refused.map(|error| error.to_string()).unwrap_or_default()
        };
        let oauth = "security.protocol=SASL_SSL sasl.mechanisms=OAUTHBEARER";
        assert_eq!(refused(true, oauth), "");
        assert!(refused(false, oauth).contains("Builder::token_source"));
        let oidc = format!("{oauth} sasl.oauthbearer.method=oidc");
        assert_eq!(refused(false, &oidc), "");
        assert!(refused(true, &oidc).contains("method=oidc"));
        for other in [
            "",
            "security.protocol=ssl sasl.mechanism=OAUTHBEARER",
            "security.protocol=sasl_ssl",
        ] {
            assert!(
                refused(true, other).contains("sasl.mechanism=OAUTHBEARER"),
                "{other}"
            );
            assert_eq!(refused(false, other), "");
        }
    }

    #[test]
    fn refuses_properties_that_break_the_guarantee() {
        let property = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
        let error = check(&property("enable.auto.commit", "true")).unwrap_err();
        assert!(
            error.to_string().contains("enable.auto.commit=true"),
            "{error}"
        );
        assert!(check(&property("auto.commit.enable", "true")).is_err());
        assert!(check(&property("acks", "1")).is_err());
        assert!(check(&property("acks", "all")).is_ok());
        assert!(check(&property("auto.offset.reset", "latest")).is_err());
        assert!(check(&property("allow.auto.create.topics", "true")).is_err());
        for name in ["enable.gapless.guarantee", "delivery.report.only.error"] {
            assert!(check(&property(name, "true")).is_err(), "{name}");
            assert!(check(&property(name, "false")).is_ok(), "{name}");
        }
        let error = check(&property("transactional.id", "t")).unwrap_err();
        assert!(
            error.to_string().ends_with("it has to be left out"),
            "{error}"
        );
        assert!(check(&property("fetch.wait.max.ms", "1")).is_ok());
    }

    #[test]
    fn h31_a_revocation_stays_below_the_poll_interval_and_the_session() {
        let wait = Duration::from_secs(5);
        for name in ["max.poll.interval.ms", "session.timeout.ms"] {
            let short = [(name.to_owned(), "6000".to_owned())];
            let told = check_revocation(wait, &short).unwrap_err().to_string();
            assert!(told.contains("revocation_timeout (5s)"), "{told}");
            assert!(told.contains(&format!("{name} (6s)")), "{told}");
            assert!(check_revocation(Duration::from_secs(4), &short).is_ok());
        }
        assert!(check_revocation(Duration::from_secs(10), &[]).is_ok());
        assert!(check_revocation(Duration::MAX, &[]).is_err());
    }

    #[test]
    fn a_group_that_the_broker_assigns_is_given_no_strategy() {
        let strategy = |protocol: &str| {
            let properties = [("group.protocol".to_owned(), protocol.to_owned())];
            let config = consumer("a:1", "group", &properties);
            let client = config.create::<rdkafka::consumer::BaseConsumer>();
            assert!(client.is_ok(), "{protocol}: {:?}", client.err());
            config
                .get("partition.assignment.strategy")
                .map(str::to_owned)
        };
        assert_eq!(strategy("consumer"), None);
        assert_eq!(strategy("CONSUMER"), None);
        assert_eq!(strategy("classic").as_deref(), Some("cooperative-sticky"));
    }

    #[test]
    fn a_broker_is_looked_for_every_second_unless_the_user_wants_to_wait_longer() {
        let property = |name: &str| (format!("reconnect.backoff.{name}"), "60000".to_owned());
        let (first, longest) = ([property("ms")], [property("max.ms")]);
        for (properties, backoff) in [(&first[..], "60000"), (&longest, "60000"), (&[], "1000")] {
            let configs = [
                consumer("a:1", "group", properties),
                producer("a:1", properties),
            ];
            for config in configs {
                assert_eq!(config.get("reconnect.backoff.max.ms"), Some(backoff));
                let accepted = config.create::<rdkafka::producer::BaseProducer>();
                assert!(accepted.is_ok(), "{:?}", accepted.err());
            }
        }
    }

    #[test]
    fn the_users_properties_come_last() {
        let properties = [("linger.ms".to_owned(), "3".to_owned())];
        assert_eq!(producer("a:1", &properties).get("linger.ms"), Some("3"));
        assert_eq!(producer("a:1", &[]).get("linger.ms"), Some("0"));
        let other = [("queue.buffering.max.ms".to_owned(), "3".to_owned())];
        let config = producer("a:1", &other);
        assert_eq!(config.get("linger.ms"), None);
        assert_eq!(config.get("queue.buffering.max.ms"), Some("3"));
    }
}
