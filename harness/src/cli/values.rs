//! Reads the values of flags. Each error says what the flag takes; clap adds the name of the flag.

use std::time::Duration;

use kafka_cluster_url::ClusterUrl;

/// A duration above zero, such as `10s` or `5m`.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("takes a duration above zero, such as 10s or 5m".to_owned()),
        duration => Ok(duration),
    }
}

/// A duration, zero included.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = |_| "takes a duration with its unit, such as 500ms, 10s or 5m".to_owned();
    humantime::parse_duration(text).map_err(expected)
}

/// A rate above zero.
pub(super) fn positive_rate(text: &str) -> Result<f64, String> {
    let rate = text
        .parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "takes a number above zero, in users per second".to_owned())
}

/// A share such as `2%`, above 0 % and below 100 %.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let percent = text
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok());
    let share = percent
        .map(|percent| percent / 100.0)
        .filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "takes a percentage above 0% and below 100%, such as 2%".to_owned())
}

/// A topic's name.
pub(super) fn topic_name(text: &str) -> Result<String, String> {
    let name = is_topic_name(text).then(|| text.to_owned());
    name.ok_or_else(|| "takes up to 249 letters, digits, '.', '_' or '-'".to_owned())
}

fn is_topic_name(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (1..=249).contains(&name.len()) && name.chars().all(legal)
}

/// A variable, `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "takes NAME=VALUE".to_owned())
}

/// Words, split as a shell does.
#[derive(Debug, Clone)]
pub struct Words(pub(super) Vec<String>);

/// Words, quoted as for a shell.
pub(super) fn words(text: &str) -> Result<Words, String> {
    let words = shlex::split(text).map(Words);
    words.ok_or_else(|| "takes words quoted as for a shell; a quote is not closed".to_owned())
}

/// A topic and its number of partitions, by default one.
pub(super) fn topic(text: &str) -> Result<(String, i32), String> {
    let (name, partitions) = match text.split_once(':') {
        Some((name, count)) => (name, count.parse().ok()),
        None => (text, Some(1)),
    };
    let is_name = is_topic_name(name);
    let partitions = partitions.filter(|count| is_name && (1..=1000).contains(count));
    partitions
        .map(|count| (name.to_owned(), count))
        .ok_or_else(|| "takes a topic, or TOPIC:PARTITIONS with 1 to 1000 partitions".to_owned())
}

/// A cluster's URL. The error shows no password.
pub(super) fn kafka_url(text: &str) -> Result<String, String> {
    let read = ClusterUrl::parse(text);
    read.map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// A librdkafka property.
pub(super) fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("takes a librdkafka property as key=value, such as linger.ms=5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_run_times_a_length() {
        assert_eq!(positive_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "5", "-1s", "soon", "0s"] {
            assert!(positive_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_and_shares_are_finite_and_in_range() {
        assert_eq!(positive_rate("0.5"), Ok(0.5));
        assert_eq!(share("2%"), Ok(0.02));
        for wrong in ["0", "-1", "NaN", "inf", "x"] {
            assert!(positive_rate(wrong).is_err(), "{wrong}");
        }
        for wrong in ["2", "0%", "100%", "-1%", "NaN%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_property_keeps_everything_after_the_first_equals_sign() {
        assert_eq!(property("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(property("a").is_err() && property("=b").is_err());
    }

    #[test]
    fn topics() {
        assert_eq!(topic("createOrder"), Ok(("createOrder".to_owned(), 1)));
        assert_eq!(topic("a.b-c:8"), Ok(("a.b-c".to_owned(), 8)));
        for wrong in ["", "a b", "a:0", "a:x", ":3", "a:1001"] {
            assert!(topic(wrong).is_err(), "{wrong}");
        }
    }
}
