//! The destinations of outputs: they replace files only, go through everything else, and never replace an input.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::{Command, Stdio};

use super::Run;
use crate::compare::{compare, error_of, write_run};
use crate::support::{Behaviour, Service, client, mkfifo};

#[test]
fn pipes_and_devices_are_written_and_links_stay() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("run.json");
    mkfifo(&pipe);
    fs::create_dir(folder.path().join("pages")).unwrap();
    symlink("pages/run.html", folder.path().join("link.html")).unwrap();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let arguments = ["-t", "1s", "--json", "run.json", "--html", "link.html"];
    let run = Run::in_folder(&service, &arguments, folder);
    run.assert_code(0);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert!(reader.join().unwrap().contains("\"run_id\""));
    let link = fs::symlink_metadata(run.path("link.html")).unwrap();
    assert!(link.is_symlink());
    assert!(run.text("pages/run.html").contains("Aggregated"));

    // A link to the device, because a test must not risk the device itself.
    let folder = tempfile::tempdir().unwrap();
    symlink("/dev/full", folder.path().join("run.csv")).unwrap();
    let arguments = ["-t", "1s", "--requests-record-file", "run.csv"];
    let run = Run::in_folder(&service, &arguments, folder);
    run.assert_code(1);
    assert!(run.stderr().contains("No space left"), "{}", run.stderr());
    assert!(run.path("run.csv").is_symlink());
}

#[test]
fn a_file_that_is_mounted_alone_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["base.csv", "new.csv"] {
        write_run(folder.path(), name, 10.0);
    }
    for name in ["target.json", "mounted.json"] {
        fs::write(folder.path().join(name), "old").unwrap();
    }
    // A file that is mounted alone gets no temporary file beside it, so this file disturbs nothing.
    let beside = folder.path().join("mounted.json.part");
    fs::write(&beside, "kept").unwrap();
    let script = "mount --bind target.json mounted.json && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(client().get_program())
        .args([
            "compare",
            "base.csv",
            "--with",
            "new.csv",
            "--json",
            "mounted.json",
        ])
        .current_dir(folder.path())
        .output()
        .expect("unshare on PATH: install util-linux, or skip this test by name");
    error_of(&output, 0);
    let text = fs::read_to_string(folder.path().join("target.json")).unwrap();
    assert!(text.contains("\"blocks\""), "{text}");
    assert_eq!(fs::read_to_string(beside).unwrap(), "kept");
}

#[test]
fn a_dash_is_standard_output_and_the_text_makes_room() {
    let service = Service::start(Behaviour::Answer("200"));
    let run = Run::new(&service, &["-t", "1s", "--json", "-"]);
    run.assert_code(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(json["exit_code"], 0);
    assert!(run.stderr().contains("Aggregated"), "{}", run.stderr());
    assert!(!run.path("-").exists());
    let run = Run::new(&service, &["-t", "1s", "--requests-record-file", "-"]);
    run.assert_code(0);
    assert!(run.stdout().starts_with("request_type,name,response_time,"));
    assert!(!run.path("-").exists());
    Run::new(&service, &["-t", "1s", "--csv", "-"]).assert_code(2);

    let folder = tempfile::tempdir().unwrap();
    for name in ["base.csv", "new.csv"] {
        write_run(folder.path(), name, 10.0);
    }
    for (flag, start) in [
        ("--json", "{"),
        ("--html", "<!"),
        ("--history", "time,commit"),
    ] {
        let output = compare(folder.path(), &["base.csv", "--with", "new.csv", flag, "-"]);
        error_of(&output, 0);
        assert!(output.stdout.starts_with(start.as_bytes()), "{flag}");
    }
    assert!(!folder.path().join("-").exists());
}

#[test]
fn an_input_is_never_an_output() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_run(folder.path(), "base.csv", 10.0);
    write_run(folder.path(), "new.csv", 11.0);
    fs::write(at("base.json"), "{}").unwrap();
    fs::hard_link(at("base.csv"), at("hard.csv")).unwrap();
    symlink("new.csv", at("soft.csv")).unwrap();
    let before = fs::read(at("base.csv")).unwrap();
    for (flag, place) in [
        ("--html", "base.csv"),
        ("--markdown", "soft.csv"),
        ("--history", "hard.csv"),
        ("--json", "base.json"),
    ] {
        let output = compare(
            folder.path(),
            &["base.csv", "--with", "new.csv", flag, place],
        );
        let error = error_of(&output, 2);
        assert!(
            error.contains(flag) && error.contains("an input"),
            "{error}"
        );
    }
    let twice = [
        "base.csv", "--with", "new.csv", "--json", "x", "--html", "x",
    ];
    let error = error_of(&compare(folder.path(), &twice), 2);
    assert!(
        error.contains("--html x is the file of --json too"),
        "{error}"
    );
    assert_eq!(fs::read(at("base.csv")).unwrap(), before);

    fs::write(at("body"), "{broken").unwrap();
    let output = client()
        .current_dir(folder.path())
        .args([
            "--host",
            "kafka://127.0.0.1:1",
            "--body",
            "body",
            "--json",
            "body",
        ])
        .output()
        .unwrap();
    error_of(&output, 2);
    assert_eq!(fs::read(at("body")).unwrap(), b"{broken");
}

#[test]
fn two_runs_do_not_share_a_file() {
    let service = Service::start(Behaviour::Ignore);
    let folder = tempfile::tempdir().unwrap();
    let mut command = service.client();
    command.current_dir(folder.path()).stdout(Stdio::null());
    command.args(["--requests-record-file", "run.csv", "--csv", "stats"]);
    let mut first = command.stderr(Stdio::null()).spawn().unwrap();
    service.next_seen();
    for arguments in [
        ["-t", "1s", "--requests-record-file", "run.csv"],
        ["-t", "1s", "--csv", "stats"],
    ] {
        let mut command = service.client();
        let output = command.current_dir(folder.path()).args(arguments).output();
        let error = error_of(&output.unwrap(), 1);
        assert!(error.contains("another program is writing"), "{error}");
        assert!(!error.contains("user(s)"), "the run has not begun: {error}");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The rest of a killed run disturbs nothing.
    let run = Run::in_folder(
        &service,
        &["-t", "1s", "--timeout", "1s", "--csv", "stats"],
        folder,
    );
    run.assert_code(3);
}
