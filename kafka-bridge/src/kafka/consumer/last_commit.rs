//! Makes the last commit of a consumer before it leaves its group.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tracing::debug;

use super::events::ConsumerEvents;
use crate::Error;
use crate::kafka::refusal::failed;

/// How long the last commit may wait for a rebalance to end. A member learns of it with its next heartbeat, at most 3 s
/// later by default, and the others may take as long to join.
const LAST_COMMIT_PATIENCE: Duration = Duration::from_secs(6);
const LAST_COMMIT_RETRY_WAIT: Duration = Duration::from_millis(50);

/// Commits the positions of the partitions. Only for the last thread that polls: nothing can be revoked between the
/// check of the held partitions and their commit. Otherwise the commit could rewind the partition of its next owner.
///
/// During a rebalance the broker refuses commits of the old generation or epoch, and accepts them a moment later. If
/// the partition was revoked meanwhile, the callback has committed it.
pub(super) fn commit_last(consumer: &BaseConsumer<ConsumerEvents>) -> Result<(), Error> {
    let deadline = Instant::now() + LAST_COMMIT_PATIENCE;
    loop {
        let positions = consumer.context().uncommitted();
        let list = consumer.context().to_list(&positions);
        if list.count() == 0 {
            return Ok(());
        }
        match consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => {
                debug!(?positions, "last offsets committed");
                // Without this, leaving the group would commit the same again.
                consumer.context().close(Vec::new());
                return Ok(());
            }
            Err(error) if consumer.context().shorten_metadata(&error, &list) => {}
            Err(error) if is_rebalancing(&error) && Instant::now() < deadline => {
                debug!(%error, "last commit postponed");
                // The rebalance needs polls to end. A record that comes here is not committed, and will be delivered
                // again.
                let _ = consumer.poll(LAST_COMMIT_RETRY_WAIT);
            }
            Err(error) => return Err(failed("committing the last offsets", error)),
        }
    }
}

fn is_rebalancing(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(Code::IllegalGeneration | Code::RebalanceInProgress | Code::StaleMemberEpoch)
    )
}
