//! Variables and flags together, and the URL of the brokers: which values count, and which one an error names.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use assert_cmd::Command;

fn run(arguments: &[&str], variables: &[(String, &str)]) -> (i32, String) {
    let mut command = Command::cargo_bin("order-service").unwrap();
    let variables = variables.iter().map(|(name, value)| (name, value));
    let output = command.args(arguments).envs(variables).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn own(name: &str) -> String {
    format!("ORDER_SERVICE_{name}")
}

/// The brokers that the printed description names.
fn brokers(arguments: &[&str], variables: &[(String, &str)]) -> Vec<String> {
    let (code, said) = run(&[arguments, &["asyncapi"]].concat(), variables);
    assert_eq!(code, 0, "{said}");
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    let servers = document["servers"].as_object().unwrap().values();
    let hosts = servers.map(|server| server["host"].as_str().unwrap().to_owned());
    hosts.collect()
}

#[test]
fn the_default_dispatch_follows_the_feature() {
    let (_, help) = run(&["--help"], &[]);
    let of_dispatch = help.split("--dispatch <MODE>").nth(1).unwrap();
    let default = of_dispatch.split("[default: ").nth(1).unwrap();
    let default = default.split(']').next().unwrap();
    let is_built_with_tasks = cfg!(feature = "tasks");
    assert_eq!(
        default,
        if is_built_with_tasks {
            "tasks"
        } else {
            "serial"
        }
    );
}

#[test]
fn an_empty_variable_is_not_given() {
    let (_, help) = run(&["--help"], &[]);
    let named = help.split("[env: ").skip(1);
    let names: Vec<_> = named
        .map(|rest| rest.split(['=', ']']).next().unwrap())
        .collect();
    assert!(names.contains(&"ORDER_SERVICE_PROPERTIES"), "{names:?}");
    for empty in ["", "\n"] {
        let variables: Vec<_> = names
            .iter()
            .map(|name| ((*name).to_owned(), empty))
            .collect();
        assert_eq!(brokers(&[], &variables), ["localhost:9092"]);
    }
}

#[test]
fn booleans_and_line_ends_are_as_people_write_them() {
    for word in ["1", "0", "true", "FALSE", "Yes", "no", "on", "Off\n"] {
        assert_eq!(brokers(&[], &[(own("NO_REPLY_KEY"), word)]).len(), 1);
    }
    let lines = "linger.ms=0\n\nfetch.wait.max.ms=1\n";
    assert_eq!(brokers(&[], &[(own("PROPERTIES"), lines)]).len(), 1);
    let kafka = [(own("KAFKA"), "kafka://one:1, two\n")];
    assert_eq!(brokers(&[], &kafka), ["one:1", "two:9092"]);
}

#[test]
fn a_variable_beside_its_flag_counts_and_is_blamed_where_it_is_at_fault() {
    for (name, value, arguments, hint) in [
        (
            "PROPERTIES",
            "acks=1",
            &["-X", "linger.ms=0"][..],
            "has to be all",
        ),
        (
            "PROPERTIES",
            "linger.ms",
            &["-X", "linger.ms=0"],
            "key=value",
        ),
        ("NO_REPLY_KEY", "maybe", &[], "takes 1, true, yes or on"),
        ("MAX_IN_FLIGHT", "0", &[], "1.."),
        ("ON_FAILURE", "give-up", &[], "retry"),
        (
            "KAFKA",
            "localhost:9092",
            &[],
            "write kafka://localhost:9092)",
        ),
        (
            "KAFKA",
            "kafka://a",
            &["--kafka-file", "x"],
            "cannot be used with",
        ),
    ] {
        let (code, said) = run(arguments, &[(own(name), value)]);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains(&own(name)) && said.contains(hint), "{said}");
        let flag = format!("--{} ", name.to_lowercase().replace('_', "-"));
        assert!(!said.contains(&flag) && !said.contains("-X"), "{said}");
    }
    // A wrong flag is named even if its variable is set too.
    let variable = [(own("PROPERTIES"), "linger.ms=0")];
    let (code, said) = run(&["-X", "acks=1"], &variable);
    assert_eq!((code, said.contains("'-X ")), (2, true), "{said}");
}

#[test]
fn a_blank_after_a_comma_is_taken_and_an_address_is_told_its_scheme() {
    let list = ["--kafka", "kafka://one:9092, two:9093"];
    assert_eq!(brokers(&list, &[]), ["one:9092", "two:9093"]);
    for (text, hint) in [
        ("localhost:9092", "write kafka://localhost:9092)"),
        ("me:hunter2", "write kafka:// in front)"),
    ] {
        let (code, said) = run(&["--kafka", text], &[]);
        assert_eq!((code, said.contains("hunter2")), (2, false), "{said}");
        assert!(said.contains("--kafka") && said.contains(hint), "{said}");
    }
}
