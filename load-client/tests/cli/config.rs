//! `--config`: flags from a file, below the command line and the variables.

use std::fs;

use crate::compare::{FASTER, command as compare, error_of, six_blocks};
use crate::measured::{STATUS, assert_error, orders, run, write};
use crate::responder::Responder;
use crate::support::client;

const SETTINGS: &str = r#"
name = "order"
users = 2
header = ["tenant=blue"]
only-summary = true
expect-status = "201"
warm-up = "100ms"
X = ["client.id=file"]
"#;

#[test]
fn a_file_gives_flags_and_the_command_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(&folder, "run.toml", SETTINGS);
    let service = Responder::start(&["createOrder"], &["createOrder.reply"], |request| {
        assert_eq!(request.text("tenant"), "blue");
        orders(request)
    });
    let config = config.to_str().unwrap();
    let run = run(
        &service,
        &["--config", config, "--warm-up", "0s", "-u", "1"],
    );
    assert_eq!(run.output.status.code(), Some(0), "{:?}", run.output);
    assert!(
        run.rows
            .iter()
            .all(|row| row[1] == "order" && row[STATUS] == "ok")
    );
    assert_eq!(run.json["plan"]["users"], 1);
    assert_eq!(run.json["plan"]["warm_up_seconds"], 0.0);
    assert_eq!(run.json["client_settings"]["producer"]["client.id"], "file");
    let repeats = run.json["command"].as_str().unwrap();
    assert!(repeats.contains(&format!("--config {config}")), "{repeats}");
}

#[test]
fn errors_in_a_file_are_reported_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = |text: &str| {
        write(&folder, "run.toml", text);
        let mut command = client();
        command
            .current_dir(folder.path())
            .args(["run", "--config", "run.toml"]);
        command.output().unwrap()
    };
    let told = ["error: --config run.toml:1:1: there is no setting \"user\"; did you mean users?"];
    assert_error(&config("user = 1\n"), 2, &told);
    let host = "host = 'kafka://127.0.0.1:1'\n";
    let told = ["for 'users (run.toml:2)': takes"];
    assert_error(&config(&format!("{host}users = 0\n")), 2, &told);
    let told = ["warm-up (run.toml:3) 3s leaves nothing"];
    assert_error(
        &config(&format!("{host}run-time = '2s'\nwarm-up = '3s'\n")),
        2,
        &told,
    );
    let mut by_variable = client();
    by_variable
        .arg("run")
        .env("LOAD_CLIENT_CONFIG", "no-such.toml");
    let told = ["error: LOAD_CLIENT_CONFIG no-such.toml: No such file"];
    assert_error(&by_variable.output().unwrap(), 2, &told);
}

#[test]
fn a_file_of_settings_is_an_input() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder,
        "run.toml",
        "host = 'kafka://127.0.0.1:1'\njson = 'run.toml'\n",
    );
    let mut command = client();
    command
        .current_dir(folder.path())
        .args(["run", "--config", "run.toml"]);
    let told = ["json (run.toml:2) run.toml would write over an input"];
    assert_error(&command.output().unwrap(), 2, &told);
}

#[test]
fn a_comparison_has_settings_too() {
    let folder = tempfile::tempdir().unwrap();
    let text = "baseline-name = 'serial'\nchanged-name = 'tasks'\nfail-on = 'slower'\n";
    write(&folder, "compare.toml", text);
    let blocks = six_blocks(folder.path(), FASTER);
    let mut arguments = vec!["--config", "compare.toml"];
    arguments.extend(blocks.iter().map(String::as_str));
    let output = compare(folder.path(), &arguments).output().unwrap();
    error_of(&output, 0);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("serial") && text.contains("tasks"), "{text}");
    let mut over = compare(folder.path(), &arguments);
    over.args(["--json", "compare.toml"]);
    let told = error_of(&over.output().unwrap(), 2);
    assert!(told.contains("would write over an input"), "{told}");
    assert!(
        fs::read_to_string(folder.path().join("compare.toml"))
            .unwrap()
            .contains("tasks")
    );
}
