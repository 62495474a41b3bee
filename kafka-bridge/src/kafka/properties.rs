//! librdkafka properties: which are secrets, and which need TLS. Pure.

use std::fmt;
use std::ops::Deref;

use crate::Error;

/// What stands for the value of a secret.
const MASK: &str = "***";

/// Returns whether the value of a property must not be seen: not in a log, not on a command line.
///
/// # Examples
///
/// ```
/// use kafka_bridge::kafka::is_secret;
///
/// assert!(is_secret("sasl.password"));
/// assert!(!is_secret("sasl.mechanism"));
/// ```
#[must_use]
pub fn is_secret(property: &str) -> bool {
    let words = [
        "password",
        "passphrase",
        "secret",
        "key.pem",
        "oauthbearer.config",
        "jaas",
    ];
    let property = property.to_ascii_lowercase();
    words.iter().any(|word| property.contains(word))
}

/// Properties of both clients in the order in which they are set; `Debug` masks secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Properties(Vec<(String, String)>);

impl Properties {
    pub(crate) fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }
}

impl From<Vec<(String, String)>> for Properties {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

impl Deref for Properties {
    type Target = [(String, String)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let value = if is_secret(name) { MASK } else { value };
            (name, value)
        });
        f.debug_map().entries(shown).finish()
    }
}

/// Masks the value of a refused property in librdkafka's own words, where it may be a secret.
pub(super) fn masked(error: rdkafka::error::KafkaError) -> rdkafka::error::KafkaError {
    use rdkafka::error::KafkaError::ClientConfig;
    match error {
        // Also under a name that is misspelt, as long as it begins like one of a secret.
        ClientConfig(code, reason, name, value)
            if is_secret(&name) || name.starts_with("sasl.") || name.starts_with("ssl.") =>
        {
            let reason = if value.is_empty() {
                reason
            } else {
                reason.replace(&value, MASK)
            };
            ClientConfig(code, reason, name, MASK.to_owned())
        }
        other => other,
    }
}

/// Returns the value that a property has in the end: the last one counts.
pub(super) fn last<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut own = properties.iter().rev().filter(|(own, _)| own == name);
    own.next().map(|(_, value)| &**value)
}

/// Refuses what needs TLS where librdkafka was built without it: its own words name no way out.
pub(super) fn check_tls(properties: &[(String, String)], built_in: bool) -> Result<(), Error> {
    let needs_tls = |(name, value): &&(String, String)| {
        let value = value.to_ascii_lowercase();
        match name.as_str() {
            "security.protocol" => value.ends_with("ssl"),
            // PLAIN is all that works without OpenSSL.
            "sasl.mechanism" | "sasl.mechanisms" => {
                value.starts_with("scram") || value == "oauthbearer"
            }
            other => other.starts_with("ssl."),
        }
    };
    match properties.iter().find(needs_tls) {
        Some((name, value)) if !built_in => Err(Error::WithoutTls(match name.as_str() {
            "security.protocol" | "sasl.mechanism" | "sasl.mechanisms" => format!("{name}={value}"),
            _ => name.clone(),
        })),
        _ => Ok(()),
    }
}

/// Returns whether librdkafka was built with OpenSSL.
pub(super) fn has_tls() -> bool {
    let features = rdkafka::ClientConfig::new()
        .create_native_config()
        .and_then(|config| config.get("builtin.features"));
    features.is_ok_and(|features| features.split(',').any(|feature| feature == "ssl"))
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn debug_shows_no_secret() {
        let properties = [
            ("sasl.username", "me"),
            ("sasl.password", "hunter2"),
            ("ssl.key.password", "hunter2"),
            ("ssl.key.pem", "hunter2"),
            ("ssl.keystore.password", "hunter2"),
            ("sasl.oauthbearer.config", "hunter2"),
            ("sasl.oauthbearer.client.secret", "hunter2"),
            ("linger.ms", "3"),
        ];
        let shown = format!("{:?}", Properties::from(pairs(&properties)));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains(r#""linger.ms": "3""#), "{shown}");
        assert!(shown.contains(r#""sasl.password": "***""#), "{shown}");
    }

    #[test]
    fn without_tls_what_needs_it_is_refused_and_names_the_feature() {
        for property in [
            ("security.protocol", "SSL"),
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("ssl.ca.location", "/ca.pem"),
        ] {
            let properties = pairs(&[property]);
            assert!(check_tls(&properties, true).is_ok(), "{property:?}");
            let error = check_tls(&properties, false).unwrap_err();
            assert!(error.is_configuration());
            let told = error.to_string();
            assert!(
                told.contains("built without TLS: build with --features tls"),
                "{told}"
            );
            assert!(told.contains(property.0), "{told}");
        }
        let plain = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "u"),
            ("sasl.password", "p"),
        ];
        assert!(check_tls(&pairs(&plain), false).is_ok());
    }

    /// SASL/PLAIN on a plain connection is part of librdkafka whatever it was built with.
    #[test]
    fn sasl_plain_without_tls_works_in_every_build() {
        let mut config = ClientConfig::new();
        config
            .set("security.protocol", "sasl_plaintext")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", "u")
            .set("sasl.password", "p");
        let client = config.create::<rdkafka::producer::BaseProducer>();
        assert!(client.is_ok(), "{:?}", client.err());
    }

    #[test]
    fn the_feature_builds_tls_in() {
        assert!(has_tls() || !cfg!(feature = "tls"));
    }

    #[test]
    fn a_refused_property_keeps_its_secret() {
        for name in ["sasl.passwrod", "ssl.key.pasword", "my.password"] {
            let mut config = ClientConfig::new();
            config.set(name, "hunter2");
            let error = masked(config.create_native_config().err().unwrap());
            let told = format!("{error} {error:?}");
            assert!(told.contains(name) && !told.contains("hunter2"), "{told}");
        }
        let mut config = ClientConfig::new();
        config.set("linger.ms", "soon");
        let told = masked(config.create_native_config().err().unwrap()).to_string();
        assert!(told.contains("soon"), "{told}");
    }
}
