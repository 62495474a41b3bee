//! Gives client properties to a child process. A secret never goes on its command line, because every user of the
//! machine can read that.

use kafka_cluster_url::shown;

/// The properties as `-X` flags. If one of them is a secret, all are in the flag's environment variable instead.
pub(crate) fn properties(
    properties: &[(String, String)],
    variable: &str,
) -> (Vec<String>, Vec<(String, String)>) {
    let pairs = properties
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    if properties
        .iter()
        .any(|(key, value)| shown(key, value) != value)
    {
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
    fn a_secret_property_goes_through_the_environment() {
        let mut own = vec![("linger.ms".to_owned(), "5".to_owned())];
        let (flags, variables) = properties(&own, "X");
        assert_eq!(
            (flags, variables),
            (vec!["-X".to_owned(), "linger.ms=5".to_owned()], vec![])
        );
        own.push(("sasl.password".to_owned(), "hunter2".to_owned()));
        let (flags, variables) = properties(&own, "X");
        let expected = (
            "X".to_owned(),
            "linger.ms=5\nsasl.password=hunter2".to_owned(),
        );
        assert_eq!((flags, variables), (vec![], vec![expected]));
    }
}
