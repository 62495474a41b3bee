//! The command that repeats a run, fit to be shown: values that may be secrets are masked.

use kafka_cluster_url::{MASK, shown, without_credentials};

const PREFIX: &str = "LOAD_CLIENT_";
/// Words that make the value of a header a secret, beside those that make one of a client property.
const SECRETS: [&str; 5] = ["passwd", "oauthbearer", "authorization", "cookie", "key"];

/// Joins arguments, program first, and the variables that stand for flags, quoted for a shell.
#[must_use]
pub(crate) fn repeat_command(arguments: &[String], variables: &[(String, String)]) -> String {
    let mut words: Vec<String> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| format!("{name}={}", quoted(&masked_variable(name, value))))
        .collect();
    let mut own = arguments.iter();
    // The path of the program says where somebody keeps it, and nothing else.
    words.extend(own.next().map(|_| "load-client".to_owned()));
    let mut flag = String::new();
    for argument in own {
        words.push(quoted(&masked(&flag, argument)));
        flag = argument.clone();
    }
    words.join(" ")
}

/// An argument, given the one before it.
fn masked(before: &str, argument: &str) -> String {
    match before {
        "-X" | "--header" => return masked_pair(argument),
        _ => {}
    }
    for flag in ["--header=", "-X=", "-X"] {
        if let Some(pair) = argument.strip_prefix(flag)
            && !pair.is_empty()
        {
            return format!("{flag}{}", masked_pair(pair));
        }
    }
    without_credentials(argument)
}

fn masked_variable(name: &str, value: &str) -> String {
    let own = name.trim_start_matches(PREFIX);
    match own {
        "X" | "HEADER" => value
            .lines()
            .map(masked_pair)
            .collect::<Vec<_>>()
            .join("\n"),
        _ if is_secret(own) => MASK.to_owned(),
        _ => without_credentials(value),
    }
}

fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}={MASK}"),
        _ => pair.to_owned(),
    }
}

fn is_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    shown(key, "") == MASK || SECRETS.iter().any(|word| lower.contains(word))
}

fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=,%@+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let own = |text: &&str| (*text).to_owned();
        let arguments: Vec<_> = arguments.iter().map(own).collect();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(pair).collect();
        repeat_command(&arguments, &variables)
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        assert_eq!(
            command(
                &[
                    "/opt/x/load-client",
                    "run",
                    "--host",
                    "kafka://a:1",
                    "--fail-on",
                    "p95<20ms",
                    "--body",
                    "it's",
                    ""
                ],
                &[("PATH", "/bin"), ("LOAD_CLIENT_USERS", "10")]
            ),
            "LOAD_CLIENT_USERS=10 load-client run --host kafka://a:1 --fail-on 'p95<20ms' --body 'it'\\''s' ''"
        );
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for arguments in [
            &["x", "-X", "sasl.password=hunter2"][..],
            &["x", "-Xsasl.password=hunter2"],
            &["x", "-X=sasl.password=hunter2"],
            &["x", "--header", "Authorization=Bearer hunter2"],
            &["x", "--header=x-api-key=hunter2"],
            &["x", "--host=kafka+sasl://me:hunter2@a:1"],
            &["x", "--host", "kafka+sasl://me:hunter2@a:1"],
        ] {
            let told = command(arguments, &[]);
            assert!(told.contains(MASK) && !told.contains("hunter2"), "{told}");
        }
        for (name, value) in [
            ("LOAD_CLIENT_X", "linger.ms=0\nsasl.password=hunter2"),
            ("LOAD_CLIENT_HEADER", "cookie=hunter2"),
            ("LOAD_CLIENT_HOST", "kafka+sasl://me:hunter2@a:1"),
            ("LOAD_CLIENT_WEB_PASSWORD", "hunter2"),
        ] {
            let told = command(&["x"], &[(name, value)]);
            assert!(told.contains(MASK) && !told.contains("hunter2"), "{told}");
        }
        assert!(command(&["x", "-X", "linger.ms=0"], &[]).ends_with("-X linger.ms=0"));
    }
}
