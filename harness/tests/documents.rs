//! All files that the documents name exist, and all links lead to a target.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders without sources: builds, results, and git.
const NOT_SOURCES: [&str; 3] = ["target", "results", ".git"];
/// Documents about the past, whose files may be gone, or about files of other projects.
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

/// The paths in code spans: those with a folder and a known file extension.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        let of_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let end = word.rsplit_once('.').map(|(_, end)| end);
        // An absolute path belongs to a service or a machine.
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
            // The end of the path counts, because most paths are relative to their crate. Results are no sources.
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
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "documents name missing files"
    );
}

/// The lines of a page outside its code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_prose = true;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_prose ^= is_fence;
        is_prose && !is_fence
    })
}

/// The targets of a page's links, also of pictures and references.
fn links(text: &str) -> Vec<String> {
    let joined = prose(text).collect::<Vec<_>>().join("\n");
    let inline = joined.split("](").skip(1);
    let inline = inline.filter_map(|rest| rest.split([')', ' ', '\n']).next());
    let quoted = ["src=\"", "srcset=\""].map(|mark| joined.split(mark).skip(1));
    let quoted = quoted.into_iter().flatten();
    let quoted = quoted.filter_map(|rest| rest.split('"').next());
    let references = prose(text).filter(|line| line.starts_with('['));
    let references = references.filter_map(|line| line.split_once("]: "));
    let references = references.map(|(_, target)| target);
    inline
        .chain(quoted)
        .chain(references)
        .map(str::to_owned)
        .collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = all.iter().filter(|own| **own == anchor).count();
        all.push(if same == 0 {
            anchor
        } else {
            format!("{anchor}-{same}")
        });
    }
    all
}

#[test]
fn each_link_leads_to_a_file_and_to_a_heading_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    files(root, &mut all);
    let (mut looked_at, mut dead) = (0, Vec::new());
    for document in all
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "md"))
    {
        let name = document.strip_prefix(root).unwrap().display();
        let text = fs::read_to_string(document).unwrap();
        for link in links(&text)
            .into_iter()
            .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            looked_at += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let is_there = match anchor {
                "" => target.exists(),
                anchor => fs::read_to_string(&target)
                    .is_ok_and(|text| anchors(&text).iter().any(|own| own == anchor)),
            };
            if !is_there {
                dead.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(
        looked_at > 200,
        "only {looked_at} links: they are written in another way"
    );
    assert_eq!(dead, Vec::<String>::new(), "links that lead nowhere");
}
