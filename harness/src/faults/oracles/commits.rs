//! Committed records are finished: no committed offset passes a record without an answer, and no committed record is
//! handled again.

use std::collections::{BTreeMap, BTreeSet};

use super::super::evidence::{Commit, Evidence, Record};
use super::{Finding, none_of, replies_gone};

/// How late a reply may reach the broker, in milliseconds, if it was on its way when its sender was killed.
const ON_ITS_WAY: i64 = 1000;

/// How late a member learns, in milliseconds, that the topic was deleted and created again. Its commits until then have
/// the old topic's id, so that a reader knows that they are void.
const UNHEARD: i64 = 5000;

/// The commits for the current topic. Earlier ones belong to a deleted topic with the same name.
fn of_this_topic(evidence: &Evidence) -> impl Iterator<Item = &Commit> {
    let gone = evidence.requests_gone;
    let before = |one: &&Commit| gone.is_some_and(|gone| one.at <= gone.end);
    let old: BTreeSet<&str> = (evidence.commits.iter().filter(before))
        .map(|one| &*one.metadata)
        .filter(|metadata| !metadata.is_empty())
        .collect();
    evidence.commits.iter().filter(move |one| {
        gone.is_none_or(|gone| {
            let is_void = one.at <= gone.end + UNHEARD && old.contains(&*one.metadata);
            one.at > gone.end && !is_void
        })
    })
}

/// Whether a record was written after an unclean election, at the offset of a lost record that was already committed. A
/// consumer that reads on from the committed offset does not see it. To prevent that, the commit needs the leader's
/// epoch (KIP-320), which rdkafka cannot write.
pub(super) fn is_in_a_lost_place(evidence: &Evidence, record: &Record) -> bool {
    let is_beyond = |one: &Commit| {
        one.partition == record.partition && one.offset > record.offset && one.at < record.at
    };
    evidence.alone.is_some() && evidence.commits.iter().any(is_beyond)
}

/// Checks that, for each sampled commit `N` of a partition, every record below `N` had an answer by then.
pub(in super::super) fn passed(evidence: &Evidence) -> Option<Finding> {
    let answers = evidence.answers_by_record();
    let first = |record: &Record| answers.get(&*record.id)?.iter().map(|one| one.at).min();
    // If the first reply to a record may be gone, the time of its answer is unknown.
    let is_known = |record: &Record, answered: i64| {
        replies_gone(evidence).all(|gone| record.at > gone.end || answered <= gone.begin)
    };
    let mut open: BTreeMap<i32, Vec<(i64, i64, &str)>> = BTreeMap::new();
    for record in &evidence.records {
        let answered = first(record).unwrap_or(i64::MAX);
        if is_known(record, answered) && !is_in_a_lost_place(evidence, record) {
            let of_partition = open.entry(record.partition).or_default();
            of_partition.push((record.offset, answered, &record.id));
        }
    }
    let mut passed = Vec::new();
    for records in open.values_mut() {
        records.sort_unstable();
    }
    for commit in of_this_topic(evidence) {
        let records = open.get(&commit.partition).map_or(&[][..], Vec::as_slice);
        let below = records.partition_point(|(offset, ..)| *offset < commit.offset);
        let late = records[..below].iter().filter(|(_, at, _)| *at > commit.at);
        passed.extend(late.take(1).map(|(offset, at, id)| {
            let answered = match *at {
                i64::MAX => "never answered".to_owned(),
                at => format!("answered {} ms later", at - commit.at),
            };
            format!(
                "{} over {id} ({}/{offset}, {answered})",
                commit.offset, commit.partition
            )
        }));
    }
    none_of(
        "commits",
        "committed offsets pass an unfinished record",
        &passed,
    )
}

/// Checks that records are handled again only from a committed offset on: below an offset that was committed a while
/// ago, no further answers come. Do not use it if a replaced member may still finish its records.
pub(in super::super) fn replays(evidence: &Evidence) -> Option<Finding> {
    let mut commits: BTreeMap<i32, Vec<Commit>> = BTreeMap::new();
    for commit in of_this_topic(evidence) {
        commits
            .entry(commit.partition)
            .or_default()
            .push(commit.clone());
    }
    let places: BTreeMap<&str, &Record> = evidence
        .records
        .iter()
        .map(|record| (&*record.id, record))
        .collect();
    let late = evidence.answers.iter().filter_map(|answer| {
        let record = places.get(&*answer.id)?;
        let mut commits = commits.get(&record.partition)?.iter();
        let commit = commits
            .find(|commit| commit.offset > record.offset && commit.at + ON_ITS_WAY < answer.at)?;
        Some(format!(
            "{} ({}/{}) {} ms after {} was committed",
            answer.id,
            record.partition,
            record.offset,
            answer.at - commit.at,
            commit.offset
        ))
    });
    let late: Vec<String> = late.collect();
    none_of("replays", "answers repeat what was committed", &late)
}

