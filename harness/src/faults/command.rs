//! The command `harness faults`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use super::conditions::Conditions;
use super::kind::Fault;
use super::plan::{Round, plan};
use super::suite::{self, Report};
use super::world::World;
use crate::cli::FaultsArguments;
use crate::files;
use crate::stack::{StackKind, authorizer, store_program};

/// The smallest number of brokers that has a majority without one of them.
const CLUSTER: usize = 3;

/// Plays the rounds of the plan. Returns the text to print, and whether there are no findings.
///
/// # Errors
///
/// Fails if a part cannot be started or asked, and after an interruption.
pub async fn faults(
    arguments: FaultsArguments,
    seed: u64,
    stop: &CancellationToken,
) -> Result<(String, bool)> {
    if arguments.stack != StackKind::Native {
        bail!(
            "--stack {}: faults need --stack native, whose broker can be killed",
            arguments.stack.name()
        );
    }
    let faults = possible(&arguments.only, store_program(), arguments.brokers)?;
    let mut rounds = plan(seed, arguments.rounds, &faults);
    if let Some(membership) = arguments.members {
        rounds
            .iter_mut()
            .for_each(|round| round.membership = membership);
    }
    let listed: Vec<String> = rounds.iter().map(Round::to_string).collect();
    tracing::info!("seed {seed}; --seed {seed} plans the same rounds again");
    if arguments.dry_run {
        return Ok((format!("{}\n", listed.join("\n")), true));
    }
    let json = arguments.json.as_deref().map(files::prepare);
    let json = json.transpose().context("--json")?;
    let conditions = Conditions {
        rate: arguments.rate,
        requests: arguments.requests,
        quiet: Duration::from_secs(4),
        folder: arguments.logs.clone(),
        keep_logs: arguments.keep_logs,
        properties: arguments.properties.iter().map(typed).collect(),
        order_service: arguments.programs.order_service.clone(),
        load_client: arguments.programs.load_client.clone(),
        stop: stop.clone(),
    };
    let rights = authorizer();
    let rights: Vec<_> = rights
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let world = World::start(
        arguments.brokers,
        Some(arguments.logs.join("stack")),
        &rights,
        stop,
    )
    .await?;
    let report = suite::run(&world, seed, &rounds, &conditions).await;
    let stopped = world.stop().await;
    let report: Report = report?;
    stopped?;
    if let Some(json) = json {
        files::fill_json(json, &report).await.context("--json")?;
    }
    Ok((report.text(), report.is_clean()))
}

/// The faults to plan: the chosen ones, or all that brokers and store can have.
fn possible(chosen: &[Fault], store: Option<&str>, brokers: usize) -> Result<Vec<Fault>> {
    let is_cluster = brokers >= CLUSTER;
    let lacks = |fault: &&Fault| fault.needs_cluster() && !is_cluster;
    if let Some(fault) = chosen.iter().find(lacks) {
        bail!("--only {fault} needs a cluster: add --brokers {CLUSTER}");
    }
    let all: Vec<Fault> = Fault::all()
        .iter()
        .filter(|fault| !lacks(fault))
        .copied()
        .collect();
    let wanted = if chosen.is_empty() { &all[..] } else { chosen };
    let has_not = |fault: &Fault| store == Some("kvrocks") && fault.needs_redis();
    let (lacking, there): (Vec<Fault>, Vec<Fault>) = wanted.iter().copied().partition(has_not);
    let named: Vec<String> = lacking.iter().map(Fault::to_string).collect();
    let named = named.join(", ");
    match (chosen, named.as_str()) {
        (_, "") => {}
        ([], _) => tracing::warn!("left out, because kvrocks on PATH cannot have them: {named}"),
        _ => bail!(
            "--only {named}: kvrocks, which is on PATH, has no such fault; these need redis-server or \
             valkey-server without kvrocks"
        ),
    }
    Ok(there)
}

fn typed((key, value): &(String, String)) -> String {
    format!("{key}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_does_not_have_is_refused_by_name_or_left_out() {
        let chosen = [Fault::KillStore, Fault::StoreFull, Fault::StoreErrors];
        let possible = |chosen: &[Fault], store| possible(chosen, store, 1);
        let refused = possible(&chosen, Some("kvrocks")).unwrap_err().to_string();
        assert!(
            refused.starts_with("--only store-full, store-errors: kvrocks"),
            "{refused}"
        );
        assert_eq!(possible(&chosen, Some("redis-server")).unwrap(), chosen);
        let left = possible(&[], Some("kvrocks")).unwrap();
        assert!(left.contains(&Fault::KillStore) && !left.contains(&Fault::StoreLoading));
    }
    #[test]
    fn faults_of_a_cluster_need_one() {
        let refused = possible(&[Fault::KillLeader], None, 1)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("--only kill-leader needs a cluster: add --brokers 3"));
        assert_eq!(
            possible(&[Fault::KillLeader], None, 3).unwrap(),
            [Fault::KillLeader]
        );
        assert!(!possible(&[], None, 1).unwrap().contains(&Fault::KillLeader));
        assert_eq!(possible(&[], None, 3).unwrap(), Fault::all());
    }
}
