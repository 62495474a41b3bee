//! Experiments with any commands: their environment, their failures, revisions of a repository, and that no process of
//! them survives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{Harness, complaint, json};

/// The bare echo loop, an example of this crate.
const ECHO: &str =
    "{programs}/examples/echo --kafka {kafka-url} --group-id {group} --topic {topic}";

/// Short runs of two commands, with the properties for the brokers of the stack under test.
fn compare(harness: &Harness, baseline: &str, changed: &str) -> Command {
    let mut command = harness.on_stack("experiment", &["--trials", "1", "--topic", "requests"]);
    command.args(["--baseline", baseline, "--changed", changed]);
    command.args(["--ready", "line=ready"]);
    command.args(["--env", "LIMITS_PROPERTIES={kafka-properties}"]);
    command.args(["--run-time", "1s", "--warm-up", "0s", "--rehearsal", "0s"]);
    command
}

fn latest(harness: &Harness) -> std::path::PathBuf {
    harness.folder.path().join("results/latest")
}

#[test]
fn two_commands_are_compared_and_the_report_repeats_the_experiment() {
    let harness = Harness::new();
    let output = compare(
        &harness,
        &format!("{ECHO} --mode serial"),
        &format!("{ECHO} --mode pipelined"),
    )
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let folder = fs::canonicalize(latest(&harness)).unwrap();
    let comparison = json(&folder.join("comparison.json"));
    assert_eq!(comparison["baseline"]["name"], "baseline");
    assert!(comparison["changed"]["pooled"]["count"].as_u64().unwrap() > 0);
    let environment = json(&folder.join("block-1-changed/environment.json"));
    let topic = environment["topic"].as_str().unwrap();
    assert!(
        topic.starts_with("run-") && topic.ends_with(".requests"),
        "{topic}"
    );
    let command = environment["service_command"].to_string();
    assert!(
        command.contains(topic) && !command.contains('{'),
        "{command}"
    );
    assert!(environment["usage"]["peak_bytes"].as_u64().unwrap() > 0);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("of processor time a request"));

    let file = folder.join("experiment.toml");
    let mut again = harness.command(&["experiment", "--file"]);
    let output = again.arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    let repeated = fs::canonicalize(latest(&harness)).unwrap();
    assert_ne!(repeated, folder);
    let [first, second] = [folder, repeated].map(|folder| {
        let text = fs::read_to_string(folder.join("experiment.toml")).unwrap();
        // The second line has the date.
        text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(first, second);
    harness.assert_nothing_left();
}

#[test]
fn processor_time_is_that_after_the_warm_up() {
    let used = |warm_up: &str| {
        let harness = Harness::new();
        let service = format!("{ECHO} --mode serial");
        let mut command = harness.on_stack("experiment", &["--trials", "1", "--topic", "requests"]);
        command.args([
            "--baseline",
            &service,
            "--changed",
            &service,
            "--ready",
            "line=ready",
        ]);
        command.args([
            "--env",
            "LIMITS_PROPERTIES={kafka-properties}",
            "--rehearsal",
            "0s",
        ]);
        let output = command
            .args(["--run-time", "3s", "--warm-up", warm_up])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", complaint(&output));
        let run = latest(&harness).join("block-1-baseline/environment.json");
        json(&run)["usage"]["cpu_seconds"].as_f64().unwrap()
    };
    let (whole, end) = (used("0s"), used("2800ms"));
    // A fifteenth of the time. The clock of processor time has ticks of 10 ms.
    assert!(end < whole / 2.0 + 0.02, "{end} s of {whole} s");
}

#[test]
fn three_variants_of_a_file_are_compared_as_it_says_until_it_is_decided() {
    let harness = Harness::new();
    let variant = |(name, mode, more): (&str, &str, &str)| {
        format!(
            "[[variants]]\nname = '{name}'\ncommand = '{ECHO} --mode {mode}'\nready = 'line=ready'\n{more}\
             environment = {{ LIMITS_PROPERTIES = '{{kafka-properties}}' }}\n"
        )
    };
    let variants = [
        ("one", "serial", ""),
        ("two", "pipelined", "load = '--header a=b'\n"),
        ("three", "serial", "against = 'two'\n"),
    ];
    let variants: String = variants.map(variant).concat();
    let settings = "topic = 'requests'\nrun-time = '1s'\nwarm-up = '0s'\nrehearsal = '0s'\nspawn-rate = 1000\nusers = 2\nload = '--think-time 5ms'\nmin-trials = 3\n\
                    max-trials = 4\nthreshold = '50%'\nfail-on = 'not-faster'\n";
    let file = harness.folder.path().join("own.toml");
    fs::write(&file, format!("{settings}{variants}")).unwrap();
    let mut command = harness.on_stack("experiment", &["--file", "own.toml"]);
    let output = command.output().unwrap();
    // A copy of the baseline is not twice as fast.
    assert_eq!(output.status.code(), Some(4), "{}", complaint(&output));
    let told = complaint(&output);
    assert!(told.contains("--fail-on not-faster: two: "), "{told}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("  after block "), "{log}");
    let folder = latest(&harness);
    let flags = |name: &str| {
        let run = folder.join(format!("block-1-{name}/environment.json"));
        json(&run)["load_command"].to_string()
    };
    assert!(flags("two").contains("a=b") && !flags("three").contains("a=b"));
    let all = json(&folder.join("variants.json"));
    assert!(
        all[2]["name"] == "three" && all[2]["p50_ms"].as_f64() > Some(0.0),
        "{all}"
    );
    for (file, baseline, changed) in [
        ("comparison.json", "one", "two"),
        ("comparison-three.json", "two", "three"),
    ] {
        let comparison = json(&folder.join(file));
        assert_eq!(comparison["baseline"]["name"], baseline);
        assert_eq!(comparison["changed"]["name"], changed);
        assert_eq!(comparison["comparisons"], 2);
        assert_eq!(
            comparison["sequence"]["alpha"], 0.025,
            "two share the error"
        );
    }
    assert!(folder.join("report-three.html").is_file());
    harness.assert_nothing_left();
}

#[test]
fn what_a_command_does_wrong_is_told_with_its_log() {
    for (bad, code, why) in [
        (
            "sh -c 'echo no such thing; exit 3'",
            1,
            " ended while starting (exit status: 3)",
        ),
        (
            "sh -c 'echo no such thing; exec sleep 600'",
            1,
            " not ready after 1s",
        ),
        (
            "no-such-program",
            1,
            "there is no program no-such-program on PATH",
        ),
        (
            "./no-such-file",
            1,
            "./no-such-file: no such executable file",
        ),
        (
            "sh -c 'echo no such thing; echo ready; sleep 0.3; exit 3'",
            1,
            " ended during the run",
        ),
        (
            "sh -c 'echo no such thing; echo ready; exec sleep 600'",
            1,
            " gave no good reply, ",
        ),
        ("sleep '600", 1, "a quote is not closed"),
        ("sleep {topics}", 1, "there is no placeholder {topics}"),
    ] {
        let harness = Harness::new();
        let mut command = compare(&harness, bad, bad);
        if bad.contains("no such thing") && !bad.contains("echo ready") {
            command.args(["--ready-timeout", "1s"]);
        }
        let output = command.args(["--load", "--timeout 1s"]).output().unwrap();
        let told = complaint(&output);
        assert_eq!(output.status.code(), Some(code), "{bad}: {told}");
        assert!(told.contains(why), "{bad}: {told}");
        if bad.contains("no such thing") {
            assert!(told.contains("| no such thing"), "{bad}: {told}");
        }
        assert!(!latest(&harness).exists(), "{bad}");
        harness.assert_nothing_left();
    }
}

#[test]
fn what_a_command_starts_beside_it_is_killed_and_told() {
    let harness = Harness::new();
    let leaving = format!("sh -c 'setsid sleep 600 & exec {ECHO} --mode serial'");
    let output = compare(&harness, &leaving, &leaving).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    assert!(
        log.contains(" left 1 process(es) behind: killing them"),
        "{log}"
    );
    harness.assert_nothing_left();
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    for (name, value) in [("user.name", "a"), ("user.email", "a@example.org")] {
        command.args(["-c", &format!("{name}={value}")]);
    }
    let output = command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_revisions_are_built_once_each_and_their_work_trees_removed() {
    let harness = Harness::new();
    let repository = harness.folder.path().join("repository");
    fs::create_dir(&repository).unwrap();
    git(
        &repository,
        &["init", "--quiet", "--initial-branch", "main"],
    );
    for mode in ["serial", "pipelined"] {
        fs::write(repository.join("mode"), mode).unwrap();
        git(&repository, &["add", "mode"]);
        git(&repository, &["commit", "--quiet", "--message", mode]);
    }
    let build = "sh -c 'echo built; printf \"#!/bin/sh\\nexec \\\"\\$@\\\" --mode $(cat mode)\" >serve; chmod +x serve'";
    let run = |build: &str, old: &str| {
        let mut command = harness.on_stack("experiment", &["--trials", "1", "--topic", "requests"]);
        command.args([
            "--baseline-rev",
            old,
            "--changed-rev",
            "main",
            "--build",
            build,
        ]);
        command.args(["--run", &format!("./serve {ECHO}"), "--ready", "line=ready"]);
        command.args(["--env", "LIMITS_PROPERTIES={kafka-properties}"]);
        command.args(["--run-time", "1s", "--warm-up", "0s", "--rehearsal", "0s"]);
        command.current_dir(&repository).output().unwrap()
    };
    let output = run(build, "main~1");
    assert!(output.status.success(), "{}", complaint(&output));
    let folder = fs::canonicalize(repository.join("results/latest")).unwrap();
    for (variant, mode) in [("baseline", "serial"), ("changed", "pipelined")] {
        let log = fs::read_to_string(folder.join(format!("build-{variant}.log"))).unwrap();
        assert_eq!(log, "built\n");
        let environment = json(&folder.join(format!("block-1-{variant}/environment.json")));
        let place = if mode == "serial" { "main~1" } else { "main" };
        let commit = git(&repository, &["rev-parse", place]);
        let about = format!("revision {place}, {}", &commit[..12]);
        assert_eq!(environment["about"], about);
    }
    for (build, old, why) in [
        (
            "sh -c 'echo no such thing; exit 3'",
            "main~1",
            "main~1 does not build (exit status: 3)",
        ),
        ("true", "no-such", "there is no revision no-such"),
    ] {
        let output = run(build, old);
        assert_eq!(output.status.code(), Some(1));
        let told = complaint(&output);
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(git(&repository, &["worktree", "list"]).lines().count(), 1);
    harness.assert_nothing_left();
}