#[cfg(test)]
mod tests {
    use super::super::super::evidence::Span;
    use super::super::examples::{reply, sound};
    use super::*;

    fn commit(offset: i64, at: i64) -> Commit {
        Commit {
            partition: 0,
            offset,
            metadata: String::new(),
            at,
        }
    }

    #[test]
    fn a_commit_after_the_answers_below_it_is_right() {
        let mut evidence = sound();
        evidence.commits = vec![commit(0, 0), commit(1, 10), commit(2, 11)];
        assert_eq!(passed(&evidence), None);
        // Records of another partition do not count.
        evidence.records[1].partition = 1;
        evidence.commits.push(commit(2, 10));
        assert_eq!(passed(&evidence), None);
    }

    #[test]
    fn a_commit_before_an_answer_below_it_is_found() {
        let mut evidence = sound();
        evidence.commits = vec![commit(2, 10)];
        let finding = passed(&evidence).unwrap();
        assert!(
            finding.text.contains("2 over b (0/1, answered 1 ms later)"),
            "{finding:?}"
        );
    }

    #[test]
    fn a_commit_over_what_is_never_answered_is_found_behind_duplicates() {
        let mut evidence = sound();
        evidence.answers = vec![reply("b", 5), reply("b", 6)];
        evidence.commits = vec![commit(2, 1000)];
        assert!(
            passed(&evidence)
                .unwrap()
                .text
                .contains("a (0/0, never answered)")
        );
        // Not if its reply may be gone, with the topic or with the leader of its partition.
        let gone = Some(Span { begin: 2, end: 5 });
        evidence.replies_gone = gone;
        assert_eq!(passed(&evidence), None);
        (evidence.replies_gone, evidence.alone) = (None, gone);
        assert_eq!(passed(&evidence), None);
        let before = Some(Span { begin: -9, end: -1 });
        evidence.alone = before;
        assert!(passed(&evidence).is_some());
    }

    #[test]
    fn a_commit_from_before_the_topic_was_remade_is_none_and_one_after_it_counts() {
        let mut evidence = sound();
        evidence.commits = vec![commit(2, 9)];
        assert!(passed(&evidence).is_some());
        evidence.requests_gone = Some(Span { begin: 5, end: 9 });
        assert_eq!(passed(&evidence), None);
        evidence.commits.push(commit(2, 10));
        assert!(
            passed(&evidence).is_some(),
            "an old position on a new topic"
        );
    }

    #[test]
    fn a_commit_that_names_the_old_topic_is_void_until_the_new_one_must_be_known() {
        let named = |offset, at, id: &str| Commit {
            metadata: id.to_owned(),
            ..commit(offset, at)
        };
        let mut evidence = sound();
        let end = 8;
        evidence.requests_gone = Some(Span { begin: 5, end });
        let found = |evidence: &mut Evidence, last: Commit| {
            evidence.commits = vec![named(2, 4, "old"), last];
            passed(evidence).is_some()
        };
        assert!(!found(&mut evidence, named(2, 9, "old")));
        assert!(found(&mut evidence, named(2, 9, "new")));
        // The answers come after all commits.
        evidence
            .answers
            .iter_mut()
            .for_each(|one| one.at += 2 * UNHEARD);
        assert!(!found(&mut evidence, named(2, end + UNHEARD, "old")));
        assert!(found(&mut evidence, named(2, end + UNHEARD + 1, "old")));
    }

    #[test]
    fn a_replay_of_what_is_not_committed_is_right_and_any_other_is_found() {
        let mut evidence = sound();
        evidence.commits = vec![commit(1, 20)];
        evidence.answers.push(reply("b", 5000));
        assert_eq!(replays(&evidence), None);
        evidence.answers.push(reply("a", 900));
        assert_eq!(replays(&evidence), None, "it may have been on its way");
        evidence.answers.push(reply("a", 5000));
        assert!(
            replays(&evidence)
                .unwrap()
                .text
                .contains("a (0/0) 4980 ms after 1")
        );
    }
}
