//! Runs the commands that README and pages print, in the order of each page, as its reader would.
//!
//! A page's blocks tagged `sh` run in one bash, in a folder that looks like the repository's root, with the programs
//! on PATH. `docs/adr/0025-commands-in-pages.md` tells how a page shortens a command, or says why one is not run.
//! With `AS_PRINTED=FOLDER` the blocks run unchanged in that folder, a fresh clone: `make try-readme`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod help;
mod named;
mod page;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};

use named::Known;
use page::{Block, blocks, spans};
use shell::Place;

/// Folders whose pages are records of the past, or are not ours.
const NOT_READ: [&str; 7] = [
    "docs/adr",
    "docs/results",
    "target",
    "results",
    "peers/nestjs",
    "node_modules",
    ".git",
];
/// Pages that show the past.
const OF_THE_PAST: [&str; 1] = ["CHANGELOG.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The pages below a folder, by their paths from the root.
fn pages(folder: &Path, found: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let name = path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let is_read = NOT_READ.iter().all(|other| !name.ends_with(other));
        if path.is_dir() && is_read && !path.is_symlink() {
            pages(&path, found);
        } else if name.ends_with(".md") && !OF_THE_PAST.contains(&name.as_str()) {
            found.push(name);
        }
    }
}

fn chosen() -> Vec<String> {
    if let Ok(chosen) = std::env::var("PAGES") {
        return chosen.split(' ').map(str::to_owned).collect();
    }
    let mut all = Vec::new();
    pages(root(), &mut all);
    all
}

fn read(page: &str) -> (String, Vec<Block>) {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let found = blocks(&text).unwrap_or_else(|error| panic!("{page}: {error}"));
    (text, found)
}

#[test]
fn each_command_names_flags_and_targets_that_exist() {
    let programs = shell::programs();
    let mut known = Known::new(fs::read_to_string(root().join("Makefile")).unwrap());
    let mut unknown = Vec::new();
    for page in chosen() {
        let (text, found) = read(&page);
        let printed = found.into_iter().map(|block| block.printed);
        for text in printed.chain(spans(&text)) {
            let wrong = known.unknown(&text, &programs);
            unknown.extend(wrong.into_iter().map(|wrong| format!("{page}: {wrong}")));
        }
    }
    assert_eq!(
        unknown,
        Vec::<String>::new(),
        "pages name what does not exist"
    );
}

#[test]
fn the_commands_of_the_pages_run_as_printed_or_shortened() {
    shell::require_ports();
    let as_printed = std::env::var_os("AS_PRINTED").map(PathBuf::from);
    let (mut run, mut not_run, mut failed) = (0, Vec::new(), Vec::new());
    for page in chosen() {
        let (_, found) = read(&page);
        let mut commands = Vec::new();
        for block in &found {
            let directives = &block.directives;
            let only_printed = directives
                .as_printed_only
                .as_ref()
                .filter(|_| as_printed.is_none());
            if let Some(reason) = directives.not_run.as_ref().or(only_printed) {
                not_run.push(format!("{page}:{}: {reason}", block.line));
                continue;
            }
            commands.push((
                block,
                match as_printed {
                    Some(_) => block.printed.clone(),
                    None => block
                        .shortened()
                        .unwrap_or_else(|error| panic!("{page}: {error}")),
                },
            ));
        }
        if commands.is_empty() {
            continue;
        }
        run += commands.len();
        let place = Place::new(root(), as_printed.as_deref());
        if let Err(error) = place.run(&page, &commands) {
            failed.push(error);
        }
    }
    shell::tell(&format!(
        "{run} blocks run; not run:\n  {}",
        not_run.join("\n  ")
    ));
    assert_eq!(failed, Vec::<String>::new());
    let least = if std::env::var_os("PAGES").is_some() {
        1
    } else {
        40
    };
    assert!(run >= least, "only {run} blocks: the pages are not found");
}
