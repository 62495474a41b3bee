//! Value parsers of the command line. Each error says what the flag takes.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use kafka_bridge::kafka::Cluster;
use kafka_bridge::{Dispatch, Operation, ReplyProfile, WithoutReplyTo};
use tracing_subscriber::EnvFilter;

/// An operation with the longest name, to check the length of a prefix.
const OPERATION: &str = "createOrder";

pub(crate) fn dispatch() -> impl TypedValueParser<Value = Dispatch> {
    PossibleValuesParser::new(["serial", "tasks", "keyed", "partition"])
        .try_map(|mode| mode.parse())
}

pub(crate) fn without_reply_to() -> impl TypedValueParser<Value = WithoutReplyTo> {
    PossibleValuesParser::new(["skip", "process"]).map(|word| match &*word {
        "process" => WithoutReplyTo::Process,
        _ => WithoutReplyTo::Skip,
    })
}

pub(crate) fn profile() -> impl TypedValueParser<Value = ReplyProfile> {
    let names = [
        "reference",
        "spring",
        "smallrye",
        "nest",
        "zilla",
        "faststream",
    ];
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

pub(crate) fn topic(text: &str) -> Result<String, String> {
    let name = Operation::post(text, "/").map_err(|error| error.to_string())?;
    Ok(name.topic().to_owned())
}

pub(crate) fn topic_prefix(text: &str) -> Result<String, String> {
    topic(&format!("{text}{OPERATION}")).map(|_| text.to_owned())
}

/// A topic's name, or a prefix and a `*`.
pub(crate) fn topic_pattern(text: &str) -> Result<String, String> {
    let name = match text.strip_suffix('*') {
        Some("") => return Ok(text.to_owned()),
        Some(prefix) => prefix,
        None => text,
    };
    topic(name).map(|_| text.to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed =
        humantime::parse_duration(text).map_err(|_| "takes a time such as 30s or 500ms")?;
    if parsed.is_zero() {
        Err("takes a time above zero".to_owned())
    } else {
        Ok(parsed)
    }
}

/// A property that does not break a promise of the bridge.
pub(crate) fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("takes key=value, such as linger.ms=0")?;
    let property = (name.trim().to_owned(), value.to_owned());
    let checked = Cluster::new("kafka://localhost", std::slice::from_ref(&property));
    checked.map(|_| property).map_err(|error| error.to_string())
}

pub(crate) fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map_err(|_| "takes directives such as info,kafka_bridge=debug")?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_and_properties() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert!(duration("soon").is_err());
        assert!(duration("0s").is_err());
        assert_eq!(
            property("a.b=c=d"),
            Ok(("a.b".to_owned(), "c=d".to_owned()))
        );
        assert!(property("a.b").is_err());
        assert!(property("acks=1").unwrap_err().contains("acks=1"));
    }

    #[test]
    fn offers_every_profile() {
        use clap::builder::TypedValueParser;
        let parser = profile();
        let offered = parser.possible_values().unwrap();
        let offered: Vec<String> = offered.map(|one| one.get_name().to_owned()).collect();
        assert_eq!(offered, ReplyProfile::all().map(|profile| profile.name));
    }

    #[test]
    fn reads_topics_and_patterns() {
        assert!(topic("a.b").is_ok());
        assert!(topic("a b").is_err());
        assert!(topic_prefix("").is_ok());
        assert!(topic_prefix("a/").is_err());
        for pattern in ["replies.*", "replies", "*"] {
            assert!(topic_pattern(pattern).is_ok(), "{pattern}");
        }
        for pattern in ["", "a b*", "a*b"] {
            assert!(topic_pattern(pattern).is_err(), "{pattern}");
        }
    }
}
