//! Files that are not runs give a message with file, line and column, an exit code, and never a verdict.

use std::fs;
use std::path::Path;

use super::{FASTER, compare, error_of, six_blocks, write_run, write_run_of};

const HEADER: &str = "request_type,name,response_time\n";

#[track_caller]
fn assert_refused(folder: &Path, arguments: &[&str], code: i32, expected: &str) {
    let output = compare(folder, arguments);
    let error = error_of(&output, code);
    assert!(error.contains(expected), "{error} / {expected}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn files_that_cannot_be_read_are_named_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_run(path, "good.csv", 6.0);
    fs::create_dir(path.join("folder.csv")).unwrap();
    assert_refused(
        path,
        &["good.csv", "--with", "missing.csv"],
        1,
        "cannot read missing.csv: ",
    );
    let missing = error_of(&compare(path, &["missing.csv", "--with", "good.csv"]), 1);
    assert_eq!(missing.matches("os error").count(), 1, "{missing}");
    assert_refused(
        path,
        &["good.csv", "--with", "folder.csv"],
        1,
        "cannot read folder.csv: ",
    );
    for (content, expected) in [
        (&b""[..], "bad.csv is empty; expected a header"),
        (b"\n\n", "bad.csv is empty"),
        (
            b"request_type,name\nK,c\n",
            "bad.csv line 1: no column response_time",
        ),
        (
            b"request_type,name,response_time\n",
            "bad.csv has no measured request",
        ),
        (
            b"request_type;name;response_time\nK;c;3\n",
            "bad.csv line 1: the fields are separated by ';'",
        ),
        (
            b"request_type\tname\tresponse_time\nK\tc\t3\n",
            "bad.csv line 1: the fields are separated by a tab",
        ),
        (
            &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0],
            "cannot read bad.csv: its gzip data is cut off: copy it again",
        ),
        (
            b"\x28\xb5\x2f\xfd\x04",
            "bad.csv is packed with zstd, but only gzip can be read: unpack it first",
        ),
        (
            b"\x00\x01\x02\xff\xfe",
            "bad.csv line 1: no column request_type",
        ),
    ] {
        fs::write(path.join("bad.csv"), content).unwrap();
        assert_refused(path, &["good.csv", "--with", "bad.csv"], 1, expected);
        assert_refused(path, &["bad.csv", "--with", "good.csv"], 1, expected);
    }
}

#[test]
fn values_that_are_no_times_are_named_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_run(path, "good.csv", 6.0);
    for value in [
        "fast", "NaN", "nan", "inf", "-inf", "-1", "", "1,5", "0x10", "1e999",
    ] {
        let text = format!("{HEADER}K,c,3\nK,c,{value}\nK,c,4\n");
        fs::write(path.join("bad.csv"), text).unwrap();
        let expected = match value {
            "1,5" => "bad.csv line 3: 4 fields where the header has 3".to_owned(),
            _ => format!(
                "bad.csv line 3, column response_time: expected milliseconds, zero or more, found {value:?}"
            ),
        };
        assert_refused(path, &["good.csv", "--with", "bad.csv"], 1, &expected);
    }
    fs::write(path.join("bad.csv"), format!("{HEADER}K,c\nK,c,3\n")).unwrap();
    let expected = "bad.csv line 2: 2 fields where the header has 3";
    assert_refused(path, &["good.csv", "--with", "bad.csv"], 1, expected);
}

#[test]
fn one_row_is_compared_and_carries_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("a.csv", 3), ("b.csv", 2)] {
        fs::write(folder.path().join(name), format!("{HEADER}K,c,{value}\n")).unwrap();
    }
    let output = compare(
        folder.path(),
        &["a.csv", "--with", "b.csv", "--html", "page.html"],
    );
    assert!(output.status.success(), "{}", error_of(&output, 0));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("No verdict: "));
}

#[test]
fn files_from_spreadsheets_and_killed_runs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(
        path.join("a.csv"),
        "\u{feff}request_type,name,response_time\r\nK,c,3\r\nK,c,4\r\n",
    )
    .unwrap();
    fs::write(path.join("b.csv"), format!("{HEADER}K,c,3\nK,c,31")).unwrap();
    let output = compare(path, &["a.csv", "--with", "b.csv"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("warning: b.csv line 3: the last line is cut off"),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|line| line.split_whitespace().eq(["replies", "2", "1"])),
        "{text}"
    );
}

#[test]
fn a_file_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let blocks = six_blocks(path, FASTER);
    let twice = [
        "base-0.csv",
        "./base-0.csv",
        "--with",
        "new-0.csv",
        "new-1.csv",
    ];
    assert_refused(
        path,
        &twice,
        2,
        "./base-0.csv is given twice for the baseline side",
    );
    let twice = [
        "base-0.csv",
        "base-1.csv",
        "--with",
        "new-0.csv",
        "new-0.csv",
    ];
    assert_refused(
        path,
        &twice,
        2,
        "new-0.csv is given twice for the changed side",
    );
    // The same file on both sides gives figures, but no verdict, because its ratio is always 1.
    let mut arguments: Vec<&str> = blocks.iter().map(String::as_str).collect();
    arguments[12] = "base-3.csv";
    let output = compare(path, &arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.starts_with(
            "No verdict: run base-3 of the changed side is invalid: the same file is on both sides"
        ),
        "{text}"
    );
}

#[test]
fn runs_of_different_services_carry_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let blocks = six_blocks(path, FASTER);
    write_run_of(path, "new-5.csv", "readOrder", 4.0);
    let arguments: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let output = compare(path, &arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.starts_with("No verdict: the runs have no kind of request in common"),
        "{text}"
    );
    assert!(
        text.contains("base-0 has KAFKA createOrder, new-5 has KAFKA readOrder"),
        "{text}"
    );
}

#[test]
fn a_run_that_its_client_calls_invalid_carries_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let blocks = six_blocks(path, FASTER);
    let summary = r#"{"run_id": "1", "validity": {"verdict": "invalid",
        "findings": [{"reason": "the load client used 1.90 of its 2 cores", "advice": "more cores"}]}}"#;
    fs::write(path.join("new-2.json"), summary).unwrap();
    let arguments: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let output = compare(path, &arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = "No verdict: run new-2 of the changed side is invalid: the load client used 1.90 of its 2 cores";
    assert!(text.starts_with(expected), "{text}");
}
