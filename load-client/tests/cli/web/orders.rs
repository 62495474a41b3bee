//! Runs that are started, stopped and read over HTTP.

use std::time::Duration;

use super::page::Page;
use crate::support::{Behaviour, Service, client, rows};

const START: &str = r#"{"users":2,"spawn_rate":10}"#;

fn brokers(service: &Service) -> String {
    service.cluster.bootstrap_servers()
}

#[test]
fn a_run_by_the_page_from_start_to_download() {
    let service = Service::start(Behaviour::Answer("200"));
    let page = Page::open(&brokers(&service), &["-u", "5", "-t", "10m"]);
    let (status, html) = page.get("/");
    assert!(
        status == 200 && html.contains("<h1>load-client</h1>"),
        "{html}"
    );
    let ready = page.wait_for("ready");
    assert_eq!(ready["defaults"]["users"], 5);
    assert_eq!(ready["defaults"]["run_time"], "10m");
    assert_eq!(ready["target"]["topic"], "createOrder");
    assert_eq!(page.post("/stop", "{}").0, 409);

    let mut events = page.events();
    let (status, state) = page.post("/start", START);
    assert_eq!((status, &state["run"]), (202, &1.into()), "{state}");
    let (status, problem) = page.post("/start", START);
    assert_eq!(status, 409);
    assert_eq!(problem["detail"], "run #1 is going on; stop it first");
    events.until("state", |state| state["phase"] == "running");
    let moment = events.until("moment", |moment| moment["users"] == 2);
    assert_eq!(moment["run"], 1);
    events.until("summary", |summary| {
        summary["total"]["response"]["count"].as_u64() > Some(0)
    });
    events.until("histogram", |bins| {
        bins.as_array().is_some_and(|bins| !bins.is_empty())
    });

    assert_eq!(page.post("/stop", "{}").0, 202);
    let stopped = events.until("state", |state| state["phase"] == "stopped");
    assert!(stopped["error"].is_null() && stopped["ended_unix_ms"].is_number());
    let requests = check_downloads(&page);

    // The last results stay until the next run, which has a new id and new figures.
    assert_eq!(page.post("/start", START).0, 202);
    let second = page.wait_for("running");
    assert_eq!(second["run"], 2);
    assert_ne!(second["run_id"], stopped["run_id"]);
    page.post("/stop", r#"{"now":true}"#);
    page.wait_for("stopped");
    let history: serde_json::Value =
        serde_json::from_str(&page.get("/download/history.json").1).unwrap();
    assert_eq!(history["runs"].as_array().unwrap().len(), 2);
    assert!(requests > 0);
    page.signal();
    let output = page.ended();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// Returns the number of requests, which must be equal in all files.
fn check_downloads(page: &Page) -> u64 {
    let (status, summary) = page.get("/download/summary.json");
    assert_eq!(status, 200);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let requests = summary["summary"]["total"]["requests"].as_u64().unwrap();
    let (_, stats) = page.get("/download/stats.csv");
    let total = stats.lines().last().unwrap();
    assert!(
        total.starts_with(&format!(",Aggregated,{requests},0,")),
        "{stats}"
    );
    let (_, history) = page.get("/download/history.json");
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let last = history["moments"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&last["total"]["requests"], &last["users"]),
        (&requests.into(), &0.into())
    );
    requests
}

#[test]
fn a_reset_counts_from_now_on() {
    let service = Service::start(Behaviour::Answer("200"));
    let page = Page::open(&brokers(&service), &[]);
    page.post("/start", START);
    let mut events = page.events();
    let seen = events.until("moment", |moment| moment["seconds"].as_f64() > Some(2.5));
    assert_eq!(page.post("/reset", "{}").0, 200);
    events.until("history", |history| {
        history["moments"].as_array().unwrap().is_empty()
    });
    let after = events.until("moment", |_| true);
    assert!(
        after["total"]["requests"].as_u64() < seen["total"]["requests"].as_u64(),
        "{after}"
    );
    page.signal();
    assert_eq!(page.ended().status.code(), Some(0));
}

#[test]
fn a_start_without_a_broker_is_told_on_the_page_and_by_the_exit_code() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let page = Page::open(&address, &[]);
    assert_eq!(page.post("/start", START).0, 202);
    let failed = page.wait_for("failed");
    let error = failed["error"].as_str().unwrap();
    assert!(
        error.contains("no broker answered") && error.contains("--host"),
        "{error}"
    );
    assert_eq!(page.post("/stop", "{}").0, 409);
    page.signal();
    assert_eq!(page.ended().status.code(), Some(1));
}

