//! Throughput over the measured window, one definition for the live run and for its CSV.
//!
//! The window is the planned one. It begins at the end of the warm-up, and ends at the run time or when the run is
//! stopped. It does not end with the last send: if a service freezes, its users wait, and this silence is part of its
//! throughput. A reply counts if it arrived within the window, whenever its request was sent. Replies after the end do
//! not count, because the service did not achieve them before it.
//!
//! A file without its window is measured from its first to its last send. This makes a service that froze look better.
//! The last send itself then lies outside: n sends span n - 1 intervals.

use serde::{Deserialize, Serialize};

use crate::measure::summary::{Sample, Status};

/// Collects the data for the throughput, in any order of requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ThroughputWindow {
    asked_ns: Option<(u64, u64)>,
    sends_ns: Option<(u64, u64)>,
    ok_at_end: u64,
    /// The longest time that a request waits for its reply, in nanoseconds. 0 until it is set.
    timeout_ns: u64,
    pub(crate) counts: WindowCounts,
}

/// The counts of a window. Counts of several clients, or of several times, add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WindowCounts {
    /// Good replies.
    ok: u64,
    /// The time that all answered or timed-out requests waited within the window, in total.
    waited_ns: u128,
    /// The same for requests that failed otherwise, as if each had waited until its time-out.
    perhaps_ns: u128,
    /// Requests that ended within the window, well or not.
    ended: u64,
}

impl WindowCounts {
    fn add(&mut self, other: &Self) {
        self.ok = self.ok.saturating_add(other.ok);
        self.waited_ns = self.waited_ns.saturating_add(other.waited_ns);
        self.perhaps_ns = self.perhaps_ns.saturating_add(other.perhaps_ns);
        self.ended = self.ended.saturating_add(other.ended);
    }
}

/// How many users waited for a reply, on average over the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Occupied {
    /// Counts requests that were answered or timed out.
    pub known: f64,
    /// Counts all requests, as if those that failed otherwise had waited until their time-outs.
    pub at_most: f64,
    /// Requests that ended per second, well or not.
    pub ended_per_second: f64,
}

impl ThroughputWindow {
    /// Makes a known window, in nanoseconds from the start of the run. [`Self::default`] is an unknown one.
    pub(crate) fn over(start_ns: u64, end_ns: u64) -> Self {
        Self {
            asked_ns: Some((start_ns, end_ns)),
            ..Self::default()
        }
    }

    /// Returns the same window with this time-out.
    #[must_use]
    pub(crate) fn waiting_at_most(mut self, timeout_ns: u64) -> Self {
        self.timeout_ns = timeout_ns;
        self
    }

    /// Returns the same window from this moment on, without the recorded data.
    pub(crate) fn from(&self, moment_ns: u64) -> Self {
        Self {
            asked_ns: self
                .asked_ns
                .map(|(start, end)| (start.max(moment_ns), end)),
            timeout_ns: self.timeout_ns,
            ..Self::default()
        }
    }

    /// Makes a window that another program has counted. That program knows its bounds.
    pub(crate) fn counted(counts: WindowCounts) -> Self {
        Self {
            counts,
            ..Self::default()
        }
    }

    /// Adds the data of a part of the same window.
    pub(crate) fn add(&mut self, part: &Self) {
        self.counts.add(&part.counts);
        let Some((first, last)) = part.sends_ns else {
            return;
        };
        let (own_first, own_last) = self.sends_ns.unwrap_or((first, last));
        if last > own_last {
            self.ok_at_end = 0;
        }
        if last >= own_last {
            self.ok_at_end += part.ok_at_end;
        }
        self.sends_ns = Some((first.min(own_first), last.max(own_last)));
    }

    /// Ends a known window earlier, before any later reply is recorded.
    pub(crate) fn end_by(&mut self, end_ns: u64) {
        if let Some((start, end)) = self.asked_ns {
            self.asked_ns = Some((start, end.min(end_ns)));
        }
    }

    /// Returns whether this moment lies before the end, if the end is known.
    pub(crate) fn is_open_at(&self, moment_ns: u64) -> bool {
        self.asked_ns.is_none_or(|(_, end)| moment_ns < end)
    }

    /// Takes one request of a live run, including the warm-up.
    pub(crate) fn record(&mut self, sample: &Sample) {
        if sample.status != Status::Censored {
            let replied = sample.replied_ns.filter(|_| sample.status == Status::Ok);
            self.record_reply(sample.sent_ns, replied, sample.warm_up);
        }
        let Some((start, end)) = self.asked_ns else {
            return;
        };
        let latest = sample.sent_ns.saturating_add(self.timeout_ns);
        let (ended, sum) = match sample.status {
            Status::Ok | Status::ErrorStatus | Status::FailedCheck => {
                (sample.replied_ns, &mut self.counts.waited_ns)
            }
            Status::Timeout => (Some(latest), &mut self.counts.waited_ns),
            // It is not known how long they kept their users.
            Status::SendError | Status::ConsumerFailure => {
                (Some(latest), &mut self.counts.perhaps_ns)
            }
            Status::Censored => return,
        };
        let Some(ended) = ended else { return };
        let within = ended.min(end).saturating_sub(sample.sent_ns.max(start));
        *sum += u128::from(within);
        self.counts.ended += u64::from((start..end).contains(&ended));
    }

