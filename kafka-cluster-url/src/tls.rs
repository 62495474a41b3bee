//! Checks for settings that need TLS if librdkafka was built without it, because its own error does not say what to do.

/// Says that a setting needs TLS, but librdkafka was built without OpenSSL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} needs TLS, but this program was built without it: build with --features tls")]
pub struct NeedsTls {
    /// The setting, with its value if that is not a secret.
    pub setting: String,
}

/// Refuses settings that need TLS if librdkafka was built without it. `built_in` is librdkafka's property
/// `builtin.features`.
///
/// # Errors
///
/// Returns [`NeedsTls`] with the first such setting.
pub fn check_tls(properties: &[(String, String)], built_in: &str) -> Result<(), NeedsTls> {
    if built_in.split(',').any(|feature| feature.trim() == "ssl") {
        return Ok(());
    }
    let setting = properties.iter().find_map(|(name, value)| {
        let lower = value.to_ascii_lowercase();
        match name.as_str() {
            "security.protocol" => lower.ends_with("ssl").then(|| format!("{name}={value}")),
            // PLAIN is the only mechanism that works without OpenSSL.
            "sasl.mechanism" | "sasl.mechanisms" => {
                let needs = lower.starts_with("scram") || lower == "oauthbearer";
                needs.then(|| format!("{name}={value}"))
            }
            "enable.ssl.certificate.verification" => Some(name.clone()),
            other => other.starts_with("ssl.").then(|| name.clone()),
        }
    });
    setting.map_or(Ok(()), |setting| Err(NeedsTls { setting }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn without_tls_what_needs_it_is_refused_and_names_the_feature() {
        for (name, value) in [
            ("security.protocol", "SSL"),
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("ssl.key.password", "hunter2"),
            ("enable.ssl.certificate.verification", "false"),
        ] {
            let properties = [pair(name, value)];
            assert_eq!(check_tls(&properties, "gzip,ssl,sasl"), Ok(()), "{name}");
            let told = check_tls(&properties, "gzip,sasl_plain").unwrap_err();
            let told = told.to_string();
            let end = "needs TLS, but this program was built without it: build with --features tls";
            assert!(told.starts_with(name) && told.ends_with(end), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
        let plain = [
            pair("security.protocol", "sasl_plaintext"),
            pair("sasl.mechanism", "PLAIN"),
            pair("sasl.password", "p"),
        ];
        assert_eq!(check_tls(&plain, ""), Ok(()));
    }
}
