//! Decides who is at fault when a topic accepts no record in time: its requester, or the brokers. The sink waits for a
//! broker that is away. A topic that one requester has named must not hold up the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use tokio::time::Instant;

use super::client::Lane;

/// How many attempts in a row have to fail while other topics could be written.
const ATTEMPTS: u32 = 2;
/// How long an abandoned topic is not tried again. Doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LAST_PAUSE: Duration = Duration::from_secs(900);
/// How many abandoned topics are remembered.
const MAX_PAUSED: usize = 100;
/// Brokers that take longer to answer may have been away until a moment ago.
const PROMPT: Duration = Duration::from_secs(1);
/// librdkafka's time limit of one attempt, if the configuration has none.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Judges topics that accept no record in time.
#[derive(Debug)]
pub(super) struct Blame {
    /// How long a topic may accept nothing before that is reported, or blamed on its requester.
    patience: Duration,
    paused: Mutex<HashMap<Arc<str>, Pause>>,
    /// Held while the brokers are asked: one question at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

/// The attempts of one record that got no answer in time.
#[derive(Debug)]
pub(super) struct Attempts {
    first: Instant,
    /// When the latest attempt began.
    latest: Instant,
    /// How many of the latest attempts failed while other topics could be written.
    blamed: u32,
}

impl Attempts {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self {
            first: now,
            latest: now,
            blamed: 0,
        }
    }

    pub(super) fn latest(&self) -> Instant {
        self.latest
    }

    /// Notes that the brokers may have caused the latest failure.
    pub(super) fn absolve(&mut self) {
        self.blamed = 0;
    }

    pub(super) fn begin_another(&mut self) {
        self.latest = Instant::now();
    }
}

impl Blame {
    pub(super) fn new(config: &ClientConfig) -> Self {
        let names = ["message.timeout.ms", "delivery.timeout.ms"];
        let set = names.iter().find_map(|name| config.get(name));
        let set = set.and_then(|value| value.parse().ok());
        // 0 means no limit.
        let one = set.filter(|millis| *millis > 0);
        let one = one.map_or(DELIVERY_TIMEOUT, Duration::from_millis);
        Self {
            patience: one.saturating_mul(ATTEMPTS),
            paused: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Returns whether a record has been tried for so long that it has to be reported.
    pub(super) fn is_long(&self, attempts: &Attempts) -> bool {
        attempts.first.elapsed() >= self.patience
    }

    /// Notes that the latest attempt failed although other topics could be written. Returns whether to abandon the
    /// topic, which is then not tried for a while.
    pub(super) fn note(&self, topic: &Arc<str>, attempts: &mut Attempts) -> bool {
        attempts.blamed += 1;
        let mut paused = self.paused();
        let before = paused.get(topic).copied();
        // A topic that was abandoned before is abandoned at the first failure.
        let is_over = attempts.blamed >= ATTEMPTS && self.is_long(attempts);
        if before.is_none() && !is_over {
            return false;
        }
        let now = Instant::now();
        if before.is_some_and(|pause| pause.until > now) {
            return true;
        }
        let length = before.map_or(FIRST_PAUSE, |pause| (pause.length * 2).min(LAST_PAUSE));
        if paused.len() >= MAX_PAUSED {
            paused.retain(|_, pause| pause.until > now);
        }
        if paused.len() < MAX_PAUSED {
            let until = now + length;
            paused.insert(Arc::clone(topic), Pause { until, length });
        }
        true
    }

    /// Returns how long a topic will not be tried; `None` if it may be.
    pub(super) fn pause(&self, topic: &str) -> Option<Duration> {
        let paused = self.paused();
        let left = paused
            .get(topic)?
            .until
            .checked_duration_since(Instant::now());
        left.filter(|left| !left.is_zero())
    }

    /// Asks the brokers whether a topic accepts no records although the brokers are well; `None` while another record
    /// asks.
    pub(super) async fn asked_of_brokers(&self, topic: &Arc<str>, lane: &Lane) -> Option<bool> {
        let _asking = self.asking.try_lock().ok()?;
        let client = lane.client().ok()?;
        let (topic, began) = (Arc::clone(topic), Instant::now());
        let asked = tokio::task::spawn_blocking(move || client.is_topics_own_problem(&topic)).await;
        Some(matches!(asked, Ok(Ok(true))) && began.elapsed() < PROMPT)
    }

    fn paused(&self) -> MutexGuard<'_, HashMap<Arc<str>, Pause>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn h25_a_topic_is_given_up_after_two_time_outs_and_then_tried_more_and_more_seldom() {
        let (blame, topic) = (Blame::new(&ClientConfig::new()), Arc::from("r"));
        let mut attempts = Attempts::begin();
        for given_up in [false, true] {
            tokio::time::advance(DELIVERY_TIMEOUT).await;
            assert_eq!(blame.pause(&topic), None);
            assert_eq!(blame.note(&topic, &mut attempts), given_up);
        }
        assert_eq!(blame.pause(&topic), Some(FIRST_PAUSE));
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(blame.pause(&topic), None);
        assert!(blame.note(&topic, &mut Attempts::begin()));
        assert_eq!(blame.pause(&topic), Some(FIRST_PAUSE * 2));
    }
}
