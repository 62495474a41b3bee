//! The replies of a run in the order in which they were asked for, and how they went over time.

use crate::compare::timeline::TimeBin;
use crate::stats::quantile_of_sorted;

/// Bins of the time line: as many as a chart can show.
const TIME_BINS: usize = 200;

/// One reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    /// Seconds from the start of the run; 0 when the file does not say.
    pub(super) sent_s: f64,
    pub(super) latency_ms: f64,
    pub(super) warm_up: bool,
}

/// Sorts by the moment of sending. Files are in the order of the replies, in which a slow request is
/// far from its neighbours, and autocorrelation is about neighbours.
pub(super) fn in_order_of_sending(replies: &mut [Reply]) {
    replies.sort_by(|one, other| one.sent_s.total_cmp(&other.sent_s));
}

/// Sums up sorted replies over time; empty when all were sent at one moment.
pub(super) fn timeline(replies: &[Reply]) -> Vec<TimeBin> {
    let (Some(first), Some(last)) = (replies.first(), replies.last()) else {
        return Vec::new();
    };
    let width = (last.sent_s - first.sent_s) / TIME_BINS as f64;
    if width <= 0.0 {
        return Vec::new();
    }
    // The end itself belongs to the last bin.
    let bin_of = |reply: &Reply| {
        (((reply.sent_s - first.sent_s) / width).floor() as usize).min(TIME_BINS - 1)
    };
    let parts =
        replies.chunk_by(|one, other| bin_of(one) == bin_of(other) && one.warm_up == other.warm_up);
    let bins = parts.filter_map(|part| {
        let mut sorted: Vec<f64> = part.iter().map(|reply| reply.latency_ms).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(TimeBin {
            seconds: (bin_of(part.first()?) as f64 + 0.5) * width,
            median_ms: quantile_of_sorted(&sorted, 0.5)?,
            p95_ms: quantile_of_sorted(&sorted, 0.95)?,
            warm_up: part.first()?.warm_up,
        })
    });
    bins.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(sent_s: f64, latency_ms: f64) -> Reply {
        Reply {
            sent_s,
            latency_ms,
            warm_up: sent_s < 1.0,
        }
    }

    #[test]
    fn a_stall_shows_where_it_was() {
        let mut replies: Vec<Reply> = (0..2000)
            .rev()
            .map(|index| f64::from(index) / 100.0)
            .map(|sent_s| {
                reply(
                    sent_s,
                    if (10.0..11.0).contains(&sent_s) {
                        500.0
                    } else {
                        5.0
                    },
                )
            })
            .collect();
        in_order_of_sending(&mut replies);
        let bins = timeline(&replies);
        assert!((195..=205).contains(&bins.len()), "{}", bins.len());
        let slow: Vec<f64> = bins
            .iter()
            .filter(|bin| bin.median_ms > 100.0)
            .map(|bin| bin.seconds)
            .collect();
        assert!((9..=11).contains(&slow.len()), "{slow:?}");
        assert!(slow.iter().all(|at| (9.9..11.1).contains(at)), "{slow:?}");
        assert!(bins.iter().all(|bin| bin.warm_up == (bin.seconds < 1.0)));
    }

    #[test]
    fn without_times_there_is_no_time_line() {
        assert!(timeline(&[]).is_empty());
        assert!(timeline(&[reply(2.0, 1.0), reply(2.0, 3.0)]).is_empty());
    }
}
