//! The last thing that a consumer does before it leaves its group.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tracing::debug;

use super::events::ConsumerEvents;
use crate::Error;
use crate::kafka::refusal::failed;

/// How long the last commit may wait for a rebalance to end. A member learns of one by its next
/// heartbeat, 3 s at the most by default, and the others may take as long to join.
const LAST_COMMIT_PATIENCE: Duration = Duration::from_secs(6);
const LAST_COMMIT_RETRY_WAIT: Duration = Duration::from_millis(50);

/// Commits where the partitions stand. For the only thread that polls by now: between the look at what is
/// still held and its commit nothing can be revoked, or the commit could set back the partition's next
/// owner.
///
/// In the middle of a rebalance the broker refuses commits of the old generation, or epoch; a moment later
/// it takes them, unless the partition was revoked meanwhile: then the callback has committed it.
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
                // Or leaving the group would commit the same once more.
                consumer.context().close(Vec::new());
                return Ok(());
            }
            Err(error) if consumer.context().shorten_metadata(&error, &list) => {}
            Err(error) if is_rebalancing(&error) && Instant::now() < deadline => {
                debug!(%error, "last commit put off");
                // Polls, or the rebalance would not come to its end; a record that comes is not
                // committed, and will come again.
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
