//! Passwords: they come from a variable or a file, never from the command line, and no message shows them.

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;
use kafka_bridge::kafka::Cluster;
use kafka_cluster_url::{has_credentials, is_secret};

/// A text that may have a password. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A cluster's URL. The error shows no part of it.
pub(crate) fn kafka_url(text: &str) -> Result<Secret, String> {
    Cluster::new(text, &[]).map_err(|error| error.to_string())?;
    Ok(text.to_owned().into())
}

/// Refuses passwords on the command line, because every user of the machine can read it. The matches are those of the
/// command line alone, without variables.
pub(crate) fn check(matches: &ArgMatches) -> Result<(), String> {
    let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let url = matches.get_one::<Secret>("kafka");
    if typed("kafka") && url.is_some_and(|url| has_credentials(url)) {
        return Err(
            "--kafka: every user of the machine can read a password on the command line; \
             give the URL in ORDER_SERVICE_KAFKA or by --kafka-file"
                .to_owned(),
        );
    }
    let store = matches.get_one::<String>("store");
    if typed("store") && store.is_some_and(|url| has_credentials(url)) {
        return Err(
            "--store: every user of the machine can read a password on the command line; \
             give the URL in ORDER_SERVICE_STORE or by --store-file"
                .to_owned(),
        );
    }
    let properties = matches.get_many::<(String, String)>("property");
    let secret = properties
        .into_iter()
        .flatten()
        .find(|(name, _)| is_secret(name));
    match secret {
        Some((name, _)) if typed("property") => Err(format!(
            "-X {name}: every user of the machine can read a secret on the command line; \
             give the properties in ORDER_SERVICE_PROPERTIES, one per line"
        )),
        _ => Ok(()),
    }
}

/// Reads a file that has only a URL. `flag` names the file.
pub(crate) fn url_in(flag: &str, file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{flag} {}: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Secret::from("hunter2".to_owned()));
        assert_eq!(shown, "***");
    }
}
