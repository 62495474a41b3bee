//! The round ends clean: no partition has a lag, the group has the right members, no process grew.

use super::super::evidence::Evidence;
use super::super::plan::INSTANCES;
use super::{Finding, none_of};

/// Most growth of a process in a round, in bytes. It covers records in flight, and those that librdkafka fetches ahead
/// at any time (16 MiB and its bookkeeping).
pub(in super::super) const GROWTH: u64 = 96 << 20;
/// Most memory of a broker, in bytes: 512 MiB of heap, and twice as much beside it.
pub(in super::super) const BROKER_MOST: u64 = 1536 << 20;

/// Checks that each partition is committed to its end.
pub(in super::super) fn lag(evidence: &Evidence) -> Option<Finding> {
    let behind = evidence.lag.iter().filter(|(_, lag)| **lag != 0);
    let behind: Vec<String> = behind
        .map(|(partition, lag)| format!("partition {partition} by {lag}"))
        .collect();
    none_of("lag", "partitions are behind", &behind)
}

/// Checks that the group has as many members as instances, and none after their stop.
pub(in super::super) fn group(evidence: &Evidence) -> Option<Finding> {
    let (members, left) = (evidence.members, evidence.members_left);
    (members != Some(INSTANCES) || left != Some(0)).then(|| {
        let text =
            format!("{members:?} members of {INSTANCES} instances, {left:?} after they stopped");
        Finding::new("group", text)
    })
}

/// Checks that no process grew beyond its bound.
pub(in super::super) fn memory(evidence: &Evidence) -> Option<Finding> {
    let grown = evidence.memory.iter().filter(|one| {
        if one.name == "broker" {
            one.most > BROKER_MOST
        } else {
            one.most.saturating_sub(one.first) > GROWTH
        }
    });
    let grown: Vec<String> = grown
        .map(|one| format!("{} from {} to {} bytes", one.name, one.first, one.most))
        .collect();
    none_of("memory", "processes grew", &grown)
}

/// Checks that no part misbehaved.
pub(in super::super) fn misbehaviour(evidence: &Evidence) -> Option<Finding> {
    none_of("behaviour", "parts misbehaved", &evidence.misbehaviour)
}

#[cfg(test)]
mod tests {
    use super::super::super::evidence::Memory;
    use super::*;

    fn ended() -> Evidence {
        Evidence {
            members: Some(INSTANCES),
            members_left: Some(0),
            lag: [(0, 0), (1, 0)].into(),
            ..Evidence::default()
        }
    }

    #[test]
    fn a_clean_end_has_nothing_to_object_to() {
        assert_eq!((lag(&ended()), group(&ended())), (None, None));
        assert_eq!((memory(&ended()), misbehaviour(&ended())), (None, None));
    }

    #[test]
    fn a_stuck_partition_is_found() {
        let mut evidence = ended();
        evidence.lag.insert(1, 7);
        assert!(lag(&evidence).unwrap().text.contains("partition 1 by 7"));
    }

    #[test]
    fn zombies_and_missing_members_are_found() {
        let (all, none) = (Some(INSTANCES), Some(0));
        let too_many = Some(INSTANCES + 1);
        for (members, left) in [
            (too_many, none),
            (Some(2), none),
            (None, none),
            (all, Some(1)),
        ] {
            let evidence = Evidence {
                members,
                members_left: left,
                ..ended()
            };
            assert!(group(&evidence).is_some(), "{members:?}, {left:?}");
        }
    }

    #[test]
    fn growth_is_found() {
        let grown = |name: &str, most| {
            let mut evidence = ended();
            evidence.memory.push(Memory {
                name: name.to_owned(),
                first: 20 << 20,
                most,
            });
            memory(&evidence).is_some()
        };
        assert!(!grown("service", 60 << 20) && grown("service", 200 << 20));
        assert!(!grown("broker", 900 << 20) && grown("broker", 2000 << 20));
    }

    #[test]
    fn misbehaviour_is_told() {
        let mut evidence = ended();
        evidence.misbehaviour.push("instance 1 ended".to_owned());
        assert!(misbehaviour(&evidence).unwrap().text.contains("instance 1"));
    }
}
