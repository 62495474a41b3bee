//! `keyed`: records with the same key are answered in the order of their partition.

use std::collections::{BTreeMap, BTreeSet};

use super::super::evidence::{Evidence, Outcome, Record};
use super::{Finding, none_of};

/// Checks that the first reply to each record comes after the first replies to earlier records with the same key and
/// partition. Repeated replies do not count: a replay goes through the records in order again.
///
/// Do not use it if replies are gone with their topic. Dead letters do not count, because they are in another topic,
/// and only one topic has an order.
pub(in super::super) fn order_of_keys(evidence: &Evidence) -> Option<Finding> {
    let places: BTreeMap<&str, &Record> = evidence
        .records
        .iter()
        .filter(|record| !record.foreign)
        .map(|record| (&*record.id, record))
        .collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut last: BTreeMap<(i32, &str), &Record> = BTreeMap::new();
    let mut wrong = Vec::new();
    for answer in &evidence.answers {
        if matches!(answer.outcome, Outcome::DeadLetter { .. }) {
            continue;
        }
        let Some(record) = places.get(&*answer.id) else {
            continue;
        };
        if !seen.insert(&answer.id) {
            continue;
        }
        if let Some(before) = last.insert((record.partition, &record.key), record)
            && before.offset > record.offset
        {
            wrong.push(format!(
                "{} after {} (key {})",
                record.id, before.id, record.key
            ));
        }
    }
    none_of("order", "records overtook one with the same key", &wrong)
}

#[cfg(test)]
mod tests {
    use super::super::examples::{reply, sound};
    use super::*;

    #[test]
    fn replays_are_no_disorder() {
        let mut evidence = sound();
        evidence.answers = vec![reply("a", 1), reply("a", 2), reply("b", 3), reply("a", 4)];
        assert_eq!(order_of_keys(&evidence), None);
    }

    #[test]
    fn a_record_that_overtook_another_is_found_within_its_key_only() {
        let mut evidence = sound();
        evidence.answers = vec![reply("b", 1), reply("a", 2)];
        let finding = order_of_keys(&evidence).unwrap();
        assert!(finding.text.contains("a after b (key k)"), "{finding:?}");
        evidence.records[0].key = "other".to_owned();
        assert_eq!(order_of_keys(&evidence), None);
    }
}
