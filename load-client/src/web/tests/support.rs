//! A controller in memory, and requests to its router.

use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::measure::moment::{Moment, MomentRow};
use crate::measure::sample::{Outcome, Sample};
use crate::measure::summary::Rates;
use crate::measure::tally::Tally;
use crate::web::{
    AllowedHosts, Board, Download, EditOrder, Figures, Offers, Phase, Refusal, RunController,
    RunMark, RunMoment, StartOrder, State, StopOrder, board_download, board_downloads, router,
};

/// Notes the orders that reach it, and keeps the board as a run would.
pub(super) struct Fake {
    pub(super) board: Board,
    pub(super) orders: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, order: String) {
        self.orders.lock().unwrap().push(order);
    }

    pub(super) fn orders(&self) -> Vec<String> {
        self.orders.lock().unwrap().clone()
    }

    /// Begins run `number`.
    pub(super) fn begin(&self, number: u32) {
        self.board.begin(RunMark {
            number,
            run_id: format!("id-{number}"),
            started_unix_ms: 0,
        });
    }

    /// One more second of the run.
    pub(super) fn second(&self, second: u64) {
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
            return Err(Refusal::Conflict("run #1 is going on".to_owned()));
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

    fn download(&self, file: &str) -> Result<Option<Download>, Refusal> {
        match file {
            // There, and offered to nobody.
            "hidden" => Ok(Some(Download {
                media_type: "text/plain",
                content: Vec::new(),
            })),
            file => board_download(&self.board, file),
        }
    }
}

/// A router on 127.0.0.1:8089.
pub(super) struct Site {
    pub(super) fake: Arc<Fake>,
    pub(super) closed: CancellationToken,
    router: Router,
}

impl Site {
    pub(super) fn new() -> Self {
        let state = State {
            offers: Offers {
                downloads: board_downloads(),
                ..Offers::default()
            },
            ..State::default()
        };
        let fake = Arc::new(Fake {
            board: Board::new(state),
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

    pub(super) async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Response {
        self.send(request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> (StatusCode, serde_json::Value) {
        let request = request(Method::POST, path).header("content-type", "application/json");
        let response = self
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await;
        let status = response.status();
        (status, serde_json::from_str(&text(response).await).unwrap())
    }
}

/// A request as the page itself sends it.
pub(super) fn request(method: Method, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:8089")
}

pub(super) async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    String::from_utf8(body.unwrap().to_vec()).unwrap()
}

/// One event as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrived {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: serde_json::Value,
}

/// Reads events up to and with the `count`-th that has this name; fewer if the stream ends before.
pub(super) async fn events_until(response: Response, name: &str, count: usize) -> Vec<Arrived> {
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
pub(crate) fn moment(run: u32, second: u64) -> RunMoment {
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
            10 => Outcome::ErrorStatus("status 500".to_owned()),
            _ => Outcome::Ok,
        };
        let sample = Sample::test(index * 1_000_000, (index + 1) * 1_000_000, outcome);
        tally.record(&sample, std::time::Duration::ZERO);
    }
    Figures {
        summary: tally.summary(),
        histogram: tally.histogram(4),
    }
}
