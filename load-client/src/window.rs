//! Throughput over the measured window, one definition for the live run and for its CSV.
//!
//! Rates over the whole time line (warm-up and drain included) are wrong by as much as half, so
//! the window runs from the first measured send to the last one, and a reply counts when its
//! request was sent within it. The last send itself is the window's end and lies outside: n sends
//! span n - 1 intervals.

/// Collects what the throughput needs, in any order of requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThroughputWindow {
    bounds_ns: Option<(u64, u64)>,
    ok: u64,
    ok_at_end: u64,
}

impl ThroughputWindow {
    /// Takes one measured request: when it was sent, and whether it was answered well.
    pub fn record(&mut self, sent_ns: u64, ok: bool) {
        let (first, last) = self.bounds_ns.unwrap_or((sent_ns, sent_ns));
        if sent_ns > last {
            self.ok_at_end = 0;
        }
        if ok {
            self.ok += 1;
            self.ok_at_end += u64::from(sent_ns >= last);
        }
        self.bounds_ns = Some((first.min(sent_ns), last.max(sent_ns)));
    }

    /// Length of the window in seconds; `None` before the first request.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let (first, last) = self.bounds_ns?;
        Some((last - first) as f64 / 1e9)
    }

    /// Ok replies per second; `None` when all requests were sent at one instant.
    #[must_use]
    pub fn throughput(&self) -> Option<f64> {
        let seconds = self.seconds().filter(|seconds| *seconds > 0.0)?;
        Some((self.ok - self.ok_at_end) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_without_think_time_is_one_over_the_latency() {
        let mut window = ThroughputWindow::default();
        for index in (0..=100).rev() {
            window.record(index * 4_000_000, true);
        }
        assert_eq!(window.throughput(), Some(250.0));
    }

    #[test]
    fn failures_widen_the_window_and_do_not_count() {
        let mut window = ThroughputWindow::default();
        window.record(0, true);
        window.record(1_000_000_000, false);
        window.record(2_000_000_000, true);
        assert_eq!(window.throughput(), Some(0.5));
    }

    #[test]
    fn undefined_without_a_span() {
        assert_eq!(ThroughputWindow::default().throughput(), None);
        let mut window = ThroughputWindow::default();
        window.record(5, true);
        assert_eq!(window.throughput(), None);
    }
}