#[test]
fn without_a_run_the_end_is_good() {
    let page = Page::open("127.0.0.1:1", &[]);
    page.signal();
    assert_eq!(page.ended().status.code(), Some(0));
}

#[test]
fn an_open_browser_does_not_hold_up_the_end_and_sees_the_run_drain() {
    let service = Service::start(Behaviour::Answer("200"));
    let page = Page::open(&brokers(&service), &["--autostart"]);
    let mut events = page.events();
    let idle = page.events();
    events.until("moment", |_| true);
    page.signal();
    events.until("state", |state| state["phase"] == "stopped");
    assert!(events.end() && idle.end());
    let output = page.ended();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopping"));
}

#[test]
fn a_stop_at_once_does_not_wait_for_requests_in_flight() {
    let service = Service::start(Behaviour::Ignore);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let json = file("run.json");
    let asked = ["--autostart", "--timeout", "10m", "--json", &json];
    let page = Page::open(&brokers(&service), &asked);
    service.next_seen();
    assert_eq!(page.post("/stop", "{}").1["phase"], "stopping");
    assert_eq!(page.post("/stop", r#"{"now":true}"#).0, 202);
    page.wait_for("stopped");
    let (_, summary) = page.get("/download/summary.json");
    assert!(summary.contains("\"censored\": 1"), "{summary}");

    page.post("/start", START);
    service.next_seen();
    page.signal();
    page.wait_for("stopping");
    page.signal();
    let output = page.ended();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("at once"));
    // A stop by the page is not an interruption.
    let code = |name: &str| {
        let report = std::fs::read(file(name)).unwrap();
        serde_json::from_slice::<serde_json::Value>(&report).unwrap()["exit_code"].as_u64()
    };
    let codes = [code("run.json"), code("run.2.json")];
    assert_eq!(codes, [Some(0), Some(130)]);
}

#[test]
fn started_by_itself_it_writes_its_files_and_ends_by_itself() {
    let service = Service::start(Behaviour::Answer("500"));
    let folder = tempfile::tempdir().unwrap();
    let (csv, json) = (
        folder.path().join("run.csv"),
        folder.path().join("run.json"),
    );
    let page = Page::open(
        &brokers(&service),
        &[
            "--autostart",
            "--autoquit",
            "0",
            "-t",
            "1s",
            "--requests-record-file",
            csv.to_str().unwrap(),
            "--json",
            json.to_str().unwrap(),
        ],
    );
    let output = page.ended();
    // A failed request has the same exit code as without the page.
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(report["ended_by"], "run_time");
    assert_eq!(report["summary"]["total"]["failures"], rows(&csv).len());
}

#[test]
fn a_recording_that_fails_does_not_cost_the_figures_of_a_run_of_the_page() {
    let service = Service::start(Behaviour::Answer("200"));
    let asked = "--autostart --autoquit 0 -t 1s --requests-record-file /dev/full";
    let asked: Vec<&str> = asked.split(' ').collect();
    let output = Page::open(&brokers(&service), &asked).ended();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(shown.contains("Response time percentiles"), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    let error = "error: cannot write /dev/full";
    assert_eq!(told.matches(error).count(), 1, "{told}");
}

#[test]
fn what_holds_in_the_terminal_holds_on_the_page() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let asked = format!(
        "--autostart --autoquit 0 -t 4s -u 2 -r 10 --preset load --csv {} --html {} --fail-on p97<1us \
         --fail-on failures<1% --abort-on-fail --abort-delay 2s --until max<3600s",
        place("stats"),
        place("report.html"),
    );
    let asked: Vec<&str> = asked.split_whitespace().collect();
    let page = Page::open(&brokers(&service), &asked);
    assert_eq!(page.wait_for("running")["users"], 2);
    let output = page.ended();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(
        shown.contains("Response time percentiles") && shown.contains("BROKEN     p97<1us"),
        "{shown}"
    );
    assert!(shown.contains("holds      failures<1%"), "{shown}");
    for file in ["stats_stats.csv", "stats_stats_history.csv", "report.html"] {
        assert!(std::fs::metadata(place(file)).unwrap().len() > 0, "{file}");
    }
}

#[test]
fn a_client_that_stood_still_is_no_witness_on_the_page_either() {
    let service = Service::start(Behaviour::Answer("200"));
    let asked = ["--autostart", "-t", "4s", "--exit-code-on-invalid", "5"];
    let page = Page::open(&brokers(&service), &asked);
    service.next_seen();
    page.pause(Duration::from_secs(1));
    let stopped = page.wait_for("stopped");
    let invalid = stopped["invalid"].as_str().unwrap_or_default();
    assert!(invalid.contains("stood still"), "{stopped}");
    page.signal();
    let output = page.ended();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("INVALID") && told.contains("stood still"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(5), "{told}");
}

#[test]
fn a_place_that_cannot_be_written_does_not_cost_a_run_of_the_page() {
    let service = Service::start(Behaviour::Answer("200"));
    let asked = ["--autostart", "-t", "1s", "--json", "/nonexistent/run.json"];
    let page = Page::open(&brokers(&service), &asked);
    let failed = page.wait_for("failed");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("/nonexistent/run.json"), "{error}");
    assert!(
        failed["started_unix_ms"].is_null(),
        "nothing was sent: {failed}"
    );
}

