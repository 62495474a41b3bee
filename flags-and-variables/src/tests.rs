use std::collections::HashMap;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction};

use super::*;

fn count() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..)
}

fn command() -> Command {
    let run = Command::new("run")
        .arg(
            Arg::new("count")
                .long("count")
                .env("COUNT")
                .value_parser(count())
                .default_value("7"),
        )
        .arg(
            Arg::new("rate")
                .long("rate")
                .env("RATE")
                .conflicts_with("count"),
        )
        .arg(
            Arg::new("pair")
                .short('X')
                .env("PAIRS")
                .action(ArgAction::Append)
                .value_delimiter('\n')
                .value_parser(Quietly(|text| {
                    text.contains('=')
                        .then(|| text.to_owned())
                        .ok_or_else(|| "takes a=b".to_owned())
                })),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .env("LIST")
                .action(ArgAction::Append)
                .value_delimiter(','),
        )
        .arg(
            Arg::new("quiet")
                .long("quiet")
                .env("QUIET")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("web")
                .long("web")
                .env("WEB")
                .num_args(0..=1)
                .default_missing_value("here"),
        );
    Command::new("program")
        .arg(
            Arg::new("mode")
                .long("mode")
                .env("MODE")
                .global(true)
                .value_parser(PossibleValuesParser::new(["fast", "slow"])),
        )
        .subcommand(run)
}

fn given(typed: &str, variables: &[(&str, &str)]) -> Result<Given, String> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(OsString::from);
    let arguments = typed.split_whitespace().map(OsString::from).collect();
    read_with(command(), arguments, &["list"], &variable, None).map_err(|error| wrong_use(&error))
}

fn with_file(typed: &str, variables: &[(&str, &str)]) -> Result<Given, String> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(OsString::from);
    let arguments = typed.split_whitespace().map(OsString::from).collect();
    let setting = |id: &str, values: &[&str]| Setting {
        id: id.to_owned(),
        name: format!("{id} (file)"),
        values: values.iter().map(OsString::from).collect(),
    };
    let read = |command: &Command, path: &Path| {
        assert_eq!(command.get_name(), "run");
        match path.to_str() {
            Some("good") => Ok(vec![
                setting("count", &["3"]),
                setting("pair", &["a=1"]),
                setting("list", &["x", "y"]),
                setting("quiet", &["true"]),
                setting("web", &[""]),
            ]),
            Some("bad") => Ok(vec![setting("count", &["0"])]),
            _ => Err("--file none: not there".to_owned()),
        }
    };
    let file = SettingsFile {
        flag: "file",
        read: &read,
    };
    let file_flag = Arg::new("file").long("file").env("FILE");
    let command = command().mut_subcommand("run", |run| run.arg(file_flag));
    let given = read_with(command, arguments, &["list"], &variable, Some(file));
    given.map_err(|error| wrong_use(&error))
}

#[test]
fn a_file_gives_what_neither_the_command_line_nor_a_variable_gives() {
    let count = |given: &Given| {
        let run = given.matches.subcommand_matches("run").unwrap();
        *run.get_one::<u32>("count").unwrap()
    };
    let all = with_file("program run --file good", &[]).unwrap();
    assert_eq!(count(&all), 3);
    assert_eq!(texts(&all, "pair"), ["a=1"]);
    assert_eq!(texts(&all, "list"), ["x", "y"]);
    assert_eq!(texts(&all, "web"), ["here"]);
    let run = all.matches.subcommand_matches("run").unwrap();
    assert!(run.get_flag("quiet"));
    let variables = [
        ("FILE", "good"),
        ("COUNT", "4"),
        ("QUIET", "no"),
        ("PAIRS", "b=2"),
    ];
    let all = with_file("program run -X c=3 --list z", &variables).unwrap();
    assert_eq!(count(&all), 4);
    assert_eq!(texts(&all, "pair"), ["b=2", "c=3"]);
    assert_eq!(texts(&all, "list"), ["z"]);
    assert_eq!(
        count(&with_file("program run --count 5", &variables).unwrap()),
        5
    );
    assert_eq!(count(&with_file("program run", &[]).unwrap()), 7);
}

#[test]
fn an_error_names_the_setting_or_the_file() {
    let told = with_file("program run --file bad", &[])
        .map(drop)
        .unwrap_err();
    assert!(told.contains("for 'count (file)'"), "{told}");
    let told = with_file("program run --file none", &[])
        .map(drop)
        .unwrap_err();
    assert_eq!(told, "--file none: not there");
    let told = with_file("program run", &[("FILE", "none")])
        .map(drop)
        .unwrap_err();
    assert_eq!(told, "FILE none: not there");
    assert!(with_file("program run --file bad --count 1", &[]).is_ok());
}

fn wrong(typed: &str, variables: &[(&str, &str)]) -> String {
    given(typed, variables).map(drop).unwrap_err()
}

fn texts(given: &Given, id: &str) -> Vec<String> {
    let run = given.matches.subcommand_matches("run").unwrap();
    let all = run.get_many::<String>(id).into_iter().flatten();
    all.cloned().collect()
}

