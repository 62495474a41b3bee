//! Records which offsets above a position are finished, and writes them as metadata of a committed offset. Pure.
//!
//! The text is `1:<next offset>:<gap>+<length>,<gap>+<length>,...`: the version, the position that it belongs to, and
//! runs of finished offsets. A gap counts the unfinished offsets from the position, or from the run before. Numbers are
//! decimal, so that people who inspect a group's offsets can read them.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// The first field, so that a later format can be recognized.
const VERSION: &str = "1";

/// The maximum number of runs. More than the 4,096 bytes of metadata that a broker accepts can hold.
const MAX_RUNS: usize = 1024;

/// Holds the finished offsets above a [`super::Position`], in runs: at most as many as can be committed with it.
///
/// An offset without a record (compaction, transaction markers) counts as finished if it is between two finished ones.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finished {
    /// The first offset of each run and the one after its last, in rising order. Runs do not touch.
    runs: Vec<(i64, i64)>,
}

impl Finished {
    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Returns the number of finished offsets, including those without a record.
    #[must_use]
    pub fn count(&self) -> u64 {
        let lengths = self.runs.iter().map(|(first, end)| first.abs_diff(*end));
        lengths.sum()
    }

    /// Returns one more than the highest offset.
    pub(crate) fn end(&self) -> Option<i64> {
        self.runs.last().map(|(_, end)| *end)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = Range<i64>> {
        self.runs.iter().map(|(first, end)| *first..*end)
    }

    /// Adds a run above all others. Returns whether there was room.
    pub(super) fn add(&mut self, run: Range<i64>) -> bool {
        if let Some((_, end)) = self.runs.last_mut()
            && run.start <= *end
        {
            *end = run.end.max(*end);
            return true;
        }
        let has_room = self.runs.len() < MAX_RUNS;
        if has_room {
            self.runs.push((run.start, run.end));
        }
        has_room
    }

    /// Writes the lowest runs that fit into `room` bytes; `None` if none fits. Also returns whether all fit.
    pub(crate) fn encode(&self, next_offset: i64, room: usize) -> Option<(String, bool)> {
        let mut text = format!("{VERSION}:{next_offset}:");
        let mut from = next_offset;
        for (first, end) in &self.runs {
            let before = text.len();
            let comma = if from == next_offset { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}{}+{}", first - from, end - first);
            if text.len() > room {
                text.truncate(before);
                return (from > next_offset).then_some((text, false));
            }
            from = *end;
        }
        (from > next_offset).then_some((text, true))
    }

    /// Reads the metadata of a committed offset; `None` if it has another format, or belongs to another offset.
    pub(crate) fn decode(text: &str, next_offset: i64) -> Option<Self> {
        let text = text.strip_prefix(VERSION)?.strip_prefix(':')?;
        let (position, runs) = text.split_once(':')?;
        if number(position)? != next_offset {
            return None;
        }
        let (mut finished, mut from) = (Self::default(), next_offset);
        for run in runs.split(',') {
            let (gap, length) = run.split_once('+')?;
            let first = from.checked_add(number(gap)?)?;
            let end = first.checked_add(number(length)?)?;
            if end == first || !finished.add(first..end) {
                return None;
            }
            from = end;
        }
        Some(finished)
    }
}

/// Short, because log lines print a position with it.
impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} runs", self.count(), self.runs.len())
    }
}

/// Reads a number that has digits only.
fn number(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn finished(runs: impl IntoIterator<Item = Range<i64>>) -> Finished {
        let mut finished = Finished::default();
        assert!(runs.into_iter().all(|run| finished.add(run)));
        finished
    }

    #[test]
    fn is_written_as_gaps_and_lengths_and_read_back() {
        let some = finished([1001..1021, 1024..1025]);
        let text = "1:1000:1+20,3+1";
        assert_eq!(some.encode(1000, 4096), Some((text.to_owned(), true)));
        assert_eq!(Finished::decode(text, 1000), Some(some.clone()));
        assert_eq!((some.count(), some.end()), (21, Some(1025)));
        assert_eq!(Finished::default().encode(1000, 4096), None);
    }

    #[test]
    fn counts_for_no_other_offset_and_in_no_other_form() {
        let foreign = [
            ("1:1000:1+20", 999),
            ("2:1000:1+20", 1000),
            ("1:1000:", 1000),
            ("1:1000:1+0", 1000),
            ("1:1000:1+20,", 1000),
            ("1:1000:-1+20", 1000),
            ("1:1000:+1+20", 1000),
            ("1:1000:1+9223372036854775807", 1000),
            ("1:1000:1+20 ", 1000),
            ("", 1000),
        ];
        for (text, next_offset) in foreign {
            assert_eq!(Finished::decode(text, next_offset), None, "{text}");
        }
    }

    #[test]
    fn what_has_no_room_is_left_out_from_above() {
        let some = finished([11..21, 24..25]);
        let whole = some.encode(10, 4096).unwrap().0;
        assert_eq!(some.encode(10, whole.len()), Some((whole.clone(), true)));
        let (text, is_whole) = some.encode(10, whole.len() - 1).unwrap();
        assert_eq!((&*text, is_whole), ("1:10:1+10", false));
        assert_eq!(Finished::decode(&text, 10), Some(finished(Some(11..21))));
        assert_eq!(some.encode(10, text.len() - 1), None);
    }

    #[test]
    fn as_many_runs_as_are_kept_do_not_fit_beside_an_offset() {
        let mut every_other = Finished::default();
        let runs = (0..).map(|number| 2 * number..2 * number + 1);
        let kept = runs.take_while(|run| every_other.add(run.clone())).count();
        assert_eq!(kept, MAX_RUNS);
        assert!(!every_other.encode(0, 4096 - "topic-id=".len()).unwrap().1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            next_offset in 0..i64::MAX / 2,
            gaps in vec((0..1000_i64, 1..1000_i64), 1..200),
            room in 0..4096_usize,
        ) {
            let mut all = Finished::default();
            let mut from = next_offset;
            for (gap, length) in gaps {
                all.add(from + gap..from + gap + length);
                from += gap + length;
            }
            let (whole, is_whole) = all.encode(next_offset, usize::MAX).unwrap();
            prop_assert!(is_whole);
            prop_assert_eq!(Finished::decode(&whole, next_offset), Some(all.clone()));
            if let Some((part, is_whole)) = all.encode(next_offset, room) {
                prop_assert!(part.len() <= room);
                prop_assert_eq!(is_whole, whole.len() <= room);
                let read = Finished::decode(&part, next_offset).unwrap();
                prop_assert!(all.runs.starts_with(&read.runs));
            }
        }

        #[test]
        fn whatever_is_read_is_bounded_and_above_its_offset(
            text in prop_oneof![".{0,200}", "1:7:[0-9+,]{0,40}", "1:7:([0-9]{1,19}\\+[0-9]{1,19},?){0,9}"],
        ) {
            if let Some(read) = Finished::decode(&text, 7) {
                prop_assert!(read.runs.len() <= MAX_RUNS && !read.is_empty());
                let mut from = 7;
                for (first, end) in read.runs {
                    prop_assert!(from <= first && first < end);
                    from = end;
                }
            }
        }
    }
}
