//! Checks of a journal of requests that several instances have written. Pure, with tests of their own: an oracle that
//! finds nothing proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One handling of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handling {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) start: i128,
    /// `None` if it was interrupted.
    pub(crate) end: Option<i128>,
}

/// Reads lines of the form `start|end <nanoseconds> <key> <id>`. Each end belongs to the last start of its id without
/// an end.
pub(crate) fn read(journal: &str) -> Vec<Handling> {
    let mut events: Vec<(i128, bool, &str, &str)> = journal
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [event, time, key, id] = fields[..] else {
                panic!("not a journal line: {line}")
            };
            (time.parse().unwrap(), event == "end", key, id)
        })
        .collect();
    events.sort_by_key(|event| event.0);
    let mut handlings: Vec<Handling> = Vec::new();
    let mut open: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (time, is_end, key, id) in events {
        if is_end {
            let index = open
                .get_mut(id)
                .and_then(Vec::pop)
                .expect("a start before its end");
            handlings[index].end = Some(time);
        } else {
            open.entry(id).or_default().push(handlings.len());
            handlings.push(Handling {
                key: key.to_owned(),
                id: id.to_owned(),
                start: time,
                end: None,
            });
        }
    }
    handlings
}

/// Ids that were sent, but never handled completely. Sets, not counts, because a count hides a loss behind a duplicate.
pub(crate) fn lost(sent: &[(String, String)], handlings: &[Handling]) -> Vec<String> {
    let done: BTreeSet<&str> = handlings
        .iter()
        .filter(|one| one.end.is_some())
        .map(|one| &*one.id)
        .collect();
    let ids = sent.iter().map(|(_, id)| id);
    ids.filter(|id| !done.contains(&***id)).cloned().collect()
}

/// Handlings beyond the first of each id, as a share of all requests.
pub(crate) fn duplicates(handlings: &[Handling]) -> f64 {
    let distinct: BTreeSet<&str> = handlings.iter().map(|one| &*one.id).collect();
    (handlings.len() - distinct.len()) as f64 / distinct.len().max(1) as f64
}

/// The longest time until the next request of a key started, as its requesters saw it.
pub(crate) fn longest_stall(handlings: &[Handling]) -> Duration {
    let mut last: BTreeMap<&str, i128> = BTreeMap::new();
    let stalls = handlings.iter().filter_map(|one| {
        let before = last.insert(&one.key, one.start)?;
        u64::try_from(one.start - before).ok()
    });
    Duration::from_nanos(stalls.max().unwrap_or_default())
}

/// Keys whose requests did not start in the order in which they were sent. Replays do not count.
pub(crate) fn out_of_order(sent: &[(String, String)], handlings: &[Handling]) -> Vec<String> {
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, id) in sent {
        expected.entry(key).or_default().push(id);
    }
    let mut seen = BTreeSet::new();
    let mut handled: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in handlings.iter().filter(|one| seen.insert(&*one.id)) {
        handled.entry(&one.key).or_default().push(&one.id);
    }
    let wrong = expected
        .iter()
        .filter(|(key, ids)| handled.get(*key) != Some(ids));
    wrong.map(|(key, _)| (*key).to_owned()).collect()
}

/// Pairs of requests of one key that were handled at the same time.
pub(crate) fn overlaps(handlings: &[Handling]) -> Vec<(String, String)> {
    let mut by_key: BTreeMap<&str, Vec<&Handling>> = BTreeMap::new();
    for one in handlings {
        by_key.entry(&one.key).or_default().push(one);
    }
    let overlap = |pair: &[&Handling]| pair[0].end.is_none_or(|end| end > pair[1].start);
    by_key
        .values()
        .flat_map(|of_key| of_key.windows(2))
        .filter(|pair| overlap(pair))
        .map(|pair| (pair[0].id.clone(), pair[1].id.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(ids: &[&str]) -> Vec<(String, String)> {
        ids.iter()
            .map(|id| ("k".to_owned(), (*id).to_owned()))
            .collect()
    }

    #[test]
    fn a_clean_journal_has_nothing_to_object_to() {
        let handlings = read("start 1 k a\nend 2 k a\nstart 3 k b\nend 4 k b\n");
        let sent = sent(&["a", "b"]);
        assert!(lost(&sent, &handlings).is_empty());
        assert!(out_of_order(&sent, &handlings).is_empty());
        assert!(overlaps(&handlings).is_empty());
        assert_eq!(duplicates(&handlings), 0.0);
    }

    #[test]
    fn a_loss_is_found_behind_a_duplicate_and_an_unfinished_start() {
        let handlings = read("start 1 k a\nend 2 k a\nstart 3 k a\nend 4 k a\nstart 5 k b\n");
        assert_eq!(lost(&sent(&["a", "b", "c"]), &handlings), ["b", "c"]);
        assert_eq!(duplicates(&handlings), 0.5);
    }

    #[test]
    fn a_wrong_order_is_found_and_a_replay_is_none() {
        let sent = sent(&["a", "b"]);
        let replayed =
            read("start 1 k a\nend 2 k a\nstart 3 k a\nend 4 k a\nstart 5 k b\nend 6 k b\n");
        assert!(out_of_order(&sent, &replayed).is_empty());
        let swapped = read("start 1 k b\nend 2 k b\nstart 3 k a\nend 4 k a\n");
        assert_eq!(out_of_order(&sent, &swapped), ["k"]);
        let missing = read("start 1 k a\nend 2 k a\n");
        assert_eq!(out_of_order(&sent, &missing), ["k"]);
    }

    #[test]
    fn overlaps_are_found_within_a_key_only() {
        let of_one_key = read("start 1 k a\nstart 2 k b\nend 3 k a\nend 4 k b\n");
        assert_eq!(overlaps(&of_one_key), [("a".to_owned(), "b".to_owned())]);
        let of_two = read("start 1 k a\nstart 2 m b\nend 3 k a\nend 4 m b\n");
        assert!(overlaps(&of_two).is_empty());
        let twice = read("start 1 k a\nstart 2 k a\nend 3 k a\nend 4 k a\n");
        assert_eq!(overlaps(&twice), [("a".to_owned(), "a".to_owned())]);
    }
}
