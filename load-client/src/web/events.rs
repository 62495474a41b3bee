//! The events of the page, and how one browser is sent them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as SseEvent, KeepAlive};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::history::History;
use super::{Board, Figures, RunMark, RunMoment, State};

/// An event `ping` is sent after this time without another, so that the page can tell a quiet server
/// from a lost one.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// One event, written once for all browsers.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// `None` for an event after which a browser has not read all up to any position.
    position: Option<Position>,
    pub(super) name: &'static str,
    pub(super) data: Arc<str>,
}

/// Up to where a browser has read; the `Last-Event-ID` of a reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) server: u64,
    pub(super) number: u64,
}

impl Position {
    /// Reads what a browser sends; anything else is as if it had sent nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (server, number) = text.split_once('-')?;
        Some(Self {
            server: server.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

#[derive(Serialize)]
struct Past<'a> {
    runs: &'a [RunMark],
    moments: Vec<&'a RunMoment>,
}

impl Event {
    pub(super) fn state(state: &State) -> Self {
        Self::new("state", state)
    }

    /// Replaces all moments that a browser knows.
    pub(super) fn history(history: &History) -> Self {
        let past = Past {
            runs: history.runs(),
            moments: history.moments().collect(),
        };
        Self::new("history", &past)
    }

    pub(super) fn moment(moment: &RunMoment) -> Self {
        Self::new("moment", moment)
    }

    /// The statistics without the failures, the failures, the histogram; each may be null.
    pub(super) fn figures(figures: Option<&Figures>) -> [Self; 3] {
        let summary = figures.map(|figures| &figures.summary);
        let without_failures = summary.map(|summary| {
            let mut value = serde_json::to_value(summary).unwrap_or_default();
            value
                .as_object_mut()
                .and_then(|fields| fields.remove("errors"));
            value
        });
        [
            Self::new("summary", &without_failures),
            Self::new("failures", &summary.map(|summary| &summary.errors)),
            Self::new("histogram", &figures.map(|figures| &figures.histogram)),
        ]
    }

    fn new(name: &'static str, data: &impl Serialize) -> Self {
        // Only maps with keys that are no text cannot be written, and there are none.
        let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        Self {
            position: None,
            name,
            data: data.into(),
        }
    }

    /// The same event at a position.
    pub(super) fn at(mut self, server: u64, number: u64) -> Self {
        self.position = Some(Position { server, number });
        self
    }

    fn to_sse(&self) -> SseEvent {
        let event = SseEvent::default().event(self.name).data(&*self.data);
        match self.position {
            Some(Position { server, number }) => event.id(format!("{server}-{number}")),
            None => event,
        }
    }
}

/// Keeps a quiet connection open, and known to be so.
pub(super) fn keep_alive() -> KeepAlive {
    let ping = SseEvent::default().event("ping").data("");
    KeepAlive::new().interval(PING_INTERVAL).event(ping)
}

struct Feed {
    board: Board,
    told: std::vec::IntoIter<Event>,
    live: Receiver<Event>,
    closed: CancellationToken,
    /// Held for as long as the browser listens.
    _place: tokio::sync::OwnedSemaphorePermit,
}

/// What one browser is sent: the past, then the present, until `closed`.
pub(super) fn feed(
    board: Board,
    position: Option<Position>,
    place: tokio::sync::OwnedSemaphorePermit,
    closed: CancellationToken,
) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    let (told, live) = board.subscribe(position);
    let feed = Feed {
        board,
        told: told.into_iter(),
        live,
        closed,
        _place: place,
    };
    stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event.to_sse()), feed))
    })
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.told.next() {
                return Some(event);
            }
            let event = tokio::select! {
                // How the last run ended is told before the end.
                biased;
                event = self.live.recv() => event,
                () = self.closed.cancelled() => return None,
            };
            match event {
                Ok(event) => return Some(event),
                Err(RecvError::Closed) => return None,
                // Too slow: what was missed is not kept for it, the whole is told anew.
                Err(RecvError::Lagged(_)) => {
                    let (told, live) = self.board.subscribe(None);
                    (self.told, self.live) = (told.into_iter(), live);
                }
            }
        }
    }
}
