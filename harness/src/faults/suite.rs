//! All rounds, one after the other, on one broker and one store.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use super::conditions::Conditions;
use super::evidence::Evidence;
use super::plan::Round;
use super::round::play;
use super::table::table;
use super::verdict::{Verdict, broken_off, judge};
use super::world::World;
use crate::environment::Provenance;
use crate::stack::Description;
use crate::{Interrupted, wait};

/// The result of a suite.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The seed of the plan.
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
    pub(crate) stack: Description,
    pub(crate) rounds: Vec<Verdict>,
}

impl Report {
    /// The table, with all findings below.
    pub(crate) fn text(&self) -> String {
        let mut text = table(&self.rounds);
        for verdict in &self.rounds {
            let figures = verdict.figures.as_ref();
            if let Some(own) = figures.filter(|own| own.lost_by_kafka + own.skipped > 0) {
                let (number, name) = (verdict.round.number, verdict.round.name());
                text += &format!(
                    "\nround {number}, {name}: Kafka lost {} accepted request(s) in an unclean election, which it \
                     permits; {} took their offsets below the committed ones, and were skipped\n",
                    own.lost_by_kafka, own.skipped
                );
            }
            for finding in &verdict.findings {
                let (oracle, found) = (finding.oracle, &finding.text);
                text += &format!("\n{}\n  {oracle}: {found}\n", verdict.round);
            }
        }
        text += &format!("\n{}; seed {}\n", self.provenance.line(), self.seed);
        text
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.rounds
            .iter()
            .all(|verdict| verdict.findings.is_empty())
    }
}

/// Plays the rounds. Removes the logs of clean rounds. A round that breaks off is a finding. The next rounds still run,
/// unless broker or store do not work again.
pub(crate) async fn run(
    world: &World,
    seed: u64,
    rounds: &[Round],
    conditions: &Conditions,
) -> Result<Report> {
    let provenance = Provenance::now();
    let mut verdicts = Vec::with_capacity(rounds.len());
    for round in rounds {
        tracing::info!("{round}");
        let played = play(world, round, conditions);
        let played = wait::unless_stopped(&conditions.stop, played).await?;
        let has_broken_off = played.is_err();
        let verdict = verdict(round, played)?;
        tell(&verdict, rounds.len());
        let folder = conditions.folder.join(format!("round-{:03}", round.number));
        if !verdict.findings.is_empty() {
            tracing::error!("logs are in {}", folder.display());
        } else if !conditions.keep_logs {
            // Logs that cannot be removed do no harm.
            let _ = fs::remove_dir_all(folder);
        }
        verdicts.push(verdict);
        if has_broken_off {
            let repaired = wait::unless_stopped(&conditions.stop, world.repair()).await?;
            if let Err(error) = repaired {
                tracing::error!("the suite cannot go on: {error:#}");
                break;
            }
        }
    }
    Ok(Report {
        seed,
        provenance,
        stack: world.stack.borrow().description(),
        rounds: verdicts,
    })
}

fn verdict(round: &Round, played: Result<Evidence>) -> Result<Verdict> {
    match played {
        Ok(evidence) => Ok(judge(round, &evidence)),
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => Ok(broken_off(round, &error)),
    }
}

fn tell(verdict: &Verdict, rounds: usize) {
    for finding in &verdict.findings {
        tracing::error!("{}: {}", finding.oracle, finding.text);
    }
    let Some(figures) = &verdict.figures else {
        return;
    };
    let recovery = figures
        .recovery_ms
        .map_or("none".to_owned(), |time| format!("{time} ms"));
    tracing::info!(
        "round {} of {rounds}, {}: {} requests, {} lost, {} lost by Kafka, {:.3} % repeated, {} dead-lettered, {} failure \
         replies, {} ended by fatal errors of Kafka, recovery {recovery}, {} commits compared",
        verdict.round.number,
        verdict.round.name(),
        figures.requests,
        figures.lost,
        figures.lost_by_kafka,
        100.0 * figures.duplicates,
        figures.dead_lettered,
        figures.failed,
        figures.told_to_end,
        figures.commits,
    );
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::super::kind::Fault;
    use super::super::oracles::examples::sound;
    use super::super::plan::plan;
    use super::*;

    #[test]
    fn a_round_that_breaks_off_is_a_finding_and_an_interruption_ends_the_suite() {
        let round = plan(1, 1, &[Fault::KillBroker]).remove(0);
        let broken = verdict(&round, Err(anyhow!("no end of a topic"))).unwrap();
        assert_eq!(broken.figures, None);
        assert_eq!(broken.findings.len(), 1);
        assert!(broken.findings[0].text.contains("no end of a topic"));
        assert!(verdict(&round, Err(Interrupted.into())).is_err());
        assert!(verdict(&round, Ok(sound())).unwrap().figures.is_some());
    }
}
