//! How much waits inside the producer. A queue that grows means that the client or the broker is the
//! bottleneck, and no longer the service.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::statistics::Statistics;

/// What the producer held when librdkafka last told, once a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProducerQueue {
    /// Requests not yet acknowledged by the broker.
    pub messages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Protocol requests that wait to be written to a broker's socket.
    pub unsent: u64,
    /// Protocol requests that wait for a broker's answer.
    pub unanswered: u64,
}

/// The last of it. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct LastQueue(Arc<Mutex<Option<ProducerQueue>>>);

impl LastQueue {
    pub(super) fn get(&self) -> Option<ProducerQueue> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, told: &Statistics) {
        let sum = |count: fn(&rdkafka::statistics::Broker) -> i64| {
            let counts = told.brokers.values().map(count);
            // -1 while a broker is not connected.
            counts.map(|count| u64::try_from(count).unwrap_or(0)).sum()
        };
        let queue = ProducerQueue {
            messages: told.msg_cnt,
            bytes: told.msg_size,
            unsent: sum(|broker| broker.outbuf_cnt),
            unanswered: sum(|broker| broker.waitresp_cnt),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Broker;

    use super::*;

    #[test]
    fn brokers_are_added_up_and_unconnected_ones_left_out() {
        let broker = |outbuf_cnt, waitresp_cnt| Broker {
            outbuf_cnt,
            waitresp_cnt,
            ..Broker::default()
        };
        let brokers = [
            ("a", broker(2, 3)),
            ("b", broker(5, 7)),
            ("c", broker(-1, -1)),
        ];
        let told = Statistics {
            msg_cnt: 11,
            msg_size: 13,
            brokers: brokers
                .map(|(name, broker)| (name.to_owned(), broker))
                .into(),
            ..Statistics::default()
        };
        let last = LastQueue::default();
        assert_eq!(last.get(), None);
        last.set(&told);
        let queue = ProducerQueue {
            messages: 11,
            bytes: 13,
            unsent: 7,
            unanswered: 10,
        };
        assert_eq!(last.get(), Some(queue));
    }
}
