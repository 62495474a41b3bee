//! Pictures of the live page for the documentation: `make screenshots`.

use std::path::PathBuf;
use std::time::Duration;

use super::page::Page;
use crate::browser::Browser;
use crate::support::{Behaviour, Service};

/// Seconds of load before the pictures are taken, long enough for the charts to show a course.
const SECONDS: u32 = 35;
const WIDTH: u32 = 1280;

#[test]
#[ignore = "makes pictures and asserts little: make screenshots"]
fn chromium_screenshots() {
    let folder = std::env::var_os("SCREENSHOTS").expect("SCREENSHOTS: the folder for the pictures");
    let folder = PathBuf::from(folder);
    let service = Service::start(Behaviour::Work(Duration::from_millis(5)));
    let page = Page::open(&service.cluster.bootstrap_servers(), &[]);
    let mut browser = Browser::start();
    browser.look(WIDTH, 680, "light");
    browser.open(&format!("http://{}/", page.address));
    browser.wait_for("document.querySelector('#order').checkVisibility()");
    browser.picture(&folder.join("live-new-run.png"));
    page.post("/start", r#"{"users":3,"spawn_rate":0.5,"run_time":"15s"}"#);
    page.wait_for("stopped");
    page.post("/start", r#"{"users":4,"spawn_rate":0.2,"run_time":"5m"}"#);
    page.events().until("moment", |moment| {
        moment["run"] == 2 && moment["seconds"].as_f64() > Some(f64::from(SECONDS))
    });
    for theme in ["light", "dark"] {
        for (tab, height) in [("statistics", 420), ("charts", 1330), ("failures", 420)] {
            browser.look(WIDTH, height, theme);
            browser.open("about:blank");
            browser.open(&format!("http://{}/#/{tab}", page.address));
            browser.wait_for("document.querySelector('tfoot td') !== null");
            if tab == "charts" {
                browser.wait_for("document.querySelectorAll('#histogram .point').length > 5");
                browser.hover("#course .nsewdrag");
                browser.wait_for("document.querySelector('#course .hoverlayer .legend') !== null");
            }
            browser.picture(&folder.join(format!("live-{tab}-{theme}.png")));
        }
    }
    browser.look(400, 860, "light");
    browser.open("about:blank");
    browser.open(&format!("http://{}/#/statistics", page.address));
    browser.wait_for("document.querySelector('tfoot td') !== null");
    browser.picture(&folder.join("live-narrow.png"));
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    page.ended();
}

#[test]
#[ignore = "makes pictures and asserts little: make screenshots"]
fn chromium_screenshots_of_reports() {
    let folder = std::env::var_os("SCREENSHOTS").expect("SCREENSHOTS: the folder for the pictures");
    let folder = PathBuf::from(folder);
    let reports = tempfile::tempdir().unwrap();
    let run = reports.path().join("run.html");
    let service = Service::start(Behaviour::Work(Duration::from_millis(5)));
    let status = service
        .client()
        .args([
            "-u",
            "4",
            "-r",
            "1",
            "-t",
            "20s",
            "--warm-up",
            "3s",
            "--only-summary",
        ])
        .args(["--html".as_ref(), run.as_os_str()])
        .status()
        .unwrap();
    // The service fails some requests, so that the picture shows failures.
    assert_eq!(status.code(), Some(3));
    let mut pages = vec![("run", run, 1500)];
    // The report of a real experiment, if there is one.
    pages.extend(std::env::var_os("EXPERIMENT").map(|path| ("experiment", path.into(), 2300)));
    let mut browser = Browser::start();
    for (name, page, height) in pages {
        for theme in ["light", "dark"] {
            browser.look(1000, height, theme);
            browser.open("about:blank");
            browser.open(&format!(
                "file://{}",
                page.canonicalize().unwrap().display()
            ));
            browser.wait_for("document.querySelectorAll('.main-svg').length >= 2");
            browser.picture(&folder.join(format!("report-{name}-{theme}.png")));
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}
