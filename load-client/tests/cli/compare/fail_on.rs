//! `--fail-on`: the verdicts that fail a build.

use std::fs;

use super::{
    EQUIVALENT, FASTER, INCONCLUSIVE, SLOWER, command, compare, compare_blocks, error_of,
    six_blocks, write_run,
};

#[test]
fn the_verdict_decides_the_exit_code() {
    for (factors, slower, not_faster) in [
        (FASTER, 0, 0),
        (SLOWER, 4, 4),
        (EQUIVALENT, 0, 4),
        (INCONCLUSIVE, 0, 4),
    ] {
        for (rule, code) in [("slower", slower), ("not-faster", not_faster)] {
            let folder = tempfile::tempdir().unwrap();
            let further = ["--json", "comparison.json", "--fail-on", rule];
            let output = compare_blocks(folder.path(), factors, &further);
            let error = error_of(&output, code);
            assert_eq!(
                error.contains(&format!("--fail-on {rule}: the verdict is ")),
                code == 4,
                "{error}"
            );
            assert!(
                folder.path().join("comparison.json").exists(),
                "written before it fails"
            );
        }
    }
}

#[test]
fn a_comparison_without_a_verdict_fails_the_build() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_run(path, "one.csv", 6.0);
    write_run(path, "two.csv", 4.0);
    for rule in ["slower", "not-faster"] {
        let output = compare(path, &["one.csv", "--with", "two.csv", "--fail-on", rule]);
        let error = error_of(&output, 4);
        assert!(
            error.contains("there is no verdict: run-to-run variation was not measured"),
            "{error}"
        );
    }
    let output = compare(path, &["one.csv", "--with", "two.csv"]);
    assert_eq!(error_of(&output, 0), "");
}

#[test]
fn the_variable_stands_in_and_a_wrong_word_is_usage() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = six_blocks(folder.path(), SLOWER);
    let arguments: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let mut by_variable = command(folder.path(), &arguments);
    let output = by_variable
        .env("LOAD_CLIENT_COMPARE_FAIL_ON", "slower")
        .output()
        .unwrap();
    error_of(&output, 4);
    let output = compare(
        folder.path(),
        &["a.csv", "--with", "b.csv", "--fail-on", "faster"],
    );
    let error = error_of(&output, 2);
    assert!(
        error.contains("--fail-on") && error.contains("not-faster"),
        "{error}"
    );
}

#[test]
fn a_report_that_cannot_be_written_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let output = compare_blocks(
        folder.path(),
        SLOWER,
        &["--fail-on", "slower", "--markdown", "file/summary.md"],
    );
    let error = error_of(&output, 1);
    assert!(error.contains("cannot write file/summary.md"), "{error}");
}
