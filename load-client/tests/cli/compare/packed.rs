//! Runs that are packed with gzip.

use std::fs;
use std::io::Read;

use flate2::Compression;
use flate2::read::GzEncoder;

use super::{FASTER, compare, compare_blocks, error_of, six_blocks};

#[test]
fn packed_runs_compare_like_unpacked_ones_and_are_no_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let plain = compare_blocks(folder.path(), FASTER, &[]);
    error_of(&plain, 0);
    let mut names = six_blocks(folder.path(), FASTER);
    for name in names.iter_mut().filter(|name| name.starts_with("new-")) {
        let file = fs::File::open(folder.path().join(&*name)).unwrap();
        let mut packed = Vec::new();
        let mut encoder = GzEncoder::new(file, Compression::default());
        encoder.read_to_end(&mut packed).unwrap();
        fs::remove_file(folder.path().join(&*name)).unwrap();
        name.push_str(".gz");
        fs::write(folder.path().join(&*name), packed).unwrap();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let packed = compare(folder.path(), &names);
    error_of(&packed, 0);
    let text = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text(&packed), text(&plain));
    // The summary of a packed run is an input too.
    fs::write(folder.path().join("new-0.json"), "{}").unwrap();
    let refused = compare(
        folder.path(),
        &[&names, &["--json", "new-0.json"][..]].concat(),
    );
    let refused = error_of(&refused, 2);
    assert!(
        refused.contains("--json new-0.json would write over an input"),
        "{refused}"
    );
}
