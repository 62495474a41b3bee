//! librdkafka's properties with two names: of a user's and ours for one thing, the user's counts.

use rdkafka::config::ClientConfig;

/// Both names of each. Left side by side in a configuration, whichever is set last wins, and that is as
/// the hash map has it.
const ALIASES: [(&str, &str); 10] = [
    ("bootstrap.servers", "metadata.broker.list"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("retries", "message.send.max.retries"),
    ("compression.type", "compression.codec"),
    ("acks", "request.required.acks"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("enable.auto.commit", "auto.commit.enable"),
];

/// Sets properties one after the other: a later one replaces an earlier one under either name.
pub(super) fn apply(config: &mut ClientConfig, properties: &[(String, String)]) {
    for (name, value) in properties {
        if let Some(other) = other_name(name) {
            config.remove(other);
        }
        config.set(name, value);
    }
}

fn other_name(name: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|(one, two)| match name {
        _ if name == *one => Some(*two),
        _ if name == *two => Some(*one),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_name_for_a_property_replaces_ours() {
        for (ours, theirs) in ALIASES
            .into_iter()
            .chain(ALIASES.map(|(one, two)| (two, one)))
        {
            let mut config = ClientConfig::new();
            config.set(ours, "ours");
            apply(&mut config, &[(theirs.to_owned(), "theirs".to_owned())]);
            assert_eq!(config.get(theirs), Some("theirs"));
            assert_eq!(config.get(ours), None, "{ours} beside {theirs}");
        }
    }

    #[test]
    fn the_last_of_two_names_counts() {
        let mut config = ClientConfig::new();
        let properties = [("linger.ms", "1"), ("queue.buffering.max.ms", "2")];
        apply(
            &mut config,
            &properties.map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let native = config.create_native_config().unwrap();
        assert_eq!(native.get("linger.ms").unwrap(), "2");
    }
}
