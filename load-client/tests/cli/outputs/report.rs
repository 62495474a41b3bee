//! The report of a run, in a browser and as a file.

use std::path::Path;
use std::process::{Command, Output};

use super::Run;
use crate::support::{Behaviour, Service};

#[test]
fn the_report_is_named_by_the_load() {
    let service = Service::start(Behaviour::Answer("200"));
    let run = Run::new(
        &service,
        &[
            "-u",
            "2",
            "-r",
            "50",
            "-t",
            "1s",
            "--html",
            "load-{u}-{r}-{t}.html",
        ],
    );
    run.assert_code(0);
    assert!(run.path("load-2-50-1.html").exists());
}

#[test]
fn chromium_opens_the_report_without_a_network() {
    let service = Service::start(Behaviour::Answer("200"));
    let run = Run::new(
        &service,
        &["-t", "3s", "--warm-up", "1s", "--html", "run.html"],
    );
    run.assert_code(0);
    let output = browse(&run.path("run.html"), run.folder.path());
    let (dom, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{log}");
    let messages: Vec<_> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(messages.is_empty(), "{messages:?}");
    let body = &dom[dom.find("<main>").unwrap()..];
    assert!(
        body.matches("class=\"main-svg\"").count() >= 2,
        "both charts are drawn"
    );
    assert!(body.contains("Request statistics") && body.contains("Aggregated"));
    for curve in ["requests/s", "p95 (ms)", "users"] {
        assert!(
            body.contains(&format!("data-unformatted=\"{curve}\"")),
            "{curve}"
        );
    }
}

/// Opens a page, and gives out what became of it. Every host name leads nowhere.
fn browse(page: &Path, folder: &Path) -> Output {
    Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=20000"])
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--proxy-server=127.0.0.1:9",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("browser").display()
        ))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap()
}
