//! The report of a run, in a browser and as a file.

use std::path::Path;
use std::process::{Command, Output};

use super::Run;
use crate::browser::Browser;
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
fn junit_has_a_case_for_each_threshold() {
    let service = Service::start(Behaviour::Answer("500"));
    let thresholds = ["--fail-on", "failures<1%", "--fail-on", "createOrder:rps>0"];
    let files = [
        "--junit",
        "junit.xml",
        "--exit-code-on-invalid",
        "0",
        "-t",
        "1s",
    ];
    let run = Run::new(&service, &[&thresholds[..], &files].concat());
    run.assert_code(4);
    let text = run.text("junit.xml");
    for part in [
        "<testsuite name=\"createOrder\" tests=\"2\" failures=\"1\" errors=\"0\"",
        "name=\"failures&lt;1%\"",
        "<failure type=\"broken\" message=\"measured 100",
        "name=\"createOrder:rps&gt;0\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.ends_with("</testsuites>\n"), "{text}");
}

#[test]
fn junit_without_a_threshold_is_refused() {
    let service = Service::start(Behaviour::Answer("200"));
    let run = Run::new(&service, &["-t", "1s", "--junit", "junit.xml"]);
    run.assert_code(2);
    assert!(
        run.stderr().contains("--junit needs --fail-on"),
        "{}",
        run.stderr()
    );
    assert!(!run.path("junit.xml").exists());
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

#[test]
fn chromium_charts_of_the_report_follow_theme_window_and_paper() {
    let service = Service::start(Behaviour::Answer("200"));
    let run = Run::new(&service, &["-t", "3s", "--html", "run.html"]);
    run.assert_code(0);
    let mut browser = Browser::start();
    browser.look(390, 844, "dark");
    browser.open(&format!("file://{}", run.path("run.html").display()));
    let colour = "document.querySelector('#course').data[0].line.color";
    browser.wait_for(&format!("{colour} === '#4aa8e0'"));
    // The legend lies above the curves. It has two lines here.
    browser.wait_for(
        "(() => { const box = (of) => document.querySelector(`#course ${of}`).getBoundingClientRect();
           return box('.legend').height > 30 && box('.legend').bottom <= box('.nsewdrag').top; })()",
    );
    let size =
        "(({ width, height }) => `${width} ${height}`)(document.querySelector('#course').layout)";
    browser.evaluate("dispatchEvent(new Event('beforeprint'))");
    browser.wait_for(&format!("{colour} === '#0072b2' && {size} === '690 620'"));
    browser.evaluate("dispatchEvent(new Event('afterprint'))");
    browser.wait_for(&format!("{colour} === '#4aa8e0'"));
    browser.wait_for(
        "document.querySelector('#course .main-svg').getBoundingClientRect().width <= 390",
    );
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// Opens a page, and prints its document afterwards. No host name resolves.
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
