//! Counts the members of consumer groups.

use anyhow::{Context, Result, bail};
use tokio::task::spawn_blocking;

use super::partitions::refused;
use super::protocol::{Body, Request, ask};
use super::topics::{REQUEST_LIMIT, admin};

const CONSUMER_GROUP_DESCRIBE: Request = Request {
    api: 69,
    version: 0,
    is_flexible: true,
};

/// The number of members of a group of the classic protocol; `None` during a rebalance. A member that stops while it
/// joins cannot leave the group yet.
pub(crate) async fn group_members(
    servers: &str,
    properties: &[(String, String)],
    group: &str,
) -> Result<Option<usize>> {
    let (asker, group) = (admin(servers, properties)?, group.to_owned());
    // librdkafka blocks here.
    let asked = spawn_blocking(move || {
        let groups = asker
            .inner()
            .fetch_group_list(Some(&group), REQUEST_LIMIT)?;
        let groups = groups.groups();
        let is_settled = groups
            .iter()
            .all(|group| matches!(group.state(), "Stable" | "Empty" | "Dead"));
        let members = groups.iter().map(|group| group.members().len()).sum();
        anyhow::Ok(is_settled.then_some(members))
    });
    asked
        .await
        .context("group request")?
        .context("no answer to a group request")
}

/// The number of members of a group whose partitions the broker assigns (KIP-848); `None` while it is assigning them.
/// `server` is the group's coordinator.
pub(crate) async fn assigned_members(server: &str, group: &str) -> Result<Option<usize>> {
    let mut body = Body::default();
    body.compact_count(1).compact_string(group);
    // No authorized operations.
    body.byte(0).end();
    let mut answer = ask(server, CONSUMER_GROUP_DESCRIBE, &body).await?;
    answer.take(4)?;
    if answer.compact_count()? != 1 {
        bail!("the answer describes no group");
    }
    refused("describe a group", answer.code()?)?;
    let (_message, _id) = (answer.compact_string()?, answer.compact_string()?);
    let state = answer.compact_string()?;
    // The epochs of the group and of its assignment.
    answer.take(8)?;
    let _assignor = answer.compact_string()?;
    let members = answer.compact_count()?;
    Ok(matches!(&*state, "Stable" | "Empty" | "Dead").then_some(members))
}