#[test]
fn a_repeated_flag_has_the_values_of_both_and_a_list_those_of_one() {
    let both = [("PAIRS", "a=1\r\n\n  \nb=2\n\n"), ("LIST", "x,y\n")];
    let all = given("program run -X c=3 -Xd=4 --list z", &both).unwrap();
    assert_eq!(texts(&all, "pair"), ["a=1", "b=2", "c=3", "d=4"]);
    assert_eq!(texts(&all, "list"), ["z"]);
    let alone = given("program run", &both).unwrap();
    assert_eq!(texts(&alone, "pair"), ["a=1", "b=2"]);
    assert_eq!(texts(&alone, "list"), ["x", "y"]);
    let typed = all.typed.subcommand_matches("run").unwrap();
    assert_eq!(typed.get_many::<String>("pair").unwrap().count(), 2);
}

#[test]
fn an_empty_variable_is_not_given() {
    for empty in ["", "\n", " ", "\r\n\n"] {
        let names = ["COUNT", "RATE", "PAIRS", "LIST", "QUIET", "WEB", "MODE"];
        let given = given("program run", &names.map(|name| (name, empty))).unwrap();
        let run = given.matches.subcommand_matches("run").unwrap();
        assert_eq!(run.get_one::<u32>("count"), Some(&7));
        assert!(!run.get_flag("quiet") && !run.contains_id("web"));
    }
}

#[test]
fn a_line_end_at_the_end_is_no_part_of_a_value() {
    let given = given(
        "program run",
        &[("COUNT", "3\n"), ("MODE", "slow\r\n"), ("WEB", "a b\n")],
    );
    let given = given.unwrap();
    let run = given.matches.subcommand_matches("run").unwrap();
    assert_eq!(run.get_one::<u32>("count"), Some(&3));
    assert_eq!(given.matches.get_one::<String>("mode").unwrap(), "slow");
    assert_eq!(texts(&given, "web"), ["a b"]);
}

#[test]
fn booleans_are_as_people_write_them() {
    for (text, expected) in [
        ("1", true),
        ("Yes\n", true),
        ("ON", true),
        ("true", true),
        ("0", false),
        ("no", false),
        ("Off", false),
        ("FALSE", false),
    ] {
        let given = given("program run", &[("QUIET", text)]).unwrap();
        let run = given.matches.subcommand_matches("run").unwrap();
        assert_eq!(run.get_flag("quiet"), expected, "{text}");
    }
    let told = wrong("program run", &[("QUIET", "maybe")]);
    assert!(told.contains("'QUIET': takes 1, true, yes"), "{told}");
}

#[test]
fn the_command_line_replaces_what_is_given_once() {
    let given = given(
        "program --mode fast run --count 2",
        &[("COUNT", "0"), ("MODE", "x")],
    );
    let given = given.unwrap();
    let run = given.matches.subcommand_matches("run").unwrap();
    assert_eq!(run.get_one::<u32>("count"), Some(&2));
    assert_eq!(given.matches.get_one::<String>("mode").unwrap(), "fast");
}

#[test]
fn an_error_names_the_variable_where_that_is_at_fault() {
    for (typed, variables, named, unnamed) in [
        ("program run", [("COUNT", "0")], "'COUNT'", "--count"),
        ("program run", [("MODE", "x")], "'MODE'", "--mode"),
        ("program run", [("PAIRS", "a=1\nb")], "'PAIRS'", "-X"),
        ("program run -X a=1", [("PAIRS", "b")], "'PAIRS'", "-X"),
        (
            "program run -X a",
            [("PAIRS", "b=1")],
            "'-X <pair>'",
            "PAIRS",
        ),
        (
            "program run --count 0",
            [("COUNT", "1")],
            "'--count <count>'",
            "COUNT",
        ),
        (
            "program run --rate 1",
            [("COUNT", "1")],
            "argument 'COUNT' cannot",
            "--count",
        ),
        (
            "program run --cuont 1",
            [("COUNT", "1")],
            "--cuont",
            "'COUNT'",
        ),
    ] {
        let told = wrong(typed, &variables);
        assert!(
            told.contains(named) && !told.contains(unnamed),
            "{typed}: {told}"
        );
    }
}

#[test]
fn a_later_message_names_what_gave_the_value() {
    let given = given(
        "program run -X c=3 -X b=4",
        &[("PAIRS", "a=1\nb=2"), ("COUNT", "3")],
    );
    let told = given
        .unwrap()
        .origins
        .name("--count 3; -X a=1; -X b=4; -X c=3; --rate");
    assert_eq!(told, "COUNT 3; PAIRS a=1; -X b=4; -X c=3; --rate");
}

#[test]
fn help_tells_the_variables() {
    let told = given("program run --help", &[("QUIET", "maybe")])
        .map(drop)
        .unwrap_err();
    assert!(told.contains("[env: COUNT="), "{told}");
}
