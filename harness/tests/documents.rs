//! Files that the documents name are there: a reader who follows a path finds it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of what is built, of what runs write, and of git.
const NOT_SOURCES: [&str; 3] = ["target", "results", ".git"];
/// What tells of the past, whose files may be gone, or of where others keep theirs.
const NOT_OF_NOW: [&str; 4] = [
    "CHANGELOG.md",
    "docs/adr/",
    "docs/results/",
    "order-service/tests/data/",
];
const ENDS: [&str; 9] = [
    "rs", "toml", "md", "sh", "json", "yaml", "js", "html", "css",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !path.is_dir() {
            found.push(path);
        } else if !NOT_SOURCES.contains(&&*name) {
            files(&path, found);
        }
    }
}

/// The paths that a document shows as code: those with a folder and a known end.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        let of_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let end = word.rsplit_once('.').map(|(_, end)| end);
        // From the root of a service, or of a machine.
        let is_relative = word.contains('/') && !word.starts_with('/');
        is_relative && word.chars().all(of_path) && end.is_some_and(|end| ENDS.contains(&end))
    };
    text.split('`').skip(1).step_by(2).filter(is_path)
}

#[test]
fn each_file_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    files(root, &mut all);
    let (mut looked_at, mut missing) = (0, Vec::new());
    for document in &all {
        let name = document.strip_prefix(root).unwrap().to_str().unwrap();
        if !name.ends_with(".md") || NOT_OF_NOW.iter().any(|own| name.starts_with(own)) {
            continue;
        }
        for path in named(&fs::read_to_string(document).unwrap()) {
            looked_at += 1;
            // By its end, as most are named within their crate. What runs write is in no folder of sources.
            let is_there = all.iter().any(|file| file.ends_with(path));
            if !is_there && !path.starts_with("results/") {
                missing.push(format!("{name}: {path}"));
            }
        }
    }
    assert!(
        looked_at > 50,
        "only {looked_at} paths: the documents are elsewhere"
    );
    assert_eq!(missing, Vec::<String>::new(), "documents name what is gone");
}
