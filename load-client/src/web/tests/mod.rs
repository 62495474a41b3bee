//! Tests of the router, as seen by a browser or by a page of another site.

mod orders;

use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::measure::history::{Moment, MomentRow};
use crate::measure::summary::{Rates, Sample, Status};
use crate::measure::tally::Tally;
use crate::web::past::RunMoment;
use crate::web::{
    AllowedHosts, Board, Figures, Order, Phase, Refusal, RunController, State, router,
};

/// Notes its orders, and updates the board like a run.
struct Fake {
    board: Board,
    orders: Mutex<Vec<String>>,
}

impl Fake {
    fn orders(&self) -> Vec<String> {
        self.orders.lock().unwrap().clone()
    }

    /// Begins the first run.
    fn begin(&self) {
        self.board.change(|state| {
            state.phase = Phase::Starting;
            (state.run, state.run_id) = (1, Some("id-1".to_owned()));
        });
        self.board.begin();
    }

    /// Records one more second of the run.
    fn second(&self, second: u64) {
        let figures = FIGURES.get_or_init(figures).clone();
        self.board.record(moment(1, second).moment, figures);
    }
}

impl RunController for Fake {
    fn board(&self) -> &Board {
        &self.board
    }

    async fn carry_out(&self, order: Order) -> Result<State, Refusal> {
        let phase = self.board.state().phase;
        let next = match order {
            Order::Start(_) if phase.is_active() => {
                return Err(Refusal::conflict("run #1 is going on"));
            }
            Order::Start(_) => Phase::Starting,
            Order::Stop(_) => Phase::Stopping,
            Order::Edit(_) | Order::Reset => phase,
        };
        if order == Order::Reset {
            self.board.clear();
        }
        self.orders.lock().unwrap().push(format!("{order:?}"));
        Ok(self.board.change(|state| state.phase = next))
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

/// Returns a request like those of the page.
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
    data: serde_json::Value,
}

/// The events of one browser.
struct Feed {
    stream: BodyDataStream,
    text: String,
}

impl Feed {
    /// Returns a browser that has read the whole board, which is sent first.
    async fn after_replay(site: &Site) -> Self {
        let mut feed = Self::of(site.get("/events").await);
        assert_eq!(names(&feed.until("histogram").await), REPLAY);
        feed
    }

    fn of(response: Response) -> Self {
        Self {
            stream: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// Reads events up to the first with this name, or to the end if there is none.
    async fn until(&mut self, name: &str) -> Vec<Arrived> {
        let mut events = Vec::<Arrived>::new();
        while events.last().is_none_or(|event| event.name != name) {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                events.push(parse(&event));
                continue;
            }
            let Some(chunk) = self.stream.next().await else {
                break;
            };
            let chunk = chunk.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        events
    }
}

fn parse(event: &str) -> Arrived {
    let field = |name: &str| {
        let mut lines = event.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Arrived {
        name: field("event").unwrap().to_owned(),
        data: serde_json::from_str(field("data").unwrap_or("null")).unwrap(),
    }
}

/// Returns a moment of a run.
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
    RunMoment {
        change: second,
        run,
        moment,
    }
}

static FIGURES: OnceLock<Figures> = OnceLock::new();

/// Returns the figures of ten good replies and one failure.
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

// Events for browsers that come late, reconnect, or are slow, and for several browsers.

fn names(events: &[Arrived]) -> Vec<&str> {
    events.iter().map(|event| &*event.name).collect()
}

fn seconds(event: &Arrived) -> Vec<f64> {
    let moments = event.data["moments"].as_array().unwrap();
    let seconds = moments.iter().map(|moment| moment["seconds"].as_f64());
    seconds.map(Option::unwrap).collect()
}

const REPLAY: [&str; 5] = ["state", "log", "history", "summary", "histogram"];

#[tokio::test]
async fn a_late_browser_is_told_the_past_and_then_the_present() {
    let site = Site::new();
    site.fake.begin();
    site.fake.second(1);
    site.fake.second(2);
    let response = site.get("/events").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut feed = Feed::of(response);
    let events = feed.until("histogram").await;
    assert_eq!(names(&events), REPLAY);
    assert_eq!(events[0].data["phase"], "running");
    let log = events[1].data.as_array().unwrap();
    assert_eq!(log.last().unwrap()["text"], "run #1 is connected and sends");
    assert_eq!(seconds(&events[2]), [1.0, 2.0]);
    assert_eq!(events[2].data["runs"][0]["run_id"], "id-1");
    assert_eq!(events[3].data["total"]["requests"], 11);
    assert_eq!(events[3].data["errors"][0]["error"], "status 500");
    assert_eq!(events[4].data.as_array().unwrap().len(), 4);
    site.fake.second(3);
    let events = feed.until("histogram").await;
    assert_eq!(names(&events), ["moment", "summary", "histogram"]);
    assert_eq!(events[0].data["seconds"], 3.0);
    assert_eq!(events[0].data["run"], 1);
}

#[tokio::test]
async fn before_the_first_run_there_are_no_figures() {
    let site = Site::new();
    let events = Feed::of(site.get("/events").await).until("histogram").await;
    assert_eq!(names(&events), REPLAY);
    assert!(events[3].data.is_null() && events[4].data.is_null());
}

#[tokio::test]
async fn a_browser_that_does_not_read_is_told_what_it_missed_and_how_it_stands_now() {
    for (missed, expected) in [(64, vec!["moment"; 64]), (500, vec!["history"])] {
        let site = Site::new();
        site.fake.begin();
        let mut feed = Feed::after_replay(&site).await;
        (1..=missed).for_each(|second| site.fake.second(second));
        site.closed.cancel();
        let events = feed.until("never").await;
        let expected = [expected, vec!["summary", "histogram"]].concat();
        // The queue of a browser is bounded, but it still gets everything that it missed.
        assert_eq!(names(&events), expected);
        if missed == 500 {
            assert_eq!(seconds(&events[0]).len(), 500);
        }
    }
}

#[tokio::test]
async fn all_browsers_see_the_same_orders() {
    let site = Site::new();
    let mut feeds = [
        Feed::after_replay(&site).await,
        Feed::after_replay(&site).await,
    ];
    site.post("/start", r#"{"users":1,"spawn_rate":1}"#).await;
    for feed in &mut feeds {
        let events = feed.until("state").await;
        assert_eq!(events[0].data["phase"], "starting");
    }
}

#[tokio::test]
async fn a_reset_empties_every_browser() {
    let site = Site::new();
    site.fake.begin();
    site.fake.second(1);
    let mut feed = Feed::after_replay(&site).await;
    site.post("/reset", "{}").await;
    let events = feed.until("histogram").await;
    assert_eq!(names(&events), REPLAY);
    assert!(seconds(&events[2]).is_empty());
    assert_eq!(events[2].data["runs"][0]["number"], 1);
    assert!(events[3].data.is_null());
}

#[tokio::test]
async fn the_end_of_the_server_ends_the_streams_after_the_last_event() {
    let site = Site::new();
    let mut feed = Feed::after_replay(&site).await;
    site.post("/stop", "{}").await;
    site.closed.cancel();
    // This would wait for ever if the stream did not end.
    let events = feed.until("never").await;
    assert_eq!(names(&events), ["state", "log"]);
    assert_eq!(events[0].data["phase"], "stopping");
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