    /// Takes one request: when it was sent, when it was answered well, and whether it belongs to the warm-up.
    pub(crate) fn record_reply(&mut self, sent_ns: u64, replied_ns: Option<u64>, warm_up: bool) {
        if let Some((start, end)) = self.asked_ns {
            let is_within = replied_ns.is_some_and(|replied| (start..end).contains(&replied));
            self.counts.ok += u64::from(is_within);
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
            self.counts.ok += 1;
            self.ok_at_end += u64::from(sent_ns >= last);
        }
        self.sends_ns = Some((first.min(sent_ns), last.max(sent_ns)));
    }

    /// Returns the length of the window in seconds, up to this moment if it lies before the end. `None` before the
    /// beginning.
    pub(crate) fn seconds_at(&self, moment_ns: u64) -> Option<f64> {
        let (first, last) = match self.asked_ns {
            Some((start, end)) => (start, end.min(moment_ns)),
            None => self.sends_ns?,
        };
        let length = last.checked_sub(first)?;
        Some(length as f64 / 1e9)
    }

    /// Returns the good replies per second up to this moment, `None` for an empty window.
    pub(crate) fn throughput_at(&self, moment_ns: u64) -> Option<f64> {
        let seconds = self
            .seconds_at(moment_ns)
            .filter(|seconds| *seconds > 0.0)?;
        Some((self.counts.ok - self.ok_at_end) as f64 / seconds)
    }

    /// Returns how many users waited for replies on average, `None` for an unknown window.
    pub(crate) fn occupied(&self) -> Option<Occupied> {
        let (start, end) = self.asked_ns?;
        let length = end.checked_sub(start).filter(|length| *length > 0)? as f64;
        Some(Occupied {
            known: self.counts.waited_ns as f64 / length,
            at_most: (self.counts.waited_ns + self.counts.perhaps_ns) as f64 / length,
            ended_per_second: self.counts.ended as f64 / (length / 1e9),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn replies_after_the_end_of_the_window_do_not_count() {
        // Users ask for 1,000 replies a second, and the service gives 250.
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
        for (sent, took, status) in [
            (0, 2, Status::Ok),
            (2, 1, Status::ErrorStatus),
            (4, 9, Status::Ok),
            (7, 1, Status::Ok),
        ] {
            window.record(&Sample::test(sent * SECOND, took * SECOND, status));
        }
        let occupied = window.occupied().unwrap();
        assert_eq!((occupied.known, occupied.at_most), (0.75, 0.75));
        assert_eq!(occupied.ended_per_second, 0.5, "the refused one too");
        assert_eq!(window.from(4 * SECOND).occupied().unwrap().known, 0.0);
        assert_eq!(ThroughputWindow::default().occupied(), None);
        let mut unknown = Sample::test(SECOND, 0, Status::Ok);
        unknown.replied_ns = None;
        let before = window.clone();
        window.record(&unknown);
        assert_eq!(window, before, "for how long it waited is not known");
    }

    #[test]
    fn a_time_out_counts_as_waiting_and_other_failures_as_what_may_have_waited() {
        let mut window =
            ThroughputWindow::over(2 * SECOND, 10 * SECOND).waiting_at_most(4 * SECOND);
        for (sent, status) in [
            // One of the warm-up, and one over the window's end.
            (0, Status::Timeout),
            (8, Status::Timeout),
            (4, Status::SendError),
        ] {
            let mut sample = Sample::test(sent * SECOND, 0, status);
            sample.replied_ns = None;
            window.record(&sample);
        }
        let occupied = window.from(0).occupied().unwrap();
        assert_eq!((occupied.known, occupied.at_most), (0.0, 0.0));
        let occupied = window.occupied().unwrap();
        assert_eq!((occupied.known, occupied.at_most), (0.5, 1.0));
        assert_eq!(occupied.ended_per_second, 0.25);
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

    #[test]
    fn parts_of_a_window_add_up_to_the_whole() {
        for window in [
            ThroughputWindow::over(SECOND, 3 * SECOND).waiting_at_most(SECOND),
            ThroughputWindow::default(),
        ] {
            let (mut whole, mut added) = (window.clone(), window.clone());
            for part in 0..7 {
                let mut own = window.from(0);
                for index in 0..40_u64 {
                    let status = match (part + index) % 9 {
                        0 => Status::Timeout,
                        1 => Status::SendError,
                        _ => Status::Ok,
                    };
                    let sent = (index * 37 + part * 11) % 100 * SECOND / 25;
                    let sample = Sample::test(sent, SECOND / 50, status);
                    own.record(&sample);
                    whole.record(&sample);
                }
                added.add(&own);
            }
            assert_eq!(added, whole);
        }
    }
}
