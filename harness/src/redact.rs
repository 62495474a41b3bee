//! Keeps secrets out of whatever is logged, printed or written: user and password of URLs, and values of
//! client properties that are secrets.

/// The URL without `user:password@`, wherever one stands in the text.
pub(crate) fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => text.to_owned(),
    }
}

/// A client property as it may be shown: `***` for the value of a secret.
pub(crate) fn property(key: &str, value: &str) -> String {
    let secret = [
        "password",
        "secret",
        "sasl.jaas",
        "ssl.key.pem",
        "token",
        "sasl.username",
    ];
    if secret.iter().any(|word| key.contains(word)) {
        "***".to_owned()
    } else {
        url(value)
    }
}

/// One argument of a command line as it may be shown: a URL, or `key=value` as after `-X`.
pub(crate) fn argument(text: &str) -> String {
    match text.split_once('=') {
        Some((key, value)) if !key.contains("://") => format!("{key}={}", property(key, value)),
        _ => url(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_leave_a_url() {
        assert_eq!(
            url("redis://me:p@ss@localhost:6666/0"),
            "redis://localhost:6666/0"
        );
        assert_eq!(url("kafka://localhost:9092"), "kafka://localhost:9092");
        assert_eq!(url("plain text"), "plain text");
    }

    #[test]
    fn secret_properties_are_masked_and_others_kept() {
        assert_eq!(argument("sasl.password=hunter2"), "sasl.password=***");
        assert_eq!(argument("fetch.wait.max.ms=1"), "fetch.wait.max.ms=1");
        assert_eq!(argument("redis://:pw@host?a=b"), "redis://host?a=b");
    }
}
