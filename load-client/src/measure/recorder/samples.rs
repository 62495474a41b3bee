//! The way of the samples from the run to the recorder's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::measure::sample::Sample;

/// Samples that may wait before the run is to send nothing more, so that memory is bounded: 100 MB.
const MAX_WAITING: usize = 1_000_000;

/// Takes samples, on any thread, and never blocks: a disk that stalls must not delay whoever stamps
/// the next reply. The run asks [`Samples::has_room`] before it sends another request instead.
#[derive(Clone)]
pub struct Samples {
    sender: Sender<Sample>,
    waiting: Arc<AtomicUsize>,
}

/// The other end.
pub(crate) struct SampleReceiver {
    receiver: Receiver<Sample>,
    waiting: Arc<AtomicUsize>,
}

impl Samples {
    /// Both ends.
    #[must_use]
    pub(crate) fn channel() -> (Self, SampleReceiver) {
        let (sender, receiver) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let samples = Self {
            sender,
            waiting: Arc::clone(&waiting),
        };
        (samples, SampleReceiver { receiver, waiting })
    }

    /// Hands a sample over. False when nobody records any more.
    #[must_use]
    pub fn send(&self, sample: Sample) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(sample).is_ok()
    }

    /// Whether the recorder keeps up, more or less.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < MAX_WAITING
    }
}

impl SampleReceiver {
    /// Waits for a sample, then takes what else is there, up to `most`. False after the last.
    pub(crate) fn receive(&self, batch: &mut Vec<Sample>, most: usize) -> bool {
        let Ok(first) = self.receiver.recv() else {
            return false;
        };
        batch.push(first);
        batch.extend(self.receiver.try_iter().take(most - 1));
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        true
    }

    /// What is there now.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Vec<Sample> {
        let taken: Vec<_> = self.receiver.try_iter().collect();
        self.waiting.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sample::Outcome;

    #[test]
    fn a_recorder_that_stalls_leaves_no_room_and_loses_nothing() {
        let (samples, receiver) = Samples::channel();
        for index in 0..MAX_WAITING as u64 {
            assert!(samples.has_room());
            assert!(samples.send(Sample::test(index, 1, Outcome::Ok)));
        }
        assert!(!samples.has_room());
        assert!(
            samples.send(Sample::test(0, 1, Outcome::Ok)),
            "those in flight still fit"
        );
        let mut batch = Vec::new();
        assert!(receiver.receive(&mut batch, 100));
        assert_eq!(batch.len(), 100);
        assert!(samples.has_room());
        assert_eq!(receiver.take().len(), MAX_WAITING + 1 - 100);
        drop(receiver);
        assert!(!samples.send(Sample::test(0, 1, Outcome::Ok)));
    }
}
