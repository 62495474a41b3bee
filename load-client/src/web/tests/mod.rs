//! Tests of the router, as a browser or another site's page sees it.

mod orders;

use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::measure::history::{Moment, MomentRow};
use crate::measure::summary::{Rates, Sample, Status};
use crate::measure::tally::Tally;
use crate::web::{
    AllowedHosts, Board, EditOrder, Figures, Phase, Refusal, RunController, RunMark, RunMoment,
    StartOrder, State, StopOrder, router,
};

/// Notes the orders that reach it, and keeps the board as a run would.
struct Fake {
    board: Board,
    orders: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, order: String) {
        self.orders.lock().unwrap().push(order);
    }

    fn orders(&self) -> Vec<String> {
        self.orders.lock().unwrap().clone()
    }

    /// Begins run `number`.
    fn begin(&self, number: u32) {
        self.board.begin(RunMark {
            number,
            run_id: format!("id-{number}"),
            started_unix_ms: 0,
        });
    }

    /// One more second of the run.
    fn second(&self, second: u64) {
        let figures = FIGURES.get_or_init(figures).clone();
        self.board.record(moment(1, second).moment, figures);
    }
}

impl RunController for Fake {
    fn board(&self) -> &Board {
        &self.board
    }

    async fn start(&self, order: StartOrder) -> Result<State, Refusal> {
        if self.board.state().phase.is_active() {
            return Err(Refusal::conflict("run #1 is going on"));
        }
        self.note(format!("start {order:?}"));
        Ok(self.board.change(|state| state.phase = Phase::Starting))
    }

    async fn edit(&self, order: EditOrder) -> Result<State, Refusal> {
        self.note(format!("edit {order:?}"));
        Ok(self.board.state())
    }

    async fn stop(&self, order: StopOrder) -> Result<State, Refusal> {
        self.note(format!("stop {order:?}"));
        Ok(self.board.change(|state| state.phase = Phase::Stopping))
    }

    async fn reset(&self) -> Result<State, Refusal> {
        self.note("reset".to_owned());
        self.board.clear();
        Ok(self.board.state())
    }
}

/// A router on 127.0.0.1:8089.
struct Site {
    fake: Arc<Fake>,
    closed: CancellationToken,
    router: Router,
}

impl Site {
    fn new() -> Self {
        let fake = Arc::new(Fake {
            board: Board::new(State::default()),
            orders: Mutex::default(),
        });
        let closed = CancellationToken::new();
        let hosts = AllowedHosts::new("127.0.0.1:8089".parse().unwrap(), &[]);
        Self {
            router: router(Arc::clone(&fake), hosts, closed.clone()),
            fake,
            closed,
        }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.send(request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, serde_json::Value) {
        let request = request(Method::POST, path).header("content-type", "application/json");
        let response = self
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await;
        let status = response.status();
        (status, serde_json::from_str(&text(response).await).unwrap())
    }
}

/// A request as the page itself sends it.
fn request(method: Method, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:8089")
}

async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    String::from_utf8(body.unwrap().to_vec()).unwrap()
}

/// One event as it arrived.
#[derive(Debug, Clone, PartialEq)]
struct Arrived {
    name: String,
    id: Option<String>,
    data: serde_json::Value,
}

/// Reads events up to and with the `count`-th that has this name; fewer if the stream ends before.
async fn events_until(response: Response, name: &str, count: usize) -> Vec<Arrived> {
    let mut stream = response.into_body().into_data_stream();
    let (mut text, mut events) = (String::new(), Vec::<Arrived>::new());
    while events.iter().filter(|event| event.name == name).count() < count {
        let Some(chunk) = stream.next().await else {
            break;
        };
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            events.push(parse(&event));
        }
    }
    events
}

