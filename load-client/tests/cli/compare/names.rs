//! `--baseline-name` and `--changed-name`: the outputs name the two sides.

use std::fs;

use serde_json::Value;

use super::schema::Schema;
use super::{SLOWER, command, compare_blocks, error_of, six_blocks};

const NAMED: [&str; 4] = [
    "--baseline-name",
    "serial",
    "--changed-name",
    "one task a record",
];

#[test]
fn every_output_names_the_sides() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["--markdown", "c.md", "--json", "c.json", "--html", "c.html"];
    let output = compare_blocks(folder.path(), SLOWER, &[&NAMED[..], &files].concat());
    error_of(&output, 0);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("serial  one task a record"), "{text}");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (markdown, json, html) = (read("c.md"), read("c.json"), read("c.html"));
    assert!(
        markdown.contains("| new-5 | one task a record | 380 | 0 |"),
        "{markdown}"
    );
    let json: Value = serde_json::from_str(&json).unwrap();
    Schema::new().check(&json).unwrap();
    assert_eq!(json["baseline"]["name"], "serial");
    assert_eq!(json["changed"]["name"], "one task a record");
    for shown in [
        "<h1>Round-trip times: serial and one task a record</h1>",
        "\"name\":\"one task a record - serial\"",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
    for text in [&text, &markdown] {
        assert!(
            !text.contains("baseline") && !text.contains("changed side"),
            "{text}"
        );
    }
}

#[test]
fn a_refusal_speaks_of_the_sides_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    six_blocks(folder.path(), SLOWER);
    let mut command = command(
        folder.path(),
        &["base-0.csv", "base-1.csv", "--with", "new-0.csv"],
    );
    command.envs([
        ("LOAD_CLIENT_BASELINE_NAME", "serial"),
        ("LOAD_CLIENT_CHANGED_NAME", "tasks"),
    ]);
    let output = command.output().unwrap();
    error_of(&output, 0);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("there are 2 on the serial side and 1 on the tasks side"),
        "{text}"
    );
}

#[test]
fn invalid_names_are_refused_with_their_flag() {
    let folder = tempfile::tempdir().unwrap();
    for (names, expected) in [
        (
            ["--baseline-name", "<b>"],
            "'--baseline-name <NAME>': takes 1 to 40 letters",
        ),
        (
            ["--changed-name", " "],
            "'--changed-name <NAME>': takes 1 to 40 letters",
        ),
        (
            ["--changed-name", "baseline"],
            "--baseline-name and --changed-name: both sides are called \"baseline\"",
        ),
    ] {
        let error = error_of(&compare_blocks(folder.path(), SLOWER, &names), 2);
        assert!(error.contains(expected), "{error}");
    }
}
