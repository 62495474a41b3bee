//! What browsers are told: late, reconnecting, slow, several.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use super::support::{Arrived, Site, events_until, request};

fn names(events: &[Arrived]) -> Vec<&str> {
    events.iter().map(|event| &*event.name).collect()
}

fn seconds(event: &Arrived) -> Vec<f64> {
    let moments = event.data["moments"].as_array().unwrap();
    let seconds = moments.iter().map(|moment| moment["seconds"].as_f64());
    seconds.map(Option::unwrap).collect()
}

const REPLAY: [&str; 5] = ["state", "history", "summary", "failures", "histogram"];

#[tokio::test]
async fn a_late_browser_is_told_the_past_and_then_the_present() {
    let site = Site::new();
    site.fake.begin(1);
    site.fake.second(1);
    site.fake.second(2);
    let response = site.get("/events").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    site.fake.second(3);
    let events = events_until(response, "histogram", 2).await;
    let live = ["moment", "summary", "failures", "histogram"];
    assert_eq!(names(&events), [&REPLAY[..], &live].concat());
    assert_eq!(events[0].data["phase"], "running");
    assert_eq!(seconds(&events[1]), [1.0, 2.0]);
    assert_eq!(events[1].data["runs"][0]["run_id"], "id-1");
    assert_eq!(events[2].data["total"]["requests"], 11);
    assert!(events[2].data.get("errors").is_none());
    assert_eq!(events[3].data[0]["error"], "status 500");
    assert_eq!(events[4].data.as_array().unwrap().len(), 4);
    assert_eq!(events[5].data["seconds"], 3.0);
}

#[tokio::test]
async fn before_the_first_run_there_are_no_figures() {
    let site = Site::new();
    let events = events_until(site.get("/events").await, "histogram", 1).await;
    assert_eq!(names(&events), REPLAY);
    assert!(events[2].data.is_null() && events[3].data.is_null());
}

#[tokio::test]
async fn a_browser_that_reconnects_is_told_what_it_missed() {
    let site = Site::new();
    site.fake.begin(1);
    site.fake.second(1);
    let events = events_until(site.get("/events").await, "histogram", 1).await;
    // Half a replay is no position: whoever has it is told all again.
    assert!(events[..4].iter().all(|event| event.id.is_none()));
    let id = events[4].id.clone().unwrap();
    site.fake.second(2);
    site.fake.second(3);
    let again = |id: &str| request(Method::GET, "/events").header("last-event-id", id);
    let response = site.send(again(&id).body(Body::empty()).unwrap()).await;
    let events = events_until(response, "histogram", 1).await;
    assert_eq!(
        names(&events),
        [
            "state",
            "moment",
            "moment",
            "summary",
            "failures",
            "histogram"
        ]
    );
    assert_eq!(events[1].data["seconds"], 2.0);
    // A position of before a reset, of another server, or of nowhere.
    site.fake.board.clear();
    let now = events_until(site.get("/events").await, "histogram", 1).await;
    let (_, number) = now[4].id.as_ref().unwrap().split_once('-').unwrap();
    let other_server = format!("1-{number}");
    for unknown in [&*id, &other_server, "x", ""] {
        let response = site.send(again(unknown).body(Body::empty()).unwrap()).await;
        let events = events_until(response, "histogram", 1).await;
        assert_eq!(names(&events), REPLAY, "{unknown}");
        assert!(seconds(&events[1]).is_empty());
    }
}

#[tokio::test]
async fn a_browser_that_does_not_read_is_told_the_whole_anew() {
    let site = Site::new();
    site.fake.begin(1);
    let response = site.get("/events").await;
    for second in 1..=500 {
        site.fake.second(second);
    }
    site.closed.cancel();
    let events = events_until(response, "never", 1).await;
    // What waited for it was bounded, and what it missed it has all the same.
    assert!(events.len() < 100, "{}", events.len());
    let last = events.iter().rfind(|event| event.name == "history");
    assert_eq!(seconds(last.unwrap()).len(), 500);
}

#[tokio::test]
async fn all_browsers_see_the_same_orders() {
    let site = Site::new();
    let (one, two) = (site.get("/events").await, site.get("/events").await);
    site.post("/start", r#"{"users":1,"spawn_rate":1}"#).await;
    for response in [one, two] {
        let events = events_until(response, "state", 2).await;
        assert_eq!(events.last().unwrap().data["phase"], "starting");
    }
}

#[tokio::test]
async fn a_reset_empties_every_browser() {
    let site = Site::new();
    site.fake.begin(1);
    site.fake.second(1);
    let response = site.get("/events").await;
    site.post("/reset", "{}").await;
    let events = events_until(response, "histogram", 2).await;
    assert_eq!(names(&events), [REPLAY, REPLAY].concat());
    assert!(seconds(&events[6]).is_empty());
    assert_eq!(events[6].data["runs"][0]["number"], 1);
    assert!(events[7].data.is_null());
}

#[tokio::test]
async fn the_end_of_the_server_ends_the_streams_after_the_last_event() {
    let site = Site::new();
    let response = site.get("/events").await;
    site.post("/stop", "{}").await;
    site.closed.cancel();
    // Would wait for ever otherwise.
    let events = events_until(response, "never", 1).await;
    assert_eq!(names(&events), [&REPLAY[..], &["state"]].concat());
    assert_eq!(events.last().unwrap().data["phase"], "stopping");
}

#[tokio::test]
async fn listeners_are_counted() {
    let site = Site::new();
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(site.get("/events").await);
    }
    let status = async || site.get("/events").await.status();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    assert_eq!(status().await, StatusCode::OK);
}
