//! What another site's page may try, and must not get.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use super::support::{Site, request, text};

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
    assert_eq!(site.fake.orders(), ["stop StopOrder { now: false }"]);
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
