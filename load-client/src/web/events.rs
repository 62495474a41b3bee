//! The events of the page, and how one browser is sent them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as SseEvent, KeepAlive};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::measure::history::Moment;
use crate::web::log::Log;
use crate::web::{Board, Figures, State};

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

    /// All that is kept of what happened.
    pub(super) fn log(log: &Log) -> Self {
        Self::new("log", log)
    }

    /// Replaces all moments that a browser knows.
    pub(super) fn history(history: &RunHistory) -> Self {
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

/// Moments kept: over an hour at one a second. When there are more, they are thinned out, the old
/// ones more than the new ones, so that a week fits and a chart still shows its course.
const MAX_MOMENTS: usize = 4096;
/// A moment is dropped if the next one kept is nearer to it than this part of its age. With 400 a week
/// needs about 3300 moments, and an hour ago is shown at every nine seconds.
const PARTS_OF_AGE: u64 = 400;
/// Runs whose start is marked.
const MAX_RUNS: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunMark {
    /// Counted from 1.
    pub number: u32,
    pub run_id: String,
    /// When it started to send, in milliseconds since 1970.
    pub started_unix_ms: u64,
}

/// A moment, and the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunMoment {
    /// The run, counted from 1.
    pub run: u32,
    #[serde(flatten)]
    pub moment: Moment,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct RunHistory {
    runs: Vec<RunMark>,
    /// Each with its event's number.
    moments: Vec<(u64, RunMoment)>,
}

impl RunHistory {
    pub(super) fn begin(&mut self, run: RunMark) {
        if self.runs.len() == MAX_RUNS {
            let oldest = self.runs.remove(0).number;
            self.moments.retain(|(_, moment)| moment.run > oldest);
        }
        self.runs.push(run);
    }

    pub(super) fn push(&mut self, number: u64, moment: RunMoment) {
        if self.moments.len() >= MAX_MOMENTS {
            self.thin_out(moment.moment.unix_seconds);
        }
        self.moments.push((number, moment));
    }

    fn thin_out(&mut self, now: u64) {
        let mut next_kept = now;
        let first = self.moments.first().map(|(number, _)| *number);
        self.moments.reverse();
        self.moments.retain(|(number, own)| {
            let seconds = own.moment.unix_seconds;
            let age = now.saturating_sub(seconds);
            let is_far = next_kept.saturating_sub(seconds) >= (age / PARTS_OF_AGE).max(1);
            let is_kept = is_far || Some(*number) == first;
            if is_kept {
                next_kept = seconds;
            }
            is_kept
        });
        self.moments.reverse();
        // After months, or with a clock that stands still, that is not enough.
        let excess = self.moments.len().saturating_sub(MAX_MOMENTS * 9 / 10);
        self.moments.drain(..excess);
    }

    /// Forgets all but the mark of a run that goes on.
    pub(super) fn clear(&mut self, active: Option<u32>) {
        self.moments.clear();
        self.runs.retain(|run| Some(run.number) == active);
    }

    pub(super) fn runs(&self) -> &[RunMark] {
        &self.runs
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = &RunMoment> {
        self.moments.iter().map(|(_, moment)| moment)
    }

    /// The moments whose event has a higher number.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = &(u64, RunMoment)> {
        let start = self.moments.partition_point(|(own, _)| *own <= number);
        self.moments[start..].iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::moment;

    fn mark(number: u32) -> RunMark {
        RunMark {
            number,
            run_id: number.to_string(),
            started_unix_ms: 0,
        }
    }

    #[test]
    fn a_week_fits_and_shows_its_whole_course() {
        let mut history = RunHistory::default();
        history.begin(mark(1));
        let week = 7 * 24 * 3600;
        for second in 0..week {
            history.push(second, moment(1, second));
        }
        assert!(history.moments.len() <= MAX_MOMENTS);
        let seconds: Vec<f64> = history.moments().map(|own| own.moment.seconds).collect();
        assert_eq!(seconds[0], 0.0);
        assert_eq!(seconds.last().copied(), Some((week - 1) as f64));
        assert!(seconds.is_sorted());
        for two in seconds.windows(2) {
            let age = week as f64 - two[0];
            assert!(two[1] - two[0] <= 2.0 + age / 50.0, "{two:?}");
        }
        assert!(
            seconds
                .windows(2)
                .rev()
                .take(300)
                .all(|two| two[1] - two[0] == 1.0)
        );
    }

    #[test]
    fn a_clock_that_stands_still_does_not_fill_memory() {
        let mut history = RunHistory::default();
        for number in 0..20_000 {
            history.push(number, moment(1, 7));
        }
        assert!(history.moments.len() <= MAX_MOMENTS);
    }

    #[test]
    fn the_oldest_run_makes_room() {
        let mut history = RunHistory::default();
        for number in 1..=150 {
            history.begin(mark(number));
            history.push(u64::from(number), moment(number, 0));
        }
        assert_eq!(history.runs().len(), MAX_RUNS);
        assert_eq!(history.moments().next().unwrap().run, 51);
        assert_eq!(history.after(148).count(), 2);
        history.clear(Some(150));
        assert_eq!((history.runs().len(), history.moments().count()), (1, 0));
    }
}
