//! The jobs under way, whichever way they are run.

use super::job::Done;
use super::serial::Serial;
use super::tasks::Tasks;
use crate::{Dispatch, Error};

/// Jobs under way.
#[derive(Debug)]
pub(super) enum Running<J> {
    Serial(Serial<J>),
    Tasks(Tasks<Done>),
}

impl<J: Future<Output = Done> + Send + 'static> Running<J> {
    pub(super) fn new(dispatch: Dispatch) -> Self {
        match dispatch {
            Dispatch::Serial => Self::Serial(Serial::default()),
            Dispatch::Tasks => Self::Tasks(Tasks::default()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Serial(serial) => serial.len(),
            Self::Tasks(tasks) => tasks.len(),
        }
    }

    /// Returns how many jobs may be under way, given the in-flight bound.
    pub(super) fn bound(&self, max_in_flight: usize) -> usize {
        match self {
            Self::Serial(_) => 1,
            Self::Tasks(_) => max_in_flight,
        }
    }

    pub(super) fn start(&mut self, job: J) {
        match self {
            Self::Serial(serial) => serial.start(job),
            Self::Tasks(tasks) => tasks.start(job),
        }
    }

    /// Waits for the next job to end; for ever when there is none. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Done, Error> {
        match self {
            Self::Serial(serial) => Ok(serial.next().await),
            Self::Tasks(tasks) => tasks
                .next()
                .await
                .map_err(|error| Error::TaskLost(error.to_string())),
        }
    }

    /// Drops what is under way; its records stay unfinished and will be delivered again.
    pub(super) fn abandon(&mut self) {
        match self {
            Self::Serial(serial) => serial.abandon(),
            Self::Tasks(tasks) => tasks.abandon(),
        }
    }
}
