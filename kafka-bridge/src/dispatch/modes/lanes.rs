//! Each record in a task of its own, but those of one lane one after the other.
//!
//! Kafka orders records within a partition only, so equal keys in two partitions or topics have no order to keep.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

use bytes::Bytes;
use tokio::task::JoinError;

use super::tasks::Tasks;
use crate::dispatch::job::Done;
use crate::{Record, TopicPartition};

/// Records that keep their order: those of a partition that have the key, or all of it.
pub(in crate::dispatch) type Lane = (TopicPartition, Option<Bytes>);

/// What a lane is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum LanePer {
    /// A record without a key is in none.
    Key,
    Partition,
}

impl LanePer {
    /// Returns the lane of a record; `None` if it has no order to keep.
    fn of(self, record: &Record) -> Option<Lane> {
        let key = match self {
            Self::Key => Some(record.key.clone()?),
            Self::Partition => None,
        };
        Some((record.coordinates.topic_partition.clone(), key))
    }
}

/// Holds the tasks under way and the jobs that wait behind them.
#[derive(Debug)]
pub(in crate::dispatch) struct Lanes<J> {
    per: LanePer,
    tasks: Tasks<J, Option<Lane>, Done>,
    /// The lanes that have a task under way, and what waits behind it.
    lanes: HashMap<Lane, VecDeque<Waiting<J>>>,
    waiting: usize,
}

/// A job that was not started, and the bytes that its record holds.
#[derive(Debug)]
struct Waiting<J> {
    job: J,
    size: usize,
}

/// What was dropped before it was started; also a bound on what may wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dispatch) struct Dropped {
    pub(in crate::dispatch) records: usize,
    pub(in crate::dispatch) bytes: usize,
}

impl<J: 'static> Lanes<J> {
    pub(super) fn new(per: LanePer) -> Self {
        Self {
            per,
            tasks: Tasks::default(),
            lanes: HashMap::new(),
            waiting: 0,
        }
    }
}

impl<J: Future<Output = Done> + Send + 'static> Lanes<J> {
    pub(super) fn lane(&self, record: &Record) -> Option<Lane> {
        self.per.of(record)
    }

    pub(super) fn is_taken(&self, lane: &Lane) -> bool {
        self.lanes.contains_key(lane)
    }

    /// Returns the number of jobs, started or not.
    pub(super) fn len(&self) -> usize {
        self.tasks.len() + self.waiting
    }

    /// Starts the job, or lets it wait for those before it in its lane.
    pub(super) fn start(&mut self, lane: Option<Lane>, size: usize, job: J) {
        if let Some(lane) = &lane {
            match self.lanes.entry(lane.clone()) {
                Entry::Occupied(mut taken) => {
                    taken.get_mut().push_back(Waiting { job, size });
                    self.waiting += 1;
                    return;
                }
                Entry::Vacant(free) => {
                    free.insert(VecDeque::new());
                }
            }
        }
        self.tasks.start(lane, job);
    }

    /// Waits for the next job to end and starts the one behind it; for ever when there is none.
    /// Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Done, JoinError> {
        let (lane, done) = self.tasks.next().await?;
        if let Some(lane) = lane {
            self.advance(lane);
        }
        Ok(done)
    }

    /// Drops the jobs of a partition that were not started: its next owner will handle them, and
    /// starting them here as well would break their order there.
    pub(super) fn forget(&mut self, topic_partition: &TopicPartition) -> Dropped {
        let mut dropped = Dropped::default();
        let lanes = self.lanes.iter_mut();
        for (_, jobs) in lanes.filter(|((own, _), _)| own == topic_partition) {
            dropped.records += jobs.len();
            dropped.bytes += jobs.iter().map(|waiting| waiting.size).sum::<usize>();
            // The lane stays: a record that comes back waits for the task that is under way.
            jobs.clear();
        }
        self.waiting -= dropped.records;
        dropped
    }

    pub(super) fn abandon(&mut self) {
        self.tasks.abandon();
        self.lanes.clear();
        self.waiting = 0;
    }

    fn advance(&mut self, lane: Lane) {
        let Entry::Occupied(mut own) = self.lanes.entry(lane) else {
            return;
        };
        if let Some(Waiting { job, .. }) = own.get_mut().pop_front() {
            self.waiting -= 1;
            let lane = own.key().clone();
            self.tasks.start(Some(lane), job);
        } else {
            own.remove();
        }
    }
}
