//! Creates and deletes topics of a real broker through its admin API, and waits until clients see them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use kafka_cluster_url::{check_tls, other_name};
use load_client::transport::kafka::{KafkaTransportError, built_in_features};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(5);
const VISIBLE_LIMIT: Duration = Duration::from_secs(15);

type Admin = AdminClient<DefaultClientContext>;

/// Creates the topic. An existing topic stays as it is.
pub(super) async fn create(
    servers: &str,
    properties: &[(String, String)],
    name: &str,
    partitions: i32,
) -> Result<()> {
    let admin = admin(servers, properties)?;
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_LIMIT));
    let answers = admin
        .create_topics([&topic], &options)
        .await
        .context("no answer to CreateTopics")?;
    for answer in answers {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => bail!("cannot create topic {topic}: {code}"),
        }
    }
    until_visible(admin, name).await
}

/// Deletes the topics. A missing topic is no error.
pub(super) async fn delete(
    servers: &str,
    properties: &[(String, String)],
    names: &[String],
) -> Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let options = AdminOptions::new()
        .request_timeout(Some(REQUEST_LIMIT * 2))
        .operation_timeout(Some(REQUEST_LIMIT));
    let answers = admin(servers, properties)?
        .delete_topics(&names, &options)
        .await;
    for answer in answers.context("no answer to DeleteTopics")? {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => bail!("cannot delete topic {topic}: {code}"),
        }
    }
    Ok(())
}

/// Sends a metadata request. Returns the number of brokers in the answer.
pub(crate) async fn answers(servers: &str, properties: &[(String, String)]) -> Result<usize> {
    let admin = admin(servers, properties)?;
    // librdkafka blocks here, and a blocked main thread would not handle Ctrl-C.
    let asked = spawn_blocking(move || {
        let metadata = admin.inner().fetch_metadata(None, REQUEST_LIMIT)?;
        anyhow::Ok(metadata.brokers().len())
    });
    asked
        .await
        .context("metadata request")?
        .context("no answer to a metadata request")
}

/// Waits until each partition has a leader. Before that, a send fails or stalls.
async fn until_visible(admin: Admin, name: &str) -> Result<()> {
    let deadline = Instant::now() + VISIBLE_LIMIT;
    let admin = std::sync::Arc::new(admin);
    loop {
        let (asker, topic) = (admin.clone(), name.to_owned());
        let visible = spawn_blocking(move || has_leaders(&asker, &topic))
            .await
            .context("metadata request")?;
        if visible {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("topic {name} has no leader after {VISIBLE_LIMIT:?}");
        }
        sleep(Duration::from_millis(25)).await;
    }
}

fn has_leaders(admin: &Admin, name: &str) -> bool {
    let Ok(metadata) = admin.inner().fetch_metadata(Some(name), REQUEST_LIMIT) else {
        return false;
    };
    metadata.topics().iter().any(|topic| {
        let partitions = topic.partitions();
        topic.error().is_none()
            && !partitions.is_empty()
            && partitions.iter().all(|one| one.leader() >= 0)
    })
}

/// The settings of a client. The user's come last, under each of a property's two names.
pub(crate) fn client_config(servers: &str, properties: &[(String, String)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    for (name, value) in properties {
        if let Some(other) = other_name(name) {
            config.remove(other);
        }
        config.set(name, value);
    }
    config
}

pub(super) fn admin(servers: &str, properties: &[(String, String)]) -> Result<Admin> {
    check_tls(properties, &built_in_features())?;
    let mut config = client_config(servers, properties);
    // No warnings, because settings for one kind of client, such as fetch settings, are warnings in another kind.
    config.set("log_level", "3");
    let client = config.create();
    client.map_err(|error| KafkaTransportError::client("admin client", error).into())
}
