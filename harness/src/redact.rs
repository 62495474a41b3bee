//! Keeps secrets out of whatever is logged, printed or written: user and password of URLs, and values of
//! client properties that are secrets.

use load_client::transport::kafka::is_password;

/// The URL without `user:password@`, wherever one stands in the text.
pub(crate) fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // The last one: a password that is not encoded may hold one too, or a slash.
    match rest.rsplit_once('@') {
        Some((_, shown)) => format!("{scheme}://{shown}"),
        None => text.to_owned(),
    }
}

/// Whether the URL carries a user or password.
pub(crate) fn has_credentials(text: &str) -> bool {
    url(text) != text
}

/// Whether the value of this client property must not be seen.
pub(crate) fn is_secret(key: &str) -> bool {
    is_password(key) || key.contains("username") || key.contains("token")
}

/// A client property as it may be shown: `***` for the value of a secret.
pub(crate) fn property(key: &str, value: &str) -> String {
    if is_secret(key) {
        "***".to_owned()
    } else {
        value.to_owned()
    }
}

/// How to give client properties to a child: as `-X` flags, or, if one of them is a secret, all of them in
/// the environment variable that stands for the flag.
pub(crate) fn hand_over(
    properties: &[(String, String)],
    variable: &str,
) -> (Vec<String>, Vec<(String, String)>) {
    let pairs = properties
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    if properties.iter().any(|(key, _)| is_secret(key)) {
        let joined = pairs.collect::<Vec<_>>().join("\n");
        return (Vec::new(), vec![(variable.to_owned(), joined)]);
    }
    (
        pairs.flat_map(|pair| ["-X".to_owned(), pair]).collect(),
        Vec::new(),
    )
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
        assert_eq!(url("redis://:p/ss@localhost"), "redis://localhost");
        assert_eq!(
            url("kafka+sasl://me:pw@a:1?ca=/ca.pem"),
            "kafka+sasl://a:1?ca=/ca.pem"
        );
        assert_eq!(url("kafka://localhost:9092"), "kafka://localhost:9092");
        assert_eq!(url("plain text"), "plain text");
    }

    #[test]
    fn secret_properties_are_masked_and_others_kept() {
        assert_eq!(property("sasl.password", "hunter2"), "***");
        assert_eq!(property("sasl.username", "me"), "***");
        assert_eq!(property("fetch.wait.max.ms", "1"), "1");
    }

    #[test]
    fn a_secret_property_goes_through_the_environment() {
        let mut properties = vec![("linger.ms".to_owned(), "5".to_owned())];
        let (flags, variables) = hand_over(&properties, "X");
        assert_eq!(
            (flags, variables),
            (vec!["-X".to_owned(), "linger.ms=5".to_owned()], vec![])
        );
        properties.push(("sasl.password".to_owned(), "hunter2".to_owned()));
        let (flags, variables) = hand_over(&properties, "X");
        let expected = (
            "X".to_owned(),
            "linger.ms=5\nsasl.password=hunter2".to_owned(),
        );
        assert_eq!((flags, variables), (vec![], vec![expected]));
    }
}
