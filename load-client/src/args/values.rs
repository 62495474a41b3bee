//! The variables of the flags, and parsers of single values. A parser's error says which values the flag takes.

use std::path::PathBuf;

use clap::Arg;
use flags_and_variables::{TomlFile, name_of};
use kafka_cluster_url::ClusterUrl;

use crate::load::plan::{checked_spawn_rate, checked_users};
use crate::load::shape::{Preset, parse_rate};

pub(crate) use crate::load::shape::{
    parse_duration as duration, parse_duration_or_zero as duration_or_zero, parse_times as times,
};

/// The file of settings.
pub(crate) const CONFIG: TomlFile<'_> = TomlFile {
    flag: "config",
    program: "load-client",
    beside: &[],
};
/// Gives a flag the variable of its name, such as `LOAD_CLIENT_RUN_TIME`, unless it has another one. The help does not
/// show the variable beside the flag, because clap would show its value too, which may be secret.
pub(super) fn with_variable(flag: Arg) -> Arg {
    let variable = name_of(&flag).map(|name| {
        let name = name.replace('-', "_").to_uppercase();
        // clap needs names that live as long as the program.
        &*format!("LOAD_CLIENT_{name}").leak()
    });
    match variable {
        Some(variable) if flag.get_env().is_none() => flag.env(variable),
        _ => flag,
    }
    .hide_env(true)
}

/// Parses the URL of a cluster. The error never shows the password.
pub(crate) fn cluster_url(text: &str) -> Result<ClusterUrl, String> {
    ClusterUrl::parse(text).map_err(|error| error.to_string())
}

/// Parses a number of users.
pub(crate) fn users(text: &str) -> Result<u32, String> {
    // 0 is out of bounds, so a text that is not a number gets the same error.
    checked_users(text.parse().unwrap_or(0))
}

/// Parses users per second.
pub(crate) fn spawn_rate(text: &str) -> Result<f64, String> {
    checked_spawn_rate(text.parse().unwrap_or(f64::NAN))
}

/// Parses requests per second, above zero.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = parse_rate(text)?;
    let rate = (rate > 0.0).then_some(rate);
    rate.ok_or_else(|| "takes a rate above 0 such as 500/s, 30/m or 1.5/s".to_owned())
}

/// Parses the name of a ready-made shape.
pub(crate) fn preset(text: &str) -> Result<Preset, String> {
    Preset::named(text).ok_or_else(|| "takes load, soak, stress, spike or capacity".to_owned())
}

/// Parses the name of a topic.
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

/// Parses the body of the requests: JSON text, or the name of a file with any content.
pub(crate) fn body(text: &str) -> Result<Body, String> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Ok(Body {
            content: text.to_owned().into(),
            file: None,
        });
    }
    if text.trim_start().starts_with(['{', '[']) {
        let reason = "this is neither (to send broken JSON, put it into a file)";
        return Err(format!("takes JSON or a file; {reason}"));
    }
    let content = std::fs::read(text)
        .map_err(|error| format!("takes JSON or a file; the file cannot be read: {error}"))?;
    Ok(Body {
        content: content.into(),
        file: Some(text.into()),
    })
}

/// Parses `KEY=VALUE`; the value may contain equal signs, or be empty.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !text.contains('\0') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("takes KEY=VALUE".to_owned()),
    }
}

/// Parses a share: `2%` or `0.02`.
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
    use clap::Command;

    /// If a flag changes its name, a variable that users have set stops working. The snapshot shows such a change.
    #[test]
    fn each_flag_has_its_variable() {
        let command = crate::args::help::command();
        let flags = command.get_subcommands().flat_map(Command::get_arguments);
        let names = flags.filter_map(|own| own.get_env()?.to_str());
        insta::assert_snapshot!(names.collect::<Vec<_>>().join("\n"));
    }
}

#[cfg(test)]
mod parse_tests {
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
