//! The moments of a run, in flat memory: a run of days keeps fewer of each hour than one of minutes.

use load_client::moment::Moment;

/// More than a chart can show.
const MOST: usize = 7200;

/// Moments at equal distances.
#[derive(Debug, Default)]
pub(super) struct History {
    moments: Vec<Moment>,
    /// Each this-many-th moment is kept, less one.
    skipped: u64,
    pushed: u64,
}

impl History {
    /// Takes the next moment.
    pub(super) fn push(&mut self, moment: Moment) {
        let is_due = self.pushed.is_multiple_of(self.skipped + 1);
        self.pushed += 1;
        if !is_due {
            return;
        }
        self.moments.push(moment);
        if self.moments.len() >= MOST {
            let mut index = 0;
            self.moments.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.skipped = self.skipped * 2 + 1;
        }
    }

    /// What is kept, the earliest first.
    pub(super) fn into_moments(self) -> Vec<Moment> {
        self.moments
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use load_client::tally::Tally;

    use super::*;

    #[test]
    fn days_take_as_much_memory_as_hours() {
        let tally = Tally::new(&["createOrder".to_owned()]);
        let mut history = History::default();
        for second in 0..100_000 {
            history.push(tally.moment(Duration::from_secs(second), 0, 1, false));
        }
        let moments = history.into_moments();
        assert!(
            (MOST / 2..MOST).contains(&moments.len()),
            "{}",
            moments.len()
        );
        let step = moments[1].seconds - moments[0].seconds;
        assert!(
            moments
                .windows(2)
                .all(|two| two[1].seconds - two[0].seconds == step)
        );
        assert!(moments.last().unwrap().seconds > 100_000.0 - 2.0 * step);
    }
}
