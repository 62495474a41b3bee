//! The loop's periodic work happens in time during a stream of records without a pause.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Router, routing::post};
use futures_util::FutureExt;
use kafka_bridge::offsets::Position;
use kafka_bridge::ports::{Intake, RecordSource, SourceEvent};
use kafka_bridge::testing::MemorySink;
use kafka_bridge::{Bridge, Dispatch, Error, Operation, Record, TopicPartition};
use tokio::time::{Instant, advance};

const RECORDS: i64 = 240;

/// How far each record advances the clock.
const STEP: Duration = Duration::from_millis(100);

/// The time and the offset of each commit.
type Commits = Arc<Mutex<Vec<(Duration, i64)>>>;

/// Always has a record, so the loop never waits. Each record takes its time.
struct Steady {
    next: i64,
    started: Instant,
    commits: Commits,
}

impl RecordSource for Steady {
    async fn next(&mut self, intake: Intake) -> Result<SourceEvent, Error> {
        if intake == Intake::Closed {
            std::future::pending::<()>().await;
        }
        self.next += 1;
        Ok(match self.next {
            0 => SourceEvent::Assigned {
                partitions: vec![TopicPartition::new("steady", 0)],
                generation: 0,
            },
            RECORDS.. => SourceEvent::Exhausted,
            offset => {
                // The clock advances at the first poll. Waiting for it would make the loop wait.
                let _ = advance(STEP).now_or_never();
                let record = Record::new("steady", 0, offset);
                SourceEvent::Record(record.with_header("reply-to", "steady.reply"))
            }
        })
    }

    fn commit(&mut self, positions: &[Position]) {
        let at = self.started.elapsed();
        let mut commits = self.commits.lock().unwrap();
        commits.extend(positions.iter().map(|own| (at, own.next_offset)));
    }

    async fn close(self, _positions: Vec<Position>) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn commits_keep_their_interval_under_a_steady_stream() {
    for dispatch in [Dispatch::Serial, Dispatch::Tasks, Dispatch::Keyed] {
        let commits = Commits::default();
        let source = Steady {
            next: -1,
            started: Instant::now(),
            commits: Arc::clone(&commits),
        };
        let app = Router::new().route("/", post(|| async {}));
        let bridge = Bridge::builder(app)
            .operation(Operation::post("steady", "/").unwrap())
            .dispatch(dispatch)
            // Tasks run when the loop waits for them, which it does at this limit.
            .max_in_flight(4)
            .commit_interval(Duration::from_secs(1))
            .with_ports(source, MemorySink::default())
            .unwrap();
        bridge.await.unwrap();

        let commits = commits.lock().unwrap();
        let times: Vec<_> = commits.iter().map(|(at, _)| at.as_millis()).collect();
        assert!(times.len() >= 17, "{dispatch}: {times:?}");
        for pair in times.windows(2) {
            assert!((1000..=1400).contains(&(pair[1] - pair[0])), "{times:?}");
        }
    }
}