#[test]
fn what_the_page_cannot_be_is_told_on_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let listener = std::net::TcpListener::bind(&taken);
    for (arguments, code, part) in [
        (&["--web", "0.0.0.0:0"][..], 2, "--web-allow-remote"),
        (&["--web", "here"], 2, "--web"),
        (&["--web", "--headless"], 2, "--headless"),
        (
            &["--web", "-X", "no.such.property=1"],
            2,
            "no.such.property",
        ),
        (&["--web", "--warm-up", "2s", "-t", "1s"], 2, "--warm-up"),
        (&["--web", "--fail-on", "nobody:p95<1s"], 2, "nobody"),
        (&["--web", &taken], 1, "give another address or port"),
    ] {
        let output = client()
            .args(["--host", "kafka://a:1"])
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(
            error.contains(part) && error.lines().count() == 1,
            "{error}"
        );
    }
    drop(listener);
}

#[test]
fn a_search_is_left_alone() {
    let service = Service::start(Behaviour::Answer("200"));
    let search = ["--preset", "capacity", "--rate", "20/s", "-t", "1m"];
    let page = Page::open(
        &brokers(&service),
        &[&search[..], &["--until", "p50<10s"]].concat(),
    );
    assert_eq!(page.wait_for("ready")["offers"]["edit"], false);
    let start = r#"{"users":1,"spawn_rate":1,"rate":"20/s","run_time":"1m"}"#;
    assert_eq!(page.post("/start", start).0, 202);
    page.wait_for("running");
    let (status, problem) = page.post("/edit", r#"{"users":500,"spawn_rate":1}"#);
    assert_eq!(
        (status, &problem["detail"]),
        (409, &"the search sets the rate itself".into())
    );
    assert_eq!(page.post("/reset", "{}").0, 409);
    page.post("/stop", r#"{"now":true}"#);
    page.wait_for("stopped");
}

#[test]
fn loads_without_stages_go_on_for_the_run_time_of_the_page() {
    let service = Service::start(Behaviour::Answer("200"));
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("loads.toml");
    let text = "[[request]]\nname = 'order'\nbody = '{}'\n[[load]]\nkinds = ['order']\nusers = 2\n";
    std::fs::write(&scenario, text).unwrap();
    let arguments = ["-t", "10m", "--scenario", scenario.to_str().unwrap()];
    let page = Page::open(&brokers(&service), &arguments);
    let ready = page.wait_for("ready");
    assert_eq!(
        (&ready["offers"]["rate"], &ready["defaults"]["run_time"]),
        (&false.into(), &"10m".into())
    );
    let start = r#"{"users":1,"spawn_rate":1,"rate":"5/s","run_time":"1s"}"#;
    let (status, problem) = page.post("/start", start);
    let told = "rate: each load of the scenario has its own";
    assert_eq!((status, &problem["detail"]), (422, &told.into()));
    let (status, state) = page.post("/start", &start.replace("5/s", ""));
    assert_eq!((status, &state["run_time_seconds"]), (202, &1.0.into()));
    page.wait_for("stopped");
}
