//! Runs jobs in one of the dispatch modes.

mod lanes;
mod serial;
mod tasks;

pub(super) use self::lanes::{Dropped, Lane};
use self::lanes::{LanePer, Lanes};
use self::serial::Serial;
use self::tasks::Tasks;
use super::job::Done;
use crate::{Dispatch, Error, Record, TopicPartition};

/// The running jobs, all in one mode.
#[derive(Debug)]
pub(super) enum Running<J> {
    Serial(Serial<J>),
    Tasks(Tasks<J, (), Done>),
    Lanes(Lanes<J>),
}

impl<J: Future<Output = Done> + Send + 'static> Running<J> {
    pub(super) fn new(dispatch: Dispatch) -> Self {
        match dispatch {
            Dispatch::Serial => Self::Serial(Serial::default()),
            Dispatch::Tasks => Self::Tasks(Tasks::default()),
            Dispatch::Keyed => Self::Lanes(Lanes::new(LanePer::Key)),
            Dispatch::Partition => Self::Lanes(Lanes::new(LanePer::Partition)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Serial(serial) => serial.len(),
            Self::Tasks(tasks) => tasks.len(),
            Self::Lanes(lanes) => lanes.len(),
        }
    }

    /// Returns the lane whose order the record has to keep, in a mode that keeps an order.
    pub(super) fn lane(&self, record: &Record) -> Option<Lane> {
        match self {
            Self::Serial(_) | Self::Tasks(_) => None,
            Self::Lanes(lanes) => lanes.lane(record),
        }
    }

    /// Returns whether a record of the lane has to wait for another one.
    pub(super) fn is_behind(&self, lane: Option<&Lane>) -> bool {
        match (self, lane) {
            (Self::Lanes(lanes), Some(lane)) => lanes.is_taken(lane),
            _ => false,
        }
    }

    /// Starts a job. Its record holds `size` bytes.
    #[inline]
    pub(super) fn start(&mut self, lane: Option<Lane>, size: usize, job: J) {
        match self {
            Self::Serial(serial) => serial.start(job),
            Self::Tasks(tasks) => tasks.start((), job),
            Self::Lanes(lanes) => lanes.start(lane, size, job),
        }
    }

    /// Waits for the next job to end, forever when there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Done, Error> {
        let done = match self {
            Self::Serial(serial) => Ok(serial.next().await),
            Self::Tasks(tasks) => tasks.next().await.map(|((), done)| done),
            Self::Lanes(lanes) => lanes.next().await,
        };
        done.map_err(|error| Error::TaskLost(error.to_string()))
    }

    /// Drops the jobs of a partition that has gone if they have not started.
    pub(super) fn forget(&mut self, topic_partition: &TopicPartition) -> Dropped {
        match self {
            Self::Serial(_) | Self::Tasks(_) => Dropped::default(),
            Self::Lanes(lanes) => lanes.forget(topic_partition),
        }
    }

    /// Drops all jobs. Their records stay unfinished and will be delivered again.
    pub(super) fn abandon(&mut self) {
        match self {
            Self::Serial(serial) => serial.abandon(),
            Self::Tasks(tasks) => tasks.abandon(),
            Self::Lanes(lanes) => lanes.abandon(),
        }
    }
}
