//! Lists librdkafka's properties with two names.

/// All pairs that librdkafka's CONFIGURATION.md calls aliases of each other.
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

/// Returns the other name of a property that has two.
///
/// Remove the other name before you set one. If a client's hash map has both, it is random which one counts.
#[must_use]
pub fn other_name(name: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|(one, two)| match name {
        _ if name == *one => Some(*two),
        _ if name == *two => Some(*one),
        _ => None,
    })
}

/// Returns the final value of a property: the last one counts, under either name.
#[must_use]
pub fn last<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let other = other_name(name);
    let mut latest = properties.iter().rev();
    let found = latest.find(|(own, _)| own == name || Some(own.as_str()) == other);
    found.map(|(_, value)| &**value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_names_counts() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let properties = [
            pair("linger.ms", "1"),
            pair("queue.buffering.max.ms", "2"),
            pair("acks", "all"),
        ];
        assert_eq!(last(&properties, "linger.ms"), Some("2"));
        assert_eq!(last(&properties, "queue.buffering.max.ms"), Some("2"));
        assert_eq!(last(&properties, "retries"), None);
    }

    #[test]
    fn each_name_leads_to_the_other() {
        for (one, two) in ALIASES {
            assert_eq!(other_name(one), Some(two));
            assert_eq!(other_name(two), Some(one));
        }
        assert_eq!(other_name("client.id"), None);
    }
}
