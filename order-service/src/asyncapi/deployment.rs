//! What the description says about one deployment: its brokers, topics and group.

use kafka_cluster_url::{ClusterUrl, last};
use serde_json::{Map, Value, json};

/// How requesters reach the service over Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Each broker, `host:port`.
    pub brokers: Vec<String>,
    /// Whether the connections use TLS.
    pub secure: bool,
    /// Prefix of the name of each topic.
    pub topic_prefix: String,
    /// The consumer group.
    pub group_id: String,
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".to_owned()],
            secure: false,
            topic_prefix: String::new(),
            group_id: "order-service".to_owned(),
        }
    }
}

impl Deployment {
    /// Takes the brokers of a cluster, without credentials.
    #[must_use]
    pub fn new(kafka: &ClusterUrl, topic_prefix: &str, group_id: &str) -> Self {
        let protocol = last(&kafka.properties, "security.protocol");
        Self {
            brokers: kafka.brokers.split(',').map(str::to_owned).collect(),
            secure: protocol.is_some_and(|protocol| protocol.ends_with("ssl")),
            topic_prefix: topic_prefix.to_owned(),
            group_id: group_id.to_owned(),
        }
    }

    /// Returns the topic of an operation.
    #[must_use]
    pub fn topic(&self, operation_id: &str) -> String {
        format!("{}{operation_id}", self.topic_prefix)
    }

    pub(super) fn servers(&self) -> Map<String, Value> {
        let protocol = if self.secure { "kafka-secure" } else { "kafka" };
        let brokers = self.brokers.iter().enumerate();
        let server = |(index, host): (usize, &String)| {
            let server = json!({ "host": host, "protocol": protocol });
            (format!("broker-{}", index + 1), server)
        };
        brokers.map(server).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(url: &str) -> Deployment {
        Deployment::new(&ClusterUrl::parse(url).unwrap(), "", "g")
    }

    #[test]
    fn credentials_are_no_part_of_a_description() {
        for url in [
            "kafka+sasl://me:p%40ss@a:1,b:2?mechanism=PLAIN",
            "kafka+sasl://me:p@ss,word@a:1,b:2",
            "kafka+ssl://a:1,b:2",
        ] {
            let deployment = deployment(url);
            assert_eq!(deployment.brokers, ["a:1", "b:2"], "{url}");
            assert!(deployment.secure, "{url}");
        }
        for url in ["kafka://a:1", "kafka+sasl://me:p@a:1?security=plaintext"] {
            assert!(!deployment(url).secure, "{url}");
        }
    }
}
