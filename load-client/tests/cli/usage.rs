//! Wrong command lines and bad files give one line on standard error and the documented exit code.

use std::path::Path;
use std::process::Output;

use crate::support::client;

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    client()
        .current_dir(folder)
        .arg("compare")
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn assert_error(output: &Output, code: i32, expected: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(expected), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

fn write_run(folder: &Path, name: &str, offset: u32) {
    let mut text = String::from("request_type,name,response_time\n");
    for index in 0..400 {
        let latency = f64::from(offset) + f64::from(index % 40) / 10.0;
        text.push_str(&format!("KAFKA,createOrder,{latency}\n"));
    }
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn wrong_values_exit_with_2() {
    for (arguments, expected) in [
        (&["--host", "localhost:9092"][..], "--host"),
        (&["--host", "kafka://a:1", "-u", "none"], "--users"),
        (
            &["--host", "kafka://a:1", "-t", "2s", "--warm-up", "3s"],
            "--warm-up 3s leaves nothing of --run-time 2s",
        ),
        (
            &["--host", "kafka://a:1", "-X", "no.such.property=1"],
            "-X no.such.property=1",
        ),
        (
            &["--host", "kafka://a:1", "-X", "linger.ms=soon"],
            "-X linger.ms=soon",
        ),
        (&["compare"], "BASELINE"),
    ] {
        assert_error(&client().args(arguments).output().unwrap(), 2, expected);
    }
}

#[test]
fn variables_stand_in_for_flags() {
    let output = client()
        .env("LOAD_CLIENT_HOST", "kafka://a:1")
        .env("LOAD_CLIENT_USERS", "0")
        .output();
    assert_error(&output.unwrap(), 2, "LOAD_CLIENT_USERS");
}

#[test]
fn help_tells_the_exit_codes() {
    for arguments in [&["--help"][..], &["run", "--help"], &["compare", "--help"]] {
        let output = client().args(arguments).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("Exit codes:"));
    }
}

#[test]
fn the_short_help_of_a_run_is_one_screen_and_points_to_the_long_one() {
    let output = client().args(["run", "-h"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() < 50, "{text}");
    for part in ["--users", "--fail-on", "Examples:", "--help has all flags"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(
        !text.contains("LOAD_CLIENT_") && !text.contains("--max-in-flight"),
        "{text}"
    );
}

#[test]
fn a_flag_that_does_not_exist_gets_a_tip_and_a_pointer_below_the_error() {
    let output = client().args(["run", "--user", "3"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = "error: unexpected argument '--user' found\n  tip: a similar argument exists: '--users'\n  \
                    For more information, try '--help'.\n";
    assert_eq!(told, expected);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn bad_files_exit_with_1_and_their_place() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), "good.csv", 4);
    std::fs::write(folder.path().join("empty.csv"), "").unwrap();
    std::fs::write(
        folder.path().join("text.csv"),
        "request_type,name,response_time\nK,c,fast\n",
    )
    .unwrap();
    for (file, expected) in [
        ("missing.csv", "cannot read missing.csv"),
        ("empty.csv", "empty.csv is empty"),
        ("text.csv", "text.csv line 2, column response_time"),
    ] {
        assert_error(
            &compare(folder.path(), &["good.csv", "--with", file]),
            1,
            expected,
        );
    }
}

#[test]
fn two_runs_have_figures_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), "baseline.csv", 6);
    write_run(folder.path(), "changed.csv", 4);
    let arguments = [
        "baseline.csv",
        "--with",
        "changed.csv",
        "--html",
        "report.html",
        "--json",
        "report.json",
    ];
    let output = compare(folder.path(), &arguments);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    let json = std::fs::read(folder.path().join("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert!(json["verdict"].is_null() && json["refusal"].is_string());
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("run-to-run variation was not measured"));
}

#[test]
fn paired_runs_have_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    for block in 0..6 {
        write_run(folder.path(), &format!("baseline-{block}.csv"), 60 + block);
        write_run(folder.path(), &format!("changed-{block}.csv"), 40 + block);
    }
    let names = |side: &str| {
        (0..6)
            .map(|block| format!("{side}-{block}.csv"))
            .collect::<Vec<_>>()
    };
    let (baseline, changed) = (names("baseline"), names("changed"));
    let mut arguments: Vec<&str> = baseline.iter().map(String::as_str).collect();
    arguments.push("--with");
    arguments.extend(changed.iter().map(String::as_str));
    let output = compare(folder.path(), &arguments);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}
