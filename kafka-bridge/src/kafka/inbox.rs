//! What the polling thread sends to the dispatch: records and events, put back into order.

use tokio::sync::mpsc;

use crate::ports::{Intake, SourceEvent};
use crate::{Error, Record};

/// The receiving ends of the two channels. A dispatch without room takes events only, so records
/// cannot share a channel with them.
#[derive(Debug)]
pub(super) struct Inbox {
    records: mpsc::Receiver<Record>,
    events: mpsc::UnboundedReceiver<Result<SourceEvent, Error>>,
    /// A record that was received just before an event was told, which comes first.
    held: Option<Record>,
}

impl Inbox {
    pub(super) fn new(
        records: mpsc::Receiver<Record>,
        events: mpsc::UnboundedReceiver<Result<SourceEvent, Error>>,
    ) -> Self {
        Self {
            records,
            events,
            held: None,
        }
    }

    /// Waits for the next event or record; `on_received` is called for each record that makes room, with
    /// how much there is now. Safe to cancel.
    pub(super) async fn next(
        &mut self,
        intake: Intake,
        on_received: impl Fn(usize) + Send,
    ) -> Result<SourceEvent, Error> {
        if self.held.is_none() {
            let record = tokio::select! { biased;
                event = self.events.recv() => return event.unwrap_or(Err(Error::SourceGone)),
                record = self.records.recv(), if intake == Intake::Open => record,
            };
            on_received(self.records.capacity());
            self.held = Some(record.ok_or(Error::SourceGone)?);
        }
        // The thread tells an assignment before it hands over its first record, but both may have
        // happened between the looks at the two channels: a record must not overtake the event.
        if let Ok(event) = self.events.try_recv() {
            return event;
        }
        match self.held.take_if(|_| intake == Intake::Open) {
            Some(record) => Ok(SourceEvent::Record(record)),
            None => self.events.recv().await.unwrap_or(Err(Error::SourceGone)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::TopicPartition;

    struct Thread {
        records: mpsc::Sender<Record>,
        events: mpsc::UnboundedSender<Result<SourceEvent, Error>>,
    }

    impl Thread {
        fn new() -> (Self, Inbox) {
            let (records, received) = mpsc::channel(8);
            let (events, told) = mpsc::unbounded_channel();
            (Self { records, events }, Inbox::new(received, told))
        }

        fn hand_over(&self, offset: i64) {
            self.records
                .try_send(Record::new("orders", 0, offset))
                .unwrap();
        }

        fn tell_assignment(&self) {
            let assigned = SourceEvent::Assigned {
                partitions: vec![TopicPartition::new("orders", 0)],
                generation: 1,
            };
            self.events.send(Ok(assigned)).unwrap();
        }
    }

    fn now(inbox: &mut Inbox, intake: Intake) -> Option<SourceEvent> {
        inbox
            .next(intake, |_| {})
            .now_or_never()
            .map(Result::unwrap)
    }

    fn is_record(event: Option<&SourceEvent>, offset: i64) -> bool {
        matches!(event, Some(SourceEvent::Record(record)) if record.coordinates.offset == offset)
    }

    /// The race: the look at the events came too early, the one at the records did not.
    #[test]
    fn a_record_does_not_overtake_an_event_that_is_told_between_the_two_looks() {
        let (thread, mut inbox) = Thread::new();
        thread.hand_over(0);
        let first = inbox.next(Intake::Open, |_| thread.tell_assignment());
        let first = first.now_or_never().unwrap().unwrap();
        assert!(matches!(first, SourceEvent::Assigned { .. }), "{first:?}");
        let second = now(&mut inbox, Intake::Open);
        assert!(is_record(second.as_ref(), 0), "{second:?}");
        assert!(now(&mut inbox, Intake::Open).is_none());
    }

    #[test]
    fn a_record_that_was_held_back_waits_for_room_and_comes_in_its_turn() {
        let (thread, mut inbox) = Thread::new();
        thread.hand_over(0);
        thread.hand_over(1);
        let event = inbox.next(Intake::Open, |_| thread.tell_assignment());
        drop(event.now_or_never());
        assert!(now(&mut inbox, Intake::Closed).is_none());
        thread.tell_assignment();
        let event = now(&mut inbox, Intake::Closed);
        assert!(
            matches!(event, Some(SourceEvent::Assigned { .. })),
            "{event:?}"
        );
        for offset in 0..2 {
            let record = now(&mut inbox, Intake::Open);
            assert!(is_record(record.as_ref(), offset), "{record:?}");
        }
    }

    #[test]
    fn the_end_of_the_thread_is_an_error() {
        let (thread, mut inbox) = Thread::new();
        drop(thread);
        let end = inbox.next(Intake::Open, |_| {}).now_or_never().unwrap();
        assert!(matches!(end, Err(Error::SourceGone)));
    }
}
