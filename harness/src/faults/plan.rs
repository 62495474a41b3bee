//! Plans the rounds of a run. Pure: the same seed makes the same plan.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::chance::Chance;
use super::kind::Fault;

/// Instances of the service in each round.
pub(super) const INSTANCES: usize = 3;

/// What the service does with requests that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It tries again, then writes a dead letter
    Retry,
    /// The failure is the reply
    Reply,
}

/// How the instances of the service are members of their group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// The members divide the partitions among themselves
    Classic,
    /// The same, and a member that comes back gets its partitions again (KIP-345)
    Static,
    /// The broker assigns the partitions (KIP-848)
    Assigned,
}

/// One fault of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The fault.
    pub fault: Fault,
    /// Milliseconds from the end of the round's quiet part to the start of the fault.
    pub after: u64,
    /// Its length, in milliseconds.
    pub length: u64,
    /// The instance of the service that it strikes, if it strikes one.
    pub victim: usize,
}

/// One round: its faults, and how the service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Counted from 1.
    pub number: usize,
    /// They all overlap.
    pub faults: Vec<Planned>,
    /// `tasks` or `keyed`.
    pub dispatch: &'static str,
    /// What the service does with requests that fail.
    pub policy: Policy,
    /// How the instances are members of their group.
    pub membership: Membership,
}

impl Planned {
    pub(super) fn begin(&self) -> Duration {
        Duration::from_millis(self.after)
    }

    pub(super) fn duration(&self) -> Duration {
        Duration::from_millis(self.length)
    }
}

impl Round {
    /// The faults' names, `a+b` of a mix.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<String> = self
            .faults
            .iter()
            .map(|one| one.fault.to_string())
            .collect();
        names.join("+")
    }

    pub(super) fn has(&self, is_so: impl Fn(Fault) -> bool) -> bool {
        self.faults.iter().any(|one| is_so(one.fault))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.policy {
            Policy::Retry => "retry",
            Policy::Reply => "reply",
        };
        let membership = match self.membership {
            Membership::Classic => "classic",
            Membership::Static => "static",
            Membership::Assigned => "assigned",
        };
        write!(
            formatter,
            "round {}: dispatch {}, on failure {policy}, members {membership};",
            self.number, self.dispatch
        )?;
        for one in &self.faults {
            write!(
                formatter,
                " {} (instance {}) after {} ms for {} ms;",
                one.fault, one.victim, one.after, one.length
            )?;
        }
        Ok(())
    }
}

/// Plans this number of rounds: first each fault alone, in random order, then mixes and single faults in turns.
#[must_use]
pub fn plan(seed: u64, rounds: usize, faults: &[Fault]) -> Vec<Round> {
    let mut chance = Chance::new(seed);
    let mut alone = faults.to_vec();
    chance.shuffle(&mut alone);
    (0..rounds)
        .map(|index| {
            let chosen = match alone.get(index) {
                Some(fault) => vec![*fault],
                None if (index - alone.len()).is_multiple_of(2) => mix(&mut chance, faults),
                None => chance.one_of(faults).into_iter().collect(),
            };
            round(&mut chance, index + 1, &chosen)
        })
        .collect()
}

/// Two or three faults that strike different parts, or fewer if there are not enough.
fn mix(chance: &mut Chance, faults: &[Fault]) -> Vec<Fault> {
    let mut order = faults.to_vec();
    chance.shuffle(&mut order);
    let wanted = if chance.below(2) == 0 { 2 } else { 3 };
    let mut chosen: Vec<Fault> = Vec::new();
    for fault in order {
        let is_same = |one: &Fault| one.target().is_same_part(fault.target());
        let is_struck = chosen.iter().any(is_same);
        if chosen.len() < wanted && !is_struck {
            chosen.push(fault);
        }
    }
    chosen
}

fn round(chance: &mut Chance, number: usize, faults: &[Fault]) -> Round {
    let faults = faults.iter().map(|fault| {
        let (shortest, longest) = fault.length();
        Planned {
            fault: *fault,
            after: chance.below(800),
            length: chance.between(shortest, longest),
            victim: usize::try_from(chance.below(INSTANCES as u64)).unwrap_or(0),
        }
    });
    let faults = faults.collect();
    Round {
        number,
        faults,
        dispatch: if chance.below(2) == 0 {
            "tasks"
        } else {
            "keyed"
        },
        policy: if chance.below(3) == 0 {
            Policy::Reply
        } else {
            Policy::Retry
        },
        membership: match chance.below(3) {
            0 => Membership::Classic,
            1 => Membership::Static,
            _ => Membership::Assigned,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_decides_the_plan() {
        assert_eq!(plan(7, 60, Fault::all()), plan(7, 60, Fault::all()));
        assert_ne!(plan(7, 60, Fault::all()), plan(8, 60, Fault::all()));
        // A plan with more rounds begins like one with fewer.
        assert_eq!(plan(7, 60, Fault::all())[..20], plan(7, 20, Fault::all()));
    }

    #[test]
    fn each_fault_comes_alone_before_any_mix() {
        let rounds = plan(1, Fault::all().len(), Fault::all());
        let alone: BTreeSet<Fault> = rounds.iter().map(|round| round.faults[0].fault).collect();
        assert_eq!(alone.len(), Fault::all().len());
        assert!(rounds.iter().all(|round| round.faults.len() == 1));
    }

    #[test]
    fn a_mix_strikes_each_part_once_and_all_modes_are_drawn() {
        let rounds = plan(1, 200, Fault::all());
        let mixes: Vec<&Round> = rounds
            .iter()
            .filter(|round| round.faults.len() > 1)
            .collect();
        assert!(mixes.len() > 80, "{}", mixes.len());
        for round in &mixes {
            for (index, one) in round.faults.iter().enumerate() {
                let is_same =
                    |other: &Planned| other.fault.target().is_same_part(one.fault.target());
                assert!(!round.faults[index + 1..].iter().any(is_same), "{round}");
            }
        }
        for policy in [Policy::Retry, Policy::Reply] {
            for dispatch in ["tasks", "keyed"] {
                let drawn = |round: &&Round| round.policy == policy && round.dispatch == dispatch;
                assert!(rounds.iter().filter(drawn).count() > 20);
            }
        }
        use Membership::{Assigned, Classic, Static};
        for membership in [Classic, Static, Assigned] {
            let drawn = |round: &&Round| round.membership == membership;
            assert!(rounds.iter().filter(drawn).count() > 40);
        }
    }

    #[test]
    fn a_pause_outlasts_the_session_or_does_not() {
        for round in plan(5, 200, Fault::all()) {
            for one in round.faults {
                match one.fault {
                    Fault::PauseLong => assert!(one.length > 6000),
                    Fault::PauseShort => assert!((1000..6000).contains(&one.length)),
                    Fault::PauseLeader => assert!(one.length > 6000),
                    _ if one.fault.needs_cluster() => assert!(one.length <= 10_000),
                    _ => assert!(one.length <= 5000),
                }
            }
        }
    }

    #[test]
    fn a_single_fault_can_be_repeated() {
        let rounds = plan(2, 5, &[Fault::KillStore]);
        assert!(rounds.iter().all(|round| round.name() == "kill-store"));
    }
}
