//! The destinations of outputs: files, links, pipes and devices.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use load_client::report::{Destination, ExportError, remove_earlier, write_whole};
use tempfile::TempDir;

fn folder() -> (TempDir, impl Fn(&str) -> PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    (folder, move |name| root.join(name))
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_claim_leaves_what_is_there_and_nothing_of_its_own() {
    let (folder, at) = folder();
    fs::write(at("old.json"), "old").unwrap();
    for name in ["old.json", "new.json"] {
        drop(Destination::claim(&at(name)).unwrap());
    }
    assert_eq!(names(&folder), ["old.json"]);
    assert_eq!(fs::read_to_string(at("old.json")).unwrap(), "old");
}

#[test]
fn a_file_is_replaced_and_keeps_its_mode() {
    let (folder, at) = folder();
    fs::write(at("run.json"), "old").unwrap();
    fs::set_permissions(at("run.json"), fs::Permissions::from_mode(0o600)).unwrap();
    write_whole(&at("run.json"), b"new").unwrap();
    assert_eq!(fs::read_to_string(at("run.json")).unwrap(), "new");
    let mode = fs::metadata(at("run.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(&folder), ["run.json"]);
}

#[test]
fn a_link_stays_and_its_target_is_written() {
    let (folder, at) = folder();
    fs::create_dir(at("deep")).unwrap();
    fs::write(at("deep/old.json"), "old").unwrap();
    symlink("deep/old.json", at("old")).unwrap();
    symlink("old", at("twice")).unwrap();
    symlink("deep/new.json", at("new")).unwrap();
    for name in ["twice", "new"] {
        write_whole(&at(name), name.as_bytes()).unwrap();
        assert!(fs::symlink_metadata(at(name)).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(at(name)).unwrap(), name);
    }
    assert_eq!(fs::read_to_string(at("deep/old.json")).unwrap(), "twice");
    remove_earlier(&at("twice")).unwrap();
    assert!(!at("deep/old.json").exists());
    assert_eq!(names(&folder), ["deep", "new", "old", "twice"]);
}

#[test]
fn a_pipe_and_a_device_are_written_as_they_stand() {
    let (folder, at) = folder();
    let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    let claimed = Destination::claim(&at("pipe")).unwrap();
    let reader = std::thread::spawn({
        let pipe = at("pipe");
        move || fs::read_to_string(pipe).unwrap()
    });
    claimed.write_whole(b"through").unwrap();
    assert_eq!(reader.join().unwrap(), "through");
    // The test user may be able to replace the real devices, so these are links to them.
    symlink("/dev/full", at("full")).unwrap();
    let error = write_whole(&at("full"), b"x").unwrap_err().to_string();
    assert!(error.contains("No space left"), "{error}");
    assert!(remove_earlier(&at("full")).is_err());
    assert!(remove_earlier(&at("pipe")).is_err());
    assert_eq!(names(&folder), ["full", "pipe"]);
}

#[test]
fn a_descriptor_without_a_name_is_written() {
    let mut file = tempfile::tempfile().unwrap();
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    write_whole(Path::new(&path), b"through").unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
}

#[test]
fn two_programs_do_not_share_a_file() {
    let (folder, at) = folder();
    symlink("run.csv", at("link.csv")).unwrap();
    let first = Destination::claim(&at("run.csv")).unwrap();
    for name in ["run.csv", "link.csv"] {
        let error = Destination::claim(&at(name)).unwrap_err();
        assert!(matches!(error, ExportError::Taken { .. }), "{error}");
    }
    first.write_whole(b"first").unwrap();
    write_whole(&at("link.csv"), b"second").unwrap();
    assert_eq!(fs::read_to_string(at("run.csv")).unwrap(), "second");
    assert_eq!(names(&folder), ["link.csv", "run.csv"]);
}

#[test]
fn records_of_a_killed_run_are_kept_with_a_message() {
    let (folder, at) = folder();
    fs::write(at("run.csv.part"), "half a recording").unwrap();
    for _ in 0..2 {
        let error = Destination::claim(&at("run.csv")).unwrap_err().to_string();
        assert!(
            error.contains("run.csv.part has the records of a run")
                && error.contains("move it away"),
            "{error}"
        );
    }
    assert_eq!(
        fs::read_to_string(at("run.csv.part")).unwrap(),
        "half a recording"
    );
    // An empty file has no records.
    fs::write(at("run.csv.part"), "").unwrap();
    write_whole(&at("run.csv"), b"whole").unwrap();
    assert_eq!(fs::read_to_string(at("run.csv")).unwrap(), "whole");
    assert_eq!(names(&folder), ["run.csv"]);
}

#[test]
fn a_place_that_cannot_be_written_fails_at_the_claim() {
    let (folder, at) = folder();
    fs::write(at("file"), "").unwrap();
    symlink("loop", at("loop")).unwrap();
    for path in [
        folder.path().to_owned(),
        at("file/below"),
        at("no/such"),
        at("loop"),
    ] {
        let error = Destination::claim(&path).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot write {}", path.display())),
            "{error}"
        );
    }
    assert_eq!(names(&folder), ["file", "loop"]);
}
