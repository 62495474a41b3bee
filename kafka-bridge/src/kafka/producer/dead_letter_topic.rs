//! Looks for the dead-letter topic at the start, to report a misspelt name before the first letter needs the topic.

use std::sync::{Arc, Weak};
use std::thread;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::time::Instant;
use tracing::{error, info};

use super::client::Lane;
use super::gates::{FIRST_WAIT, LAST_WAIT};
use crate::health::obstacles::{Blocked, Obstacles};

/// Looks for the topic until it is found or the producer has gone. While it is known to be missing it is an obstacle. A
/// broker that is away says nothing about it. No broker says whether the topic may be written, because rdkafka's safe
/// interface cannot ask for permissions. The first letter shows that.
pub(super) fn look_for(
    topic: Arc<str>,
    lane: &Arc<Lane>,
    obstacles: Obstacles,
) -> Result<(), KafkaError> {
    let lane = Arc::downgrade(lane);
    let until_found = move || {
        let mut wait = FIRST_WAIT;
        let mut told = None;
        while let Some(found) = look(&topic, &lane) {
            let blocked = Blocked::Produce(Arc::clone(&topic));
            match found {
                Ok(None) => {
                    if told.is_some() {
                        info!(%topic, "the dead-letter topic exists");
                        obstacles.clear(&blocked);
                    }
                    return;
                }
                Ok(Some(code)) => {
                    let cause = describe(code);
                    if told.replace(code) != Some(code) {
                        error!(%topic, "{cause}");
                    }
                    obstacles.raise(blocked, cause, Instant::now());
                }
                Err(_) => {}
            }
            thread::sleep(wait);
            wait = (wait * 2).min(LAST_WAIT);
        }
    };
    let thread = thread::Builder::new().name("kafka-look".to_owned());
    let started = thread.spawn(until_found).map(drop);
    started.map_err(|error| KafkaError::ClientCreation(error.to_string()))
}

/// Asks once; `None` when the producer has gone.
fn look(topic: &str, lane: &Weak<Lane>) -> Option<Result<Option<Code>, KafkaError>> {
    let client = lane.upgrade()?.client();
    Some(client.and_then(|client| client.look_for(topic)))
}

fn describe(code: Code) -> String {
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::InvalidTopic => {
            format!("the dead-letter topic does not exist ({code}): create it, or correct its name")
        }
        other => format!("the dead-letter topic cannot be used: {other}"),
    }
}
