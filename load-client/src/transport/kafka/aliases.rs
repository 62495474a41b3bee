//! Properties of librdkafka that have two names.
//!
//! rdkafka keeps settings in a hash map and hands them to librdkafka in its order. Of two names of one
//! property a chance one would win, so that setting either removes the other.

use rdkafka::ClientConfig;

/// The pairs that librdkafka's CONFIGURATION.md calls aliases of each other.
const ALIASES: [(&str, &str); 12] = [
    ("acks", "request.required.acks"),
    ("bootstrap.servers", "metadata.broker.list"),
    ("compression.type", "compression.codec"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("enable.auto.commit", "auto.commit.enable"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("retries", "message.send.max.retries"),
    (
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.id",
    ),
    (
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.client.secret",
    ),
    ("sasl.mechanism", "sasl.mechanisms"),
];

/// Sets a property, whatever was set before under either of its names.
pub(super) fn set(config: &mut ClientConfig, key: &str, value: &str) {
    for (one, other) in ALIASES {
        if key == one {
            config.remove(other);
        } else if key == other {
            config.remove(one);
        }
    }
    config.set(key, value);
}
