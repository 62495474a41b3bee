//! Orders, files and downloads.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use crate::web::tests::{Site, request, text};

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
            "Start(StartOrder { users: 3, spawn_rate: 1.5, run_time: Some(\"5m\"), rate: None })",
            "Edit(EditOrder { users: 7, spawn_rate: 2.0 })",
            "Stop(StopOrder { now: false })",
            "Stop(StopOrder { now: true })",
            "Reset",
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
    // Poll once: the body is read and the order is given, but nobody waits for the answer.
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
    site.fake.begin();
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

// Attempts of another site's page, which must fail.

#[tokio::test]
async fn a_name_that_was_rebound_to_this_address_is_refused() {
    let site = Site::new();
    for path in ["/", "/events", "/assets/main.js", "/download/summary.json"] {
        let mut foreign = request(Method::GET, path).body(Body::empty()).unwrap();
        let host = "evil.example:8089".parse().unwrap();
        foreign.headers_mut().insert("host", host);
        let response = site.send(foreign).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        let problem = text(response).await;
        assert!(problem.contains("--web-name"), "{problem}");
    }
}

#[tokio::test]
async fn a_request_with_two_hosts_or_none_is_refused() {
    let site = Site::new();
    let two = request(Method::GET, "/").header("host", "evil.example:8089");
    let response = site.send(two.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let mut none = request(Method::GET, "/").body(Body::empty()).unwrap();
    none.headers_mut().remove("host");
    assert_eq!(site.send(none).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn orders_of_another_origin_are_refused() {
    for origin in [
        "http://evil.example",
        "http://127.0.0.1:9999",
        "http://localhost:8089",
        "null",
        "file://",
    ] {
        for path in ["/start", "/edit", "/stop", "/reset"] {
            let site = Site::new();
            let order = request(Method::POST, path)
                .header("content-type", "application/json")
                .header("origin", origin);
            let body = Body::from(r#"{"users":1,"spawn_rate":1}"#);
            let response = site.send(order.body(body).unwrap()).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{origin} {path}");
            assert!(site.fake.orders().is_empty());
        }
    }
}

#[tokio::test]
async fn orders_that_a_browser_calls_foreign_are_refused() {
    for kind in ["cross-site", "same-site"] {
        let site = Site::new();
        let order = request(Method::POST, "/stop")
            .header("content-type", "application/json")
            .header("sec-fetch-site", kind);
        let response = site.send(order.body(Body::from("{}")).unwrap()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{kind}");
        assert!(site.fake.orders().is_empty());
    }
}

#[tokio::test]
async fn another_site_may_link_to_the_page_and_read_nothing() {
    let site = Site::new();
    let foreign = |path| request(Method::GET, path).header("sec-fetch-site", "cross-site");
    let status = async |path| {
        let request = foreign(path).body(Body::empty()).unwrap();
        site.send(request).await.status()
    };
    assert_eq!(status("/").await, StatusCode::OK);
    for path in ["/events", "/assets/plotly.js", "/download/summary.json"] {
        assert_eq!(status(path).await, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn orders_need_a_form_that_another_site_cannot_send_unasked() {
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let site = Site::new();
        let mut order = request(Method::POST, "/stop");
        if let Some(kind) = kind {
            order = order.header("content-type", kind);
        }
        let response = site.send(order.body(Body::from("{}")).unwrap()).await;
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(site.fake.orders().is_empty());
    }
}

#[tokio::test]
async fn nobody_is_allowed_in_by_a_preflight() {
    let site = Site::new();
    let question = request(Method::OPTIONS, "/start")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let response = site.send(question.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let headers = response.headers();
    assert!(headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn the_pages_own_orders_are_taken() {
    let site = Site::new();
    let order = request(Method::POST, "/stop")
        .header("content-type", "application/json; charset=utf-8")
        .header("origin", "http://127.0.0.1:8089")
        .header("sec-fetch-site", "same-origin");
    let response = site.send(order.body(Body::from("{}")).unwrap()).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(site.fake.orders(), ["Stop(StopOrder { now: false })"]);
}

#[tokio::test]
async fn every_answer_keeps_the_page_to_itself() {
    let site = Site::new();
    for path in ["/", "/events", "/nothing", "/assets/main.js", "/start"] {
        let response = site.get(path).await;
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

#[tokio::test]
async fn the_page_has_no_script_of_its_own_and_asks_nobody_else() {
    let site = Site::new();
    let page = text(site.get("/").await).await;
    assert!(page.contains("<h1>load-client</h1>"));
    for script in page.split("<script").skip(1) {
        assert!(
            script.trim_start().starts_with("src=\"/assets/"),
            "{script}"
        );
        let name = script.split('"').nth(1).unwrap();
        assert_eq!(site.get(name).await.status(), StatusCode::OK, "{name}");
    }
    for foreign in ["http://", "https://", "javascript:", " onclick", " style="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}
