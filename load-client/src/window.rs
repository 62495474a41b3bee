//! Throughput over the measured window, one definition for the live run and for its CSV.
//!
//! The window is the one that was asked for: it begins with the end of the warm-up, and ends with the run
//! time, or with the moment in which the run was stopped. It does not end with the last send: a service that
//! freezes makes its users wait, and their silence belongs to its throughput. A reply counts when it arrived
//! within the window, whenever its request was sent: what a queue gives back after the end was not achieved
//! before it.
//!
//! A file that does not tell its window is measured from its first to its last send, which flatters a
//! service that froze. The last send itself lies outside then: n sends span n - 1 intervals.

use crate::sample::{Sample, Status};

/// Collects what the throughput needs, in any order of requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThroughputWindow {
    asked_ns: Option<(u64, u64)>,
    sends_ns: Option<(u64, u64)>,
    ok: u64,
    ok_at_end: u64,
    /// What all requests that got an answer waited for it within the window, added up.
    waited_ns: u128,
}

impl ThroughputWindow {
    /// A window that is known, in nanoseconds from the start of the run. [`Self::default`] is one that is not.
    #[must_use]
    pub fn over(start_ns: u64, end_ns: u64) -> Self {
        Self {
            asked_ns: Some((start_ns, end_ns)),
            ..Self::default()
        }
    }

