//! Variables besides flags, and the URL of the cluster: which are combined, ignored, and named in errors.

use std::process::{Command, Output};

use crate::support::{Behaviour, Service, client};

#[track_caller]
fn told(command: &mut Command, code: i32) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{told}");
    told
}

/// Returns every variable that the help names.
fn variables(command: &str) -> Vec<String> {
    let help = client().args([command, "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, list) = help.rsplit_once("one value a line:").unwrap();
    let names = list.split([',', ' ', '\n']).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[test]
fn a_variable_and_its_repeated_flag_both_count_and_the_command_line_comes_last() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let mut command = service.client();
    command
        .env("LOAD_CLIENT_X", "client.id=variable\n\nlinger.ms=3\n")
        .env("LOAD_CLIENT_HEADER", "tenant=blue\n")
        .env("LOAD_CLIENT_FAIL_ON", "failures<1%\n")
        .env("LOAD_CLIENT_ONLY_SUMMARY", "Yes\n")
        .args(["-X", "linger.ms=7", "--header", "colour=red"])
        .args(["--fail-on", "avg<60s", "-t", "1s", "--json"])
        .arg(&json);
    told(&mut command, 0);
    let seen = service.next_seen().headers;
    for header in [("tenant", "blue"), ("colour", "red")] {
        let header = (header.0.to_owned(), header.1.to_owned());
        assert!(seen.contains(&header), "{seen:?}");
    }
    let run: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let settings = &run["client_settings"];
    assert_eq!(settings["producer"]["client.id"], "variable", "{settings}");
    assert_eq!(settings["producer"]["linger.ms"], "7", "{settings}");
    assert_eq!(settings["consumer"]["fetch.wait.max.ms"], "1", "{settings}");
    assert_eq!(run["thresholds"].as_array().unwrap().len(), 2, "{run}");
}

#[test]
fn an_empty_variable_is_not_given() {
    for empty in ["", "\n"] {
        let empty = |command: &str| {
            variables(command)
                .into_iter()
                .map(move |name| (name, empty))
        };
        let host = [
            "run",
            "--host",
            "kafka://a:1",
            "-t",
            "2s",
            "--warm-up",
            "3s",
        ];
        let run = told(client().envs(empty("run")).args(host), 2);
        assert!(run.contains("--warm-up 3s leaves nothing"), "{run}");
        let files = ["compare", "no-such.csv", "--with", "no-such.csv"];
        let compare = told(client().envs(empty("compare")).args(files), 1);
        assert!(compare.contains("cannot read"), "{compare}");
    }
}

#[test]
fn an_error_names_the_variable_where_that_is_at_fault() {
    for (variable, value, arguments, named) in [
        ("USERS", "0", "", "'LOAD_CLIENT_USERS'"),
        ("HEADLESS", "maybe", "", "'LOAD_CLIENT_HEADLESS': takes 1"),
        ("X", "linger", "-X acks=all", "'LOAD_CLIENT_X'"),
        ("X", "no.such=1", "-X acks=all", "LOAD_CLIENT_X no.such=1"),
        ("HEADER", "tenant", "--header a=b", "'LOAD_CLIENT_HEADER'"),
        (
            "FAIL_ON",
            "p95",
            "--fail-on p95<1s",
            "'LOAD_CLIENT_FAIL_ON'",
        ),
        ("USERS", "3", "--rate 5/s", "'LOAD_CLIENT_USERS'"),
        (
            "WARM_UP",
            "3s",
            "-t 2s",
            "LOAD_CLIENT_WARM_UP 3s leaves nothing of --run-time 2s",
        ),
    ] {
        let mut command = client();
        command.env(format!("LOAD_CLIENT_{variable}"), value);
        command.args(["--host", "kafka://a:1"]);
        let told = told(command.args(arguments.split_whitespace()), 2);
        assert!(told.contains(named), "{variable}: {told}");
    }
}

#[test]
fn runs_that_were_typed_replace_those_of_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (number, name) in ["base.csv", "typed.csv", "exported.csv"].iter().enumerate() {
        let rows = format!("KAFKA,c,{number}.5\n").repeat(30);
        std::fs::write(at(name), format!("request_type,name,response_time\n{rows}")).unwrap();
    }
    let mut command = client();
    command
        .current_dir(folder.path())
        .env("LOAD_CLIENT_WITH", "exported.csv\n");
    let arguments = ["compare", "base.csv", "--json", "c.json"];
    let compared = |command: &mut Command| {
        told(command, 0);
        let json = std::fs::read(at("c.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let runs = json["changed"]["runs"].as_array().unwrap().clone();
        runs.iter()
            .map(|run| run["label"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(compared(command.args(arguments)), ["\"exported\""]);
    assert_eq!(
        compared(command.args(["--with", "typed.csv"])),
        ["\"typed\""]
    );
}

#[test]
fn a_value_that_the_help_hides_is_in_no_error() {
    for (variable, flag) in [("LOAD_CLIENT_HEADER", "--header"), ("LOAD_CLIENT_X", "-X")] {
        let value = "authorization: Bearer hunter2";
        let by_variable = told(
            client().env(variable, value).args(["--host", "kafka://a"]),
            2,
        );
        let typed = told(client().args(["--host", "kafka://a", flag, value]), 2);
        for (told, named) in [(by_variable, variable), (typed, flag)] {
            assert!(told.contains(named) && told.contains("KEY=VALUE"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}

#[test]
fn a_blank_after_a_comma_is_taken_and_an_address_is_told_its_scheme() {
    // Nothing listens at port 1. The attempt to connect shows what the program has read.
    let list = "kafka://127.0.0.1:1, 127.0.0.1:2";
    let absent = told(client().args(["--host", list, "-t", "1s"]), 1);
    assert!(absent.contains("at 127.0.0.1:1,127.0.0.1:2 "), "{absent}");
    for (text, hint) in [
        ("localhost:9092", "write kafka://localhost:9092)"),
        ("me:hunter2", "write kafka:// in front)"),
    ] {
        let typed = told(client().args(["--host", text]), 2);
        let variable = told(client().env("LOAD_CLIENT_HOST", text), 2);
        assert!(typed.contains("--host") && typed.contains(hint), "{typed}");
        assert!(
            variable.contains("LOAD_CLIENT_HOST") && variable.contains(hint),
            "{variable}"
        );
        assert!(!typed.contains("hunter2") && !variable.contains("hunter2"));
    }
}
