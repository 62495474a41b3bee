//! Runs each record in its own task, and the records of one lane one after the other.
//!
//! Kafka orders records within a partition only, so equal keys in two partitions or topics have no order to keep.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

use bytes::Bytes;
use tokio::task::JoinError;

use super::tasks::Tasks;
use crate::dispatch::job::Done;
use crate::{Record, TopicPartition};

/// Identifies records that keep their order: those of one key in a partition, or the whole partition.
pub(in crate::dispatch) type Lane = (TopicPartition, Option<Bytes>);

/// What records of one lane have in common.
#[derive(Clone, Copy, Debug)]
pub(super) enum LanePer {
    /// The key. A record without a key has no lane.
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

/// The running tasks, and the jobs that wait behind them.
#[derive(Debug)]
pub(in crate::dispatch) struct Lanes<J> {
    per: LanePer,
    tasks: Tasks<J, Option<Lane>, Done>,
    /// The lanes with a running task, and the jobs behind it.
    lanes: HashMap<Lane, VecDeque<Waiting<J>>>,
    waiting: usize,
}

/// A job that has not started, and the size of its record in bytes.
#[derive(Debug)]
struct Waiting<J> {
    job: J,
    size: usize,
}

/// Counts dropped jobs that had not started. Also used as a limit on waiting jobs.
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

    /// Starts the job, or queues it behind the others of its lane.
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

    /// Waits for the next job to end and starts the one behind it, forever when there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Done, JoinError> {
        let (lane, done) = self.tasks.next().await?;
        if let Some(lane) = lane {
            self.advance(lane);
        }
        Ok(done)
    }

    /// Drops the jobs of a partition that have not started. Its next owner handles them, and starting them here as well
    /// would break the order there.
    pub(super) fn forget(&mut self, topic_partition: &TopicPartition) -> Dropped {
        let mut dropped = Dropped::default();
        let lanes = self.lanes.iter_mut();
        for (_, jobs) in lanes.filter(|((own, _), _)| own == topic_partition) {
            dropped.records += jobs.len();
            dropped.bytes += jobs.iter().map(|waiting| waiting.size).sum::<usize>();
            // Keep the lane: a record that comes back waits for the running task.
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
