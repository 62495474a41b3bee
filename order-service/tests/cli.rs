//! The program's command line: errors of wrong values, and of a missing store, name the flag.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use assert_cmd::Command;

fn run(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("order-service").unwrap();
    let output = command
        .args(arguments)
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Arguments, the flag that the error names, and a part of the error's text.
type Row = (&'static [&'static str], &'static str, &'static str);

const WRONG: [Row; 24] = [
    (
        &["--on-failure", "retry"],
        "--dead-letter-topic",
        "keep failing",
    ),
    (&["--on-failure", "give-up"], "--on-failure", "retry"),
    (&["--max-attempts", "0"], "--max-attempts", "1.."),
    (&["--profile", "spring,foo"], "--profile", "smallrye"),
    (&["--dispatch", "parallel"], "--dispatch", "serial"),
    (&["--max-in-flight", "0"], "--max-in-flight", "1.."),
    (
        &["--deadline-header", "a b"],
        "--deadline-header",
        "invalid HTTP header name",
    ),
    (&["--request-timeout", "soon"], "--request-timeout", "30s"),
    (&["--drain-timeout", "0s"], "--drain-timeout", "above zero"),
    (&["--http", "8000"], "--http", "socket address"),
    (&["-X", "linger.ms"], "-X", "key=value"),
    (
        &["--without-reply-to", "drop"],
        "--without-reply-to",
        "process",
    ),
    (
        &["--kafka", "localhost:9092"],
        "--kafka",
        "kafka://host:port",
    ),
    (
        &["--kafka", "kafka://a:99999"],
        "--kafka",
        "kafka://host:port",
    ),
    (
        &["--topic-prefix", "a/"],
        "--topic-prefix",
        "legal topic name",
    ),
    (
        &["--reply-topics", "a,,b"],
        "--reply-topics",
        "legal topic name",
    ),
    (
        &["--dead-letter-topic", "a b"],
        "--dead-letter-topic",
        "legal topic name",
    ),
    (&["--log", "info,=="], "--log", "directives"),
    (&["-X", "acks=1"], "-X", "has to be all"),
    (&["--max-request-bytes", "0"], "--max-request-bytes", "1.."),
    (&["--group-id", ""], "--group-id", "value is required"),
    (&["--store-timeout", "0s"], "--store-timeout", "above zero"),
    (&["--log-format", "xml"], "--log-format", "json"),
    (&["describe"], "describe", "unrecognized subcommand"),
];

#[test]
fn wrong_values_name_the_flag_and_exit_with_2() {
    for (arguments, flag, hint) in WRONG {
        let (code, text) = run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {text}");
        assert!(
            text.contains(flag) && text.contains(hint),
            "{arguments:?}: {text}"
        );
        // The error for an unknown name has one more line, with a hint.
        let lines = 1 + usize::from(text.contains("For more information"));
        assert_eq!(text.lines().count(), lines, "{arguments:?}: {text}");
    }
}

#[test]
fn a_password_of_the_store_on_the_command_line_is_refused() {
    let (code, text) = run(&["--store", "redis://:hunter2@127.0.0.1:1"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("ORDER_SERVICE_STORE"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_store_that_does_not_answer_is_named_by_its_flag() {
    // Port 1 on loopback: nothing listens there.
    let mut command = Command::cargo_bin("order-service").unwrap();
    command.env("ORDER_SERVICE_STORE", "redis://:secret@127.0.0.1:1");
    let output = command.args(["--log", "error"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("ORDER_SERVICE_STORE"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    // Writes fail, as to a closed terminal.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("order-service"));
    // The first line of the log is a warning about these times.
    command.args(["--store-timeout", "9s", "--request-timeout", "5s"]);
    command.args(["--store", "redis://127.0.0.1:1"]);
    let status = command.stderr(full.unwrap()).status().unwrap();
    assert_eq!(status.code(), Some(1), "{status}");
}
