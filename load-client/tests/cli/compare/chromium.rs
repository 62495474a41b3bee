//! The report in a browser without a network. The tests need chromium on PATH. `--skip chromium_` leaves them out.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{FASTER, compare_blocks, error_of};

fn chromium(folder: &Path, arguments: &[&str]) -> Output {
    let page = format!("file://{}", folder.join("report.html").display());
    Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--enable-logging=stderr",
            // Only files can be reached.
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=20000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .args(arguments)
        .arg(page)
        .output()
        .expect("chromium on PATH: install chromium, or skip these tests by name")
}

fn console_errors(output: &Output) -> Vec<String> {
    let log = String::from_utf8_lossy(&output.stderr);
    let lines = log
        .lines()
        .filter(|line| line.contains("CONSOLE") || line.contains("ERR_"));
    lines.map(str::to_owned).collect()
}

fn report(folder: &Path) {
    error_of(
        &compare_blocks(folder, FASTER, &["--html", "report.html"]),
        0,
    );
}

#[test]
fn chromium_draws_every_chart_without_an_error() {
    let folder = tempfile::tempdir().unwrap();
    report(folder.path());
    let output = chromium(folder.path(), &["--dump-dom"]);
    assert_eq!(console_errors(&output), [""; 0]);
    let page = String::from_utf8_lossy(&output.stdout);
    for chart in [
        "effects",
        "medians",
        "histogram",
        "ecdf",
        "spectrum",
        "shift",
        "time",
    ] {
        let start = page
            .find(&format!("id=\"{chart}\""))
            .unwrap_or_else(|| panic!("no {chart}"));
        assert!(
            page[start..].contains("class=\"main-svg\""),
            "{chart} is not drawn"
        );
    }
    assert_eq!(
        page.matches("class=\"plot-container").count(),
        7,
        "each chart is drawn"
    );
}

#[test]
fn chromium_notices_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    report(folder.path());
    let path = folder.path().join("report.html");
    let page = fs::read_to_string(&path).unwrap();
    let broken = page.replacen("</main>", "<script>noSuchThing()</script></main>", 1);
    fs::write(&path, broken).unwrap();
    let errors = console_errors(&chromium(folder.path(), &["--dump-dom"]));
    assert!(
        errors.iter().any(|line| line.contains("noSuchThing")),
        "{errors:?}"
    );
}

#[test]
fn chromium_prints_it() {
    let folder = tempfile::tempdir().unwrap();
    report(folder.path());
    let file = folder.path().join("report.pdf");
    let output = chromium(
        folder.path(),
        &[&format!("--print-to-pdf={}", file.display())],
    );
    assert_eq!(console_errors(&output), [""; 0]);
    assert!(fs::read(&file).unwrap().starts_with(b"%PDF"));
}
