//! Parsers of single command-line values. Plain functions; each error says what the flag takes.

use std::path::PathBuf;

use kafka_cluster_url::ClusterUrl;

use crate::load::plan::MAX_USERS;
use crate::load::shape::Preset;
use crate::load::shape::parse_rate;
pub(crate) use crate::load::shape::{
    parse_duration as duration, parse_duration_or_zero as duration_or_zero, parse_times as times,
};

/// The cluster; what is wrong with a URL is told without a password in it.
pub(crate) fn cluster_url(text: &str) -> Result<ClusterUrl, String> {
    ClusterUrl::parse(text).map_err(|error| error.to_string())
}

/// A number of users.
pub(crate) fn users(text: &str) -> Result<u32, String> {
    // What is no number is refused as one that is out of bounds.
    users_in_bounds(text.parse().unwrap_or(0))
}

/// Users per second.
pub(crate) fn spawn_rate(text: &str) -> Result<f64, String> {
    spawn_rate_in_bounds(text.parse().unwrap_or(f64::NAN))
}

/// The same, of an order of the page, which is a number already.
pub(crate) fn users_in_bounds(users: u32) -> Result<u32, String> {
    let users = Some(users).filter(|users| (1..=MAX_USERS).contains(users));
    users.ok_or_else(|| format!("takes a whole number from 1 to {MAX_USERS}"))
}

/// The same, of an order of the page.
pub(crate) fn spawn_rate_in_bounds(rate: f64) -> Result<f64, String> {
    let rate = Some(rate).filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "takes a number above 0, users per second".to_owned())
}

/// Requests per second, above zero.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = parse_rate(text)?;
    let rate = (rate > 0.0).then_some(rate);
    rate.ok_or_else(|| "takes a rate above 0 such as 500/s, 30/m or 1.5/s".to_owned())
}

/// The name of a ready-made shape.
pub(crate) fn preset(text: &str) -> Result<Preset, String> {
    Preset::named(text).ok_or_else(|| "takes load, soak, stress, spike or capacity".to_owned())
}

/// A topic's name.
pub(crate) fn topic(text: &str) -> Result<String, String> {
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let is_name =
        (1..=249).contains(&text.len()) && text.chars().all(legal) && !matches!(text, "." | "..");
    let name = is_name.then(|| text.to_owned());
    name.ok_or_else(|| "takes a topic name: up to 249 letters, digits, '.', '_' or '-'".to_owned())
}

/// The body of the requests, and the file that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    pub(crate) content: bytes::Bytes,
    pub(crate) file: Option<PathBuf>,
}

/// The body of the requests: JSON itself, or a file with any content.
pub(crate) fn body(text: &str) -> Result<Body, String> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Ok(Body {
            content: text.to_owned().into(),
            file: None,
        });
    }
    if text.trim_start().starts_with(['{', '[']) {
        let reason = "this is neither (broken JSON can be sent from a file)";
        return Err(format!("takes JSON or a file; {reason}"));
    }
    let content = std::fs::read(text)
        .map_err(|error| format!("takes JSON or a file; the file cannot be read: {error}"))?;
    Ok(Body {
        content: content.into(),
        file: Some(text.into()),
    })
}

/// `KEY=VALUE`; the value may hold further equal signs, or be empty.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !text.contains('\0') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("takes KEY=VALUE".to_owned()),
    }
}

/// A share: `2%` or `0.02`.
pub(crate) fn threshold(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    let share = share.ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "takes a share above 0 and below 100 %, such as 2% or 0.02".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(users("10"), Ok(10));
        assert!(users("0").is_err() && users("-1").is_err() && users("1.5").is_err());
        assert_eq!(spawn_rate("0.5"), Ok(0.5));
        assert!(
            spawn_rate("0").is_err() && spawn_rate("inf").is_err() && spawn_rate("nan").is_err()
        );
        assert_eq!(threshold("2%"), Ok(0.02));
        assert_eq!(threshold("0.05"), Ok(0.05));
        assert!(threshold("0").is_err() && threshold("2").is_err() && threshold("x%").is_err());
    }

    #[test]
    fn ranges_and_rates() {
        let milliseconds = Duration::from_millis;
        assert_eq!(times("100ms"), Ok((milliseconds(100), milliseconds(100))));
        assert_eq!(
            times("50ms..2s"),
            Ok((milliseconds(50), milliseconds(2000)))
        );
        for wrong in ["", "..", "2s..1s", "1s..", "1s...2s", "-1s"] {
            assert!(times(wrong).is_err(), "{wrong}");
        }
        assert_eq!(rate("30/m"), Ok(0.5));
        assert!(rate("0/s").is_err() && rate("500").is_err());
        assert!(preset("soak").is_ok() && preset("Soak").is_err());
    }

    #[test]
    fn pairs() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }

    #[test]
    fn bodies() {
        assert_eq!(body("{\"items\":[]}").unwrap().content, "{\"items\":[]}");
        assert!(body("{\"items\":").unwrap_err().contains("neither"));
        assert!(
            body("no-such-file.json")
                .unwrap_err()
                .contains("cannot be read")
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body");
        std::fs::write(&path, b"{broken").unwrap();
        assert_eq!(body(path.to_str().unwrap()).unwrap().content, "{broken");
    }

    #[test]
    fn topics() {
        assert!(topic("createOrder.reply").is_ok());
        assert!(topic("").is_err() && topic("a b").is_err() && topic("..").is_err());
        assert!(topic(&"x".repeat(250)).is_err());
    }
}
