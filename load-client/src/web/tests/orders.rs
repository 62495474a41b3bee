//! Orders, files and downloads.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use super::support::{Site, request, text};

const START: &str = r#"{"users":3,"spawn_rate":1.5,"run_time":"5m"}"#;

#[tokio::test]
async fn of_two_starts_one_is_taken_and_the_other_told_why_not() {
    let site = Site::new();
    let (one, two) = tokio::join!(site.post("/start", START), site.post("/start", START));
    let mut answers = [one, two];
    answers.sort_by_key(|(status, _)| *status);
    let [(taken, state), (refused, problem)] = answers;
    assert_eq!(
        (taken, refused),
        (StatusCode::ACCEPTED, StatusCode::CONFLICT)
    );
    assert_eq!(state["phase"], "starting");
    assert_eq!(problem["detail"], "run #1 is going on");
    assert_eq!(site.fake.orders().len(), 1);
}

#[tokio::test]
async fn orders_reach_the_conductor_as_they_were_sent() {
    let site = Site::new();
    site.post("/start", START).await;
    site.post("/edit", r#"{"users":7,"spawn_rate":2}"#).await;
    site.post("/stop", "{}").await;
    site.post("/stop", r#"{"now":true}"#).await;
    site.post("/reset", "{}").await;
    assert_eq!(
        site.fake.orders(),
        [
            "start StartOrder { users: 3, spawn_rate: 1.5, run_time: Some(\"5m\"), rate: None }",
            "edit EditOrder { users: 7, spawn_rate: 2.0 }",
            "stop StopOrder { now: false }",
            "stop StopOrder { now: true }",
            "reset",
        ]
    );
}

#[tokio::test]
async fn wrong_orders_are_told_what_is_wrong() {
    let site = Site::new();
    let long = format!(
        r#"{{"users":1,"spawn_rate":1,"run_time":"{}"}}"#,
        "1".repeat(9000)
    );
    for (path, body, status, part) in [
        ("/start", "", 400, "EOF"),
        ("/start", "{", 400, "EOF"),
        ("/start", r#"{"users":1}"#, 400, "spawn_rate"),
        ("/start", r#"{"users":-1,"spawn_rate":1}"#, 400, "u32"),
        (
            "/start",
            r#"{"users":1,"spawn_rate":1,"usrs":1}"#,
            400,
            "usrs",
        ),
        ("/start", r#"{"users":0,"spawn_rate":1}"#, 422, "users"),
        (
            "/start",
            r#"{"users":1000001,"spawn_rate":1}"#,
            422,
            "users",
        ),
        ("/start", r#"{"users":1,"spawn_rate":0}"#, 422, "spawn_rate"),
        ("/edit", r#"{"users":1,"spawn_rate":-2}"#, 422, "spawn_rate"),
        ("/start", &long, 413, "longer"),
        ("/stop", &long, 413, "longer"),
    ] {
        let (answered, problem) = site.post(path, body).await;
        assert_eq!(answered.as_u16(), status, "{path} {body}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{detail}");
    }
    assert!(site.fake.orders().is_empty());
}

#[tokio::test]
async fn a_browser_that_goes_away_does_not_take_its_order_back() {
    let site = Site::new();
    let order = request(Method::POST, "/start").header("content-type", "application/json");
    let answer = site.send(order.body(Body::from(START)).unwrap());
    // Polled once: the body is read, the order is given, nobody waits for the answer.
    {
        let mut answer = std::pin::pin!(answer);
        let polled = futures_util::poll!(&mut answer);
        assert!(polled.is_pending());
    }
    tokio::task::yield_now().await;
    assert_eq!(site.fake.orders().len(), 1);
}

#[tokio::test]
async fn files_are_sent_once() {
    let site = Site::new();
    let first = site.get("/assets/plotly.js").await;
    let tag = first.headers()["etag"].clone();
    assert_eq!(first.headers()["cache-control"], "no-cache");
    let library = text(first).await;
    assert!(library.contains("plotly.js v") && !library.contains("<script"));
    assert!(!library.contains("MathJax.loader"));
    let again = request(Method::GET, "/assets/plotly.js").header("if-none-match", tag);
    let again = site.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text(again).await, "");
    for missing in ["/assets/nothing.js", "/assets/..%2Findex.html", "/nothing"] {
        assert_eq!(site.get(missing).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn downloads_have_the_figures_of_the_run() {
    let site = Site::new();
    assert_eq!(
        site.get("/download/stats.csv").await.status(),
        StatusCode::CONFLICT
    );
    site.fake.begin(1);
    site.fake.second(1);
    let response = site.get("/download/stats.csv").await;
    let disposition = &response.headers()["content-disposition"];
    assert_eq!(disposition, "attachment; filename=\"stats.csv\"");
    let csv = text(response).await;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(lines[1].starts_with("KAFKA,createOrder,11,1,"), "{csv}");
    assert!(lines[2].starts_with(",Aggregated,11,1,"), "{csv}");
    let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let summary = json(text(site.get("/download/summary.json").await).await);
    assert_eq!(summary["summary"]["total"]["failures"], 1);
    assert_eq!(summary["state"]["run_id"], "id-1");
    let history = json(text(site.get("/download/history.json").await).await);
    assert_eq!(history["moments"][0]["seconds"], 1.0);
    let history = text(site.get("/download/history.csv").await).await;
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 2, "{history}");
    assert!(
        lines[0].starts_with("Run,Timestamp,User Count,"),
        "{history}"
    );
    assert!(
        lines[1].starts_with("1,1,1,") && lines[1].ends_with(",1,0"),
        "{history}"
    );
    let failures = text(site.get("/download/failures.csv").await).await;
    assert_eq!(failures.lines().count(), 2, "{failures}");
    let report = text(site.get("/download/report.html").await).await;
    assert!(
        report.contains("Aggregated") && report.contains("not judge"),
        "{report:.200}"
    );
    for missing in [
        "/download/hidden",
        "/download/passwd",
        "/download/stats.csv%0d%0a",
    ] {
        assert_eq!(site.get(missing).await.status(), StatusCode::NOT_FOUND);
    }
}
