//! The values of the placeholders in a run's commands.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use kafka_cluster_url::{has_credentials, is_secret};

use super::Identity;
use crate::programs;
use crate::stack::{Stack, free_port};

pub(super) const PLACEHOLDERS: [&str; 10] = [
    "kafka",
    "kafka-url",
    "kafka-properties",
    "store",
    "topic",
    "reply-topic",
    "group",
    "prefix",
    "port",
    "programs",
];

/// The value of each placeholder in one run.
#[derive(Debug)]
pub(super) struct Place(pub(super) BTreeMap<&'static str, String>);

impl Place {
    pub(super) fn of(stack: &Stack, identity: &Identity) -> Result<Self> {
        let properties = stack.client_properties().into_iter();
        let properties = properties.map(|(name, value)| format!("{name}={value}"));
        let value = |name: &str| -> Result<String> {
            Ok(match name {
                "kafka" => stack.bootstrap_servers().to_owned(),
                "kafka-url" => stack.kafka_url().to_owned(),
                "kafka-properties" => properties.clone().collect::<Vec<_>>().join("\n"),
                "store" => stack.store_url().to_owned(),
                "topic" => identity.topic(),
                "reply-topic" => identity.reply_topic(),
                "group" => identity.group_id.clone(),
                "prefix" => identity.topic_prefix.clone(),
                "port" => free_port()?.to_string(),
                _ => programs::folder().display().to_string(),
            })
        };
        let values = PLACEHOLDERS.map(|name| Ok((name, value(name)?)));
        values.into_iter().collect::<Result<_>>().map(Self)
    }

    /// A text with the values of its placeholders.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.0 {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let own = self.0.iter();
        own.map(|(name, value)| (variable(name), value.clone()))
            .collect()
    }

    /// The placeholders whose values must not be shown.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &'static str> {
        let is_secret = |(name, value): &(&&'static str, &String)| match **name {
            "store" => has_credentials(value),
            "kafka-properties" => value
                .lines()
                .filter_map(|line| line.split_once('='))
                .any(|(name, _)| is_secret(name)),
            _ => false,
        };
        self.0.iter().filter(is_secret).map(|(name, _)| *name)
    }
}

/// `REPLY_TOPIC` for `reply-topic`.
pub(super) fn variable(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

pub(super) fn uses(text: &str, name: &str) -> bool {
    text.contains(&format!("{{{name}}}"))
}

/// Refuses an unknown placeholder. A word of small letters in braces is one.
pub(super) fn check_names(text: &str) -> Result<()> {
    for part in text.split('{').skip(1) {
        let Some((name, _)) = part.split_once('}') else {
            continue;
        };
        let is_word = !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-');
        if is_word && !PLACEHOLDERS.contains(&name) {
            let known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
            bail!("there is no placeholder {{{name}}}; there are {known}");
        }
    }
    Ok(())
}