    /// Whether the window is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.asked_ns.is_some()
    }

    /// The same window without what was recorded, from this moment on.
    #[must_use]
    pub fn from(&self, moment_ns: u64) -> Self {
        Self {
            asked_ns: self
                .asked_ns
                .map(|(start, end)| (start.max(moment_ns), end)),
            ..Self::default()
        }
    }

    /// Ends a known window earlier, before any later reply is recorded.
    pub fn end_by(&mut self, end_ns: u64) {
        if let Some((start, end)) = self.asked_ns {
            self.asked_ns = Some((start, end.min(end_ns)));
        }
    }

    /// Whether this moment lies before the end, as far as that is known.
    #[must_use]
    pub fn is_open_at(&self, moment_ns: u64) -> bool {
        self.asked_ns.is_none_or(|(_, end)| moment_ns < end)
    }

    /// Takes one request of a live run, warm-up included.
    pub fn record(&mut self, sample: &Sample) {
        let status = sample.outcome.status();
        let replied = sample.replied_ns.filter(|_| status == Status::Ok);
        if status != Status::Censored {
            self.record_reply(sample.sent_ns, replied, sample.warm_up);
        }
        if let (Some((start, end)), Some(answered)) = (self.asked_ns, sample.replied_ns) {
            let within = answered.min(end).saturating_sub(sample.sent_ns.max(start));
            self.waited_ns += u128::from(within);
        }
    }

    /// Takes one request: when it was sent, when it was answered well, and whether it is of the warm-up.
    pub fn record_reply(&mut self, sent_ns: u64, replied_ns: Option<u64>, warm_up: bool) {
        if let Some((start, end)) = self.asked_ns {
            let is_within = replied_ns.is_some_and(|replied| (start..end).contains(&replied));
            self.ok += u64::from(is_within);
        } else if !warm_up {
            self.record_unknown(sent_ns, replied_ns.is_some());
        }
    }

    fn record_unknown(&mut self, sent_ns: u64, ok: bool) {
        let (first, last) = self.sends_ns.unwrap_or((sent_ns, sent_ns));
        if sent_ns > last {
            self.ok_at_end = 0;
        }
        if ok {
            self.ok += 1;
            self.ok_at_end += u64::from(sent_ns >= last);
        }
        self.sends_ns = Some((first.min(sent_ns), last.max(sent_ns)));
    }

    /// Length of the window in seconds, up to this moment if it lies before the end; `None` before its
    /// beginning.
    #[must_use]
    pub fn seconds_at(&self, moment_ns: u64) -> Option<f64> {
        let (first, last) = match self.asked_ns {
            Some((start, end)) => (start, end.min(moment_ns)),
            None => self.sends_ns?,
        };
        let length = last.checked_sub(first)?;
        Some(length as f64 / 1e9)
    }

    /// Good replies per second up to this moment; `None` where no time lies between.
    #[must_use]
    pub fn throughput_at(&self, moment_ns: u64) -> Option<f64> {
        let seconds = self
            .seconds_at(moment_ns)
            .filter(|seconds| *seconds > 0.0)?;
        Some((self.ok - self.ok_at_end) as f64 / seconds)
    }

    /// How many of the requests that got an answer waited for it on average; `None` of an unknown window.
    #[must_use]
    pub fn mean_in_flight(&self) -> Option<f64> {
        let (start, end) = self.asked_ns?;
        (end > start).then(|| self.waited_ns as f64 / (end - start) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Outcome;

    const SECOND: u64 = 1_000_000_000;
    const END: u64 = u64::MAX;

    #[test]
    fn the_silence_of_a_service_that_froze_counts() {
        let mut window = ThroughputWindow::over(SECOND, 11 * SECOND);
        for index in 0..3000 {
            let sent = index * SECOND / 1000;
            window.record_reply(sent, Some(sent + 1), sent < SECOND);
        }
        window.record_reply(3 * SECOND, None, false);
        assert_eq!(window.throughput_at(END), Some(200.0));
        assert_eq!(window.throughput_at(5 * SECOND), Some(500.0), "so far");
        assert_eq!(window.throughput_at(SECOND / 2), None, "in the warm-up");
    }

    #[test]
    fn what_a_queue_gives_back_after_the_end_was_not_achieved_before_it() {
        // 1,000 a second are asked of a service that answers 250.
        let mut window = ThroughputWindow::over(SECOND, END);
        window.end_by(5 * SECOND);
        for index in 0..5000 {
            let (sent, replied) = (index * SECOND / 1000, index * SECOND / 250);
            window.record_reply(sent, Some(replied), sent < SECOND);
        }
        assert_eq!(window.throughput_at(END), Some(250.0));
        assert!(window.is_open_at(5 * SECOND - 1) && !window.is_open_at(5 * SECOND));
    }

    #[test]
    fn requests_in_flight_are_averaged_over_the_window_alone() {
        let mut window = ThroughputWindow::over(SECOND, 5 * SECOND);
        let refused = Outcome::ErrorStatus("status 500".to_owned());
        for (sent, took, outcome) in [
            (0, 2, Outcome::Ok),
            (2, 1, refused),
            (4, 9, Outcome::Ok),
            (7, 1, Outcome::Ok),
        ] {
            window.record(&Sample::test(sent * SECOND, took * SECOND, outcome));
        }
        assert_eq!(window.mean_in_flight(), Some(0.75));
        assert_eq!(window.from(4 * SECOND).mean_in_flight(), Some(0.0));
        assert_eq!(ThroughputWindow::default().mean_in_flight(), None);
    }

    #[test]
    fn an_unknown_window_is_from_the_first_to_the_last_send() {
        let mut window = ThroughputWindow::default();
        for index in (0..=100).rev() {
            window.record_reply(index * 4_000_000, Some(END), false);
        }
        assert_eq!(window.throughput_at(END), Some(250.0));
        let mut window = ThroughputWindow::default();
        window.record_reply(0, Some(1), false);
        window.record_reply(SECOND, None, false);
        window.record_reply(2 * SECOND, Some(1), false);
        window.record_reply(9 * SECOND, Some(1), true);
        assert_eq!(window.throughput_at(END), Some(0.5));
    }

    #[test]
    fn undefined_without_a_span() {
        assert_eq!(ThroughputWindow::default().throughput_at(END), None);
        let mut window = ThroughputWindow::default();
        window.record_reply(5, Some(6), false);
        assert_eq!(window.throughput_at(END), None);
        assert_eq!(ThroughputWindow::over(5, 5).throughput_at(END), None);
    }
}
