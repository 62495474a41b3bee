//! `--markdown`: the text for a pull request.

use std::fs;

use super::{FASTER, compare_blocks, error_of};

#[test]
fn the_file_holds_the_verdict_the_changes_and_the_rest_folded() {
    let folder = tempfile::tempdir().unwrap();
    error_of(
        &compare_blocks(folder.path(), FASTER, &["--markdown", "summary.md"]),
        0,
    );
    let text = fs::read_to_string(folder.path().join("summary.md")).unwrap();
    assert!(
        text.starts_with("**Faster: the median round trip changed by -29."),
        "{text}"
    );
    let position = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part} in {text}"))
    };
    assert!(position("| median | -29.") < position("<details>"));
    assert!(position("<details>") < position("| new-5 | changed | 380 | 0 |"));
    assert!(text.trim_end().ends_with("</details>"));
}
