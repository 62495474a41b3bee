//! Recognizes values that must stay secret, and masks them.

/// Replaces the value of a secret.
pub const MASK: &str = "***";

/// Returns whether the value of a property grants access, so that it must not be on a command line.
///
/// ```
/// use kafka_cluster_url::is_secret;
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
    contains_any(property, &words)
}

/// Returns a property's value as a log or report may show it. A user name is less sensitive than a password, but a
/// report that is passed on should not contain it either.
#[must_use]
pub fn shown<'a>(property: &str, value: &'a str) -> &'a str {
    if is_secret(property) || contains_any(property, &["username", "token"]) {
        MASK
    } else {
        value
    }
}

fn contains_any(property: &str, words: &[&str]) -> bool {
    let property = property.to_ascii_lowercase();
    words.iter().any(|word| property.contains(word))
}

/// Returns the value and the reason of librdkafka's refusal. Both are masked if the value may be a secret, also under a
/// misspelt name that begins like that of a secret.
#[must_use]
pub fn masked_refusal(property: &str, value: &str, reason: &str) -> (String, String) {
    let is_open = !property.starts_with("sasl.") && !property.starts_with("ssl.");
    if is_open && shown(property, value) == value {
        return (value.to_owned(), reason.to_owned());
    }
    // An empty value would be found everywhere.
    let reason = if value.is_empty() {
        reason.to_owned()
    } else {
        reason.replace(value, MASK)
    };
    (MASK.to_owned(), reason)
}

/// Returns a text with [`MASK`] in place of the `user:password` of a URL in it, whatever its scheme.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // The last one: a password that is not encoded may also contain one, or a slash.
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{MASK}@{host}"),
        None => text.to_owned(),
    }
}

/// Returns whether a URL contains a user or password, whatever its scheme.
#[must_use]
pub fn has_credentials(url: &str) -> bool {
    url.split_once("://")
        .is_some_and(|(_, rest)| rest.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_leave_a_url() {
        for (url, expected) in [
            (
                "redis://me:p@ss@localhost:6666/0",
                "redis://***@localhost:6666/0",
            ),
            ("redis://:p/ss@localhost", "redis://***@localhost"),
            (
                "--host=kafka+sasl://me:pw@a:1",
                "--host=kafka+sasl://***@a:1",
            ),
        ] {
            assert_eq!(without_credentials(url), expected);
            assert!(has_credentials(url), "{url}");
        }
        for url in ["kafka://localhost:9092", "plain text"] {
            assert_eq!(without_credentials(url), url);
            assert!(!has_credentials(url), "{url}");
        }
    }

    #[test]
    fn names_and_tokens_are_no_secrets_and_still_not_shown() {
        for name in ["sasl.username", "my.token"] {
            assert!(!is_secret(name), "{name}");
            assert_eq!(shown(name, "hunter2"), MASK);
        }
        assert_eq!(shown("fetch.wait.max.ms", "1"), "1");
    }

    #[test]
    fn a_refused_property_keeps_its_secret() {
        for name in [
            "sasl.passwrod",
            "ssl.key.pasword",
            "my.password",
            "my.Token",
        ] {
            let told = masked_refusal(name, "hunter2", "Invalid value \"hunter2\"");
            assert_eq!(
                told,
                (MASK.into(), "Invalid value \"***\"".into()),
                "{name}"
            );
        }
        let told = masked_refusal("sasl.mechanism", "", "empty");
        assert_eq!(told, (MASK.into(), "empty".into()));
        let told = masked_refusal("linger.ms", "soon", "Invalid value \"soon\"");
        assert_eq!(told, ("soon".into(), "Invalid value \"soon\"".into()));
    }
}
