//! The help of each program and command fits a terminal of 80 columns, and its examples can be pasted from it.

use std::process::Command;

use crate::shell::{PROGRAMS, programs};

fn help(program: &str, command: Option<&str>, columns: &str) -> String {
    let mut asked = Command::new(programs().join(program));
    let output = asked
        .args(command)
        .arg("--help")
        .env("COLUMNS", columns)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {command:?} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a program's help lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    // What goes on in a second line is indented deeper.
    let listed = listed.filter(|line| !line.starts_with("    "));
    let names = listed.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// What stands below the flags, which clap would wrap as it does the flags' texts.
fn below_the_flags(help: &str) -> String {
    let lines = help
        .lines()
        .skip_while(|line| !line.starts_with("Examples:"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn all_help_fits_80_columns_and_no_example_is_broken() {
    let mut looked_at = 0;
    for program in PROGRAMS {
        let listed = commands(&help(program, None, "80"));
        assert!(!listed.is_empty(), "{program} lists no command");
        for command in listed.iter().map(|name| Some(name.as_str())).chain([None]) {
            let (narrow, wide) = (help(program, command, "80"), help(program, command, "300"));
            let long: Vec<_> = narrow
                .lines()
                .filter(|line| line.chars().count() > 80)
                .collect();
            assert_eq!(long, Vec::<&str>::new(), "{program} {command:?}");
            assert_eq!(
                below_the_flags(&narrow),
                below_the_flags(&wide),
                "{program} {command:?}"
            );
            looked_at += 1;
        }
    }
    assert!(
        looked_at > 20,
        "only {looked_at} commands: the lists are not found"
    );
}
