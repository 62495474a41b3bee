//! Defines what happens to requests that fail on the service's side.

use std::time::Duration;

/// Decides what happens to a request that failed on the service's side: a status of 500 and above, except 501, which a
/// retry cannot change.
///
/// A status below 500 is an answer under either policy, because the same request would get it again. A successful
/// answer that exceeds the size limit of replies is not retried either: the request was carried out, and the requester
/// gets a status of 500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// Sends the failure as the answer. The requester decides what to do.
    #[default]
    Reply,
    /// Retries the request. When no attempt is left, the record goes to the dead-letter topic and the requester gets no
    /// reply.
    Retry(Retry),
}

/// Sets how often a failed request is tried, and how long to wait between attempts.
///
/// Each attempt has the whole request timeout. The wait doubles from the first to the longest. Each wait is spread by
/// up to a quarter either way, so that records that failed together do not retry together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts there are in total, including the first.
    pub max_attempts: u32,
    /// The wait before the second attempt.
    pub first_backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
}

impl Default for Retry {
    /// Returns 5 attempts, 100 ms to 5 s apart.
    fn default() -> Self {
        Self {
            max_attempts: 5,
            first_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
        }
    }
}

impl Retry {
    /// Returns how long all attempts may take, each with its whole timeout, with the longest waits.
    pub(crate) fn longest(&self, request_timeout: Duration) -> Duration {
        let attempts = request_timeout.saturating_mul(self.max_attempts);
        let waits = self.max_attempts.saturating_sub(1);
        // After the doubling that reaches the longest wait, all waits are equal.
        let doubling = waits.min(32);
        let different: Duration = (1..=doubling)
            .map(|attempt| self.backoff(attempt, 500))
            .fold(Duration::ZERO, Duration::saturating_add);
        let alike = self.backoff(33, 500).saturating_mul(waits - doubling);
        attempts.saturating_add(different).saturating_add(alike)
    }

    /// Returns the wait after the given attempt, counted from 1. `spread` is any number, and selects a point in the
    /// wait's range.
    pub(crate) fn backoff(&self, attempt: u32, spread: u64) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let wait = self.first_backoff.saturating_mul(doubled);
        let per_mille = u32::try_from(spread % 501).unwrap_or_default() + 750;
        wait.min(self.max_backoff).saturating_mul(per_mille) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_way_is_all_time_outs_and_the_longest_waits() {
        let retry = Retry::default();
        let longest = retry.longest(Duration::from_secs(30));
        assert_eq!(longest.as_millis(), 150_000 + 1875);
        let once = Retry {
            max_attempts: 1,
            ..retry
        };
        assert_eq!(once.longest(Duration::from_secs(30)).as_secs(), 30);
        let endless = Retry {
            max_attempts: u32::MAX,
            ..retry
        };
        assert!(endless.longest(Duration::MAX) == Duration::MAX);
        assert!(endless.longest(Duration::ZERO).as_secs() > 5 * (u64::from(u32::MAX) - 33));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let retry = Retry {
            max_attempts: 9,
            first_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
        };
        let middle = |attempt| retry.backoff(attempt, 250).as_millis();
        assert_eq!(
            [1, 2, 3, 4, 5, 40].map(middle),
            [100, 200, 400, 800, 1000, 1000]
        );
        assert_eq!(retry.backoff(1, 0).as_millis(), 75);
        assert_eq!(retry.backoff(1, 500).as_millis(), 125);
        assert_eq!(retry.backoff(1, 501).as_millis(), 75);
    }
}