fn parse(event: &str) -> Arrived {
    let field = |name: &str| {
        let mut lines = event.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Arrived {
        name: field("event").unwrap().to_owned(),
        id: field("id").map(str::to_owned),
        data: serde_json::from_str(field("data").unwrap_or("null")).unwrap(),
    }
}

/// A moment of a run.
pub(super) fn moment(run: u32, second: u64) -> RunMoment {
    let row = MomentRow {
        name: "Aggregated".to_owned(),
        rates: Rates::default(),
        window: None,
        requests: second,
        failures: 0,
    };
    let moment = Moment {
        seconds: second as f64,
        unix_seconds: second,
        users: 1,
        warm_up: false,
        kinds: Vec::new(),
        total: row,
    };
    RunMoment { run, moment }
}

static FIGURES: OnceLock<Figures> = OnceLock::new();

/// Figures of ten good replies and one failure.
fn figures() -> Figures {
    let mut tally = Tally::new(&["createOrder".to_owned()]);
    for index in 0..11 {
        let outcome = match index {
            10 => Status::ErrorStatus,
            _ => Status::Ok,
        };
        let sample = Sample::test(index * 1_000_000, (index + 1) * 1_000_000, outcome);
        tally.record(&sample, std::time::Duration::ZERO);
    }
    Figures {
        summary: tally.summary(),
        histogram: tally.histogram(4),
    }
}

// What browsers are told: late, reconnecting, slow, several.

fn names(events: &[Arrived]) -> Vec<&str> {
    events.iter().map(|event| &*event.name).collect()
}

fn seconds(event: &Arrived) -> Vec<f64> {
    let moments = event.data["moments"].as_array().unwrap();
    let seconds = moments.iter().map(|moment| moment["seconds"].as_f64());
    seconds.map(Option::unwrap).collect()
}

const REPLAY: [&str; 6] = [
    "state",
    "log",
    "history",
    "summary",
    "failures",
    "histogram",
];

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
    assert_eq!(events[1].data[0]["text"], "run #1 is connected and sends");
    assert_eq!(seconds(&events[2]), [1.0, 2.0]);
    assert_eq!(events[2].data["runs"][0]["run_id"], "id-1");
    assert_eq!(events[3].data["total"]["requests"], 11);
    assert!(events[3].data.get("errors").is_none());
    assert_eq!(events[4].data[0]["error"], "status 500");
    assert_eq!(events[5].data.as_array().unwrap().len(), 4);
    assert_eq!(events[6].data["seconds"], 3.0);
}

#[tokio::test]
async fn before_the_first_run_there_are_no_figures() {
    let site = Site::new();
    let events = events_until(site.get("/events").await, "histogram", 1).await;
    assert_eq!(names(&events), REPLAY);
    assert!(events[3].data.is_null() && events[4].data.is_null());
}

#[tokio::test]
async fn a_browser_that_reconnects_is_told_what_it_missed() {
    let site = Site::new();
    site.fake.begin(1);
    site.fake.second(1);
    let events = events_until(site.get("/events").await, "histogram", 1).await;
    // Half a replay is no position: whoever has it is told all again.
    assert!(events[..5].iter().all(|event| event.id.is_none()));
    let id = events[5].id.clone().unwrap();
    site.fake.second(2);
    site.fake.second(3);
    let again = |id: &str| request(Method::GET, "/events").header("last-event-id", id);
    let response = site.send(again(&id).body(Body::empty()).unwrap()).await;
    let events = events_until(response, "histogram", 1).await;
    assert_eq!(
        names(&events),
        [
            "state",
            "log",
            "moment",
            "moment",
            "summary",
            "failures",
            "histogram"
        ]
    );
    assert_eq!(events[2].data["seconds"], 2.0);
    // A position of before a reset, of another server, or of nowhere.
    site.fake.board.clear();
    let now = events_until(site.get("/events").await, "histogram", 1).await;
    let (_, number) = now[5].id.as_ref().unwrap().split_once('-').unwrap();
    let other_server = format!("1-{number}");
    for unknown in [&*id, &other_server, "x", ""] {
        let response = site.send(again(unknown).body(Body::empty()).unwrap()).await;
        let events = events_until(response, "histogram", 1).await;
        assert_eq!(names(&events), REPLAY, "{unknown}");
        assert!(seconds(&events[2]).is_empty());
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
    assert!(seconds(&events[8]).is_empty());
    assert_eq!(events[8].data["runs"][0]["number"], 1);
    assert!(events[9].data.is_null());
}

#[tokio::test]
async fn the_end_of_the_server_ends_the_streams_after_the_last_event() {
    let site = Site::new();
    let response = site.get("/events").await;
    site.post("/stop", "{}").await;
    site.closed.cancel();
    // Would wait for ever otherwise.
    let events = events_until(response, "never", 1).await;
    assert_eq!(names(&events), [&REPLAY[..], &["state", "log"]].concat());
    assert_eq!(events[REPLAY.len()].data["phase"], "stopping");
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
