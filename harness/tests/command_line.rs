//! The program's command line: variables and flags together, and the URL of the broker.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::{Command, Output};

/// Nothing listens at port 1.
const STACK: [&str; 5] = [
    "demo",
    "--kafka",
    "kafka://127.0.0.1:1",
    "--store",
    "redis://127.0.0.1:1",
];

fn told(arguments: &[&str], variables: &[(&str, &str)], code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    let variables = variables.iter().copied();
    let output = command.args(arguments).envs(variables).output();
    let Output { status, stderr, .. } = output.unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{told}");
    told
}

#[test]
fn a_variable_and_its_repeated_flag_both_count_and_the_command_line_comes_last() {
    let typed = [&STACK[..], &["-X", "linger.ms=0"]].concat();
    let own = "HARNESS_CLIENT_PROPERTIES";
    let unknown = told(&typed, &[(own, "no.such=1\n")], 1);
    assert!(unknown.contains(&format!("{own} no.such=1: ")), "{unknown}");
    let replaced = told(&typed, &[(own, "\nlinger.ms=soon\n")], 1);
    assert!(replaced.contains("no broker answers"), "{replaced}");
}

#[test]
fn an_empty_variable_is_not_given() {
    let help = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["demo", "--help"])
        .output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let named = help.split("[env: ").skip(1);
    let names: Vec<_> = named
        .map(|rest| rest.split(['=', ']']).next().unwrap())
        .collect();
    assert!(names.contains(&"HARNESS_STACK"), "{names:?}");
    let variables: Vec<_> = names.iter().map(|name| (*name, "\n")).collect();
    let absent = told(&STACK, &variables, 1);
    assert!(absent.contains("no broker answers"), "{absent}");
}

#[test]
fn an_error_names_the_variable_where_that_is_at_fault() {
    for (name, value, arguments) in [
        ("HARNESS_STACK", "x", &["demo"][..]),
        (
            "HARNESS_CLIENT_PROPERTIES",
            "linger",
            &["demo", "-X", "a=b"],
        ),
        (
            "HARNESS_KAFKA",
            "localhost:9092",
            &["demo", "--store", "redis://127.0.0.1:1"],
        ),
        ("HARNESS_WARM_UP", "1h", &["experiment"]),
        ("HARNESS_TOPICS", "a b", &["up", "--topic", "c"]),
    ] {
        let told = told(arguments, &[(name, value)], 2);
        assert!(told.starts_with("error: ") && told.contains(name), "{told}");
    }
}

#[test]
fn a_value_that_the_help_hides_is_in_no_error() {
    let variable = ("HARNESS_CLIENT_PROPERTIES", "sasl.password hunter2");
    let by_variable = told(&["demo"], &[variable], 2);
    let typed = told(&["demo", "-X", variable.1], &[], 2);
    for (told, named) in [(by_variable, variable.0), (typed, "-X")] {
        assert!(told.contains(named) && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_blank_after_a_comma_is_taken_and_an_address_is_told_its_scheme() {
    let demo = |kafka, code| {
        let typed = ["demo", "--store", "redis://127.0.0.1:1", "--kafka", kafka];
        told(&typed, &[], code)
    };
    let absent = demo("kafka://127.0.0.1:1, 127.0.0.1:2", 1);
    assert!(
        absent.contains("kafka://127.0.0.1:1,127.0.0.1:2: no broker"),
        "{absent}"
    );
    for (text, hint) in [
        ("localhost:9092", "write kafka://localhost:9092)"),
        ("me:hunter2", "write kafka:// in front)"),
    ] {
        let told = demo(text, 2);
        assert!(told.contains("--kafka") && told.contains(hint), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn a_fault_that_the_store_does_not_have_is_refused_by_its_name() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("kvrocks");
    std::fs::write(&store, "").unwrap();
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = [("PATH", folder.path().to_str().unwrap())];
    let refused = told(
        &["faults", "--dry-run", "--only", "store-full,kill-store"],
        &path,
        1,
    );
    assert!(refused.contains("--only store-full: kvrocks"), "{refused}");
    told(&["faults", "--dry-run", "--only", "kill-store"], &path, 0);
}
