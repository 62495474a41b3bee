//! The configuration files of one broker: its properties and its logging.

use std::path::{Path, PathBuf};

use anyhow::Result;
use uuid::Uuid;

use super::security::{SecureListener, write_private};
use crate::stack::Listeners;

/// The files and ports of one broker of a cluster.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) folder: &'a Path,
    /// Its index in the cluster, from 0.
    pub(super) index: usize,
    pub(super) port: u16,
    /// Those of all brokers of the cluster.
    pub(super) controller_ports: &'a [u16],
    /// The cluster's id.
    pub(super) cluster: &'a str,
    pub(super) secure: Option<&'a SecureListener>,
    pub(super) proxied: Option<Proxied>,
    /// The caller's broker properties, which come last.
    pub(super) properties: &'a [(String, String)],
}

/// Two listeners that advertise other ports, for proxies in front of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proxied {
    pub(super) listens: Listeners,
    pub(super) advertises: Listeners,
}

/// The broker's number.
pub(super) fn node_id(index: usize) -> usize {
    index + 1
}

impl Layout<'_> {
    pub(super) fn properties_file(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    pub(super) fn logging(&self) -> PathBuf {
        self.folder.join("log4j2.properties")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn write(&self) -> Result<()> {
        // It has passwords if there is a secure listener.
        write_private(&self.properties_file(), &self.server_properties())?;
        write_private(&self.logging(), LOG4J2_PROPERTIES)
    }

    /// Each node is broker and controller. All brokers have all topics, and a record is accepted once most of them have
    /// it. Groups form at once, because a benchmark's group has one member. Topics are never created automatically.
    fn server_properties(&self) -> String {
        let (id, port) = (node_id(self.index), self.port);
        let voters = self.controller_ports.iter().enumerate();
        let voters = voters.map(|(index, port)| format!("{}@127.0.0.1:{port}", node_id(index)));
        let voters = voters.collect::<Vec<_>>().join(",");
        let controller_port = self.controller_ports[self.index];
        let further = |ports: Listeners| {
            let Listeners { clients, peers } = ports;
            format!(",PROXIED://127.0.0.1:{clients},PEERS://127.0.0.1:{peers}")
        };
        let listens = self.proxied.map(|proxied| further(proxied.listens));
        let advertises = self.proxied.map(|proxied| further(proxied.advertises));
        let (listens, advertises) = (listens.unwrap_or_default(), advertises.unwrap_or_default());
        let among_brokers = self.proxied.map_or("PLAINTEXT", |_| "PEERS");
        let secure = self.secure.map(SecureListener::listener);
        let secure = secure.unwrap_or_default();
        let replicas = self.controller_ports.len();
        let controllers = match replicas {
            1 => "PLAINTEXT",
            _ => "SASL_PLAINTEXT",
        };
        let least = replicas / 2 + 1;
        let mut lines = format!(
            "process.roles=broker,controller\n\
             node.id={id}\n\
             controller.quorum.voters={voters}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{listens}{secure}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertises}{secure}\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name={among_brokers}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:{controllers},PROXIED:PLAINTEXT,PEERS:PLAINTEXT,SASL_SSL:SASL_SSL\n\
             log.dirs={}\n\
             num.partitions=1\n\
             default.replication.factor={replicas}\n\
             min.insync.replicas={least}\n\
             offsets.topic.replication.factor={replicas}\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor={replicas}\n\
             transaction.state.log.min.isr={least}\n\
             transaction.state.log.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor={replicas}\n\
             share.coordinator.state.topic.min.isr={least}\n\
             share.coordinator.state.topic.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n",
            self.data().display()
        );
        if replicas > 1 {
            lines += &among_controllers(self.cluster);
        }
        lines.extend(self.secure.map(SecureListener::properties));
        lines.extend(
            self.properties
                .iter()
                .map(|(name, value)| format!("{name}={value}\n")),
        );
        lines
    }
}

/// Controllers that check rights refuse the votes of unknown controllers, because they know the rules only after they
/// have elected a leader. So the controllers log in with a name that has all rights.
fn among_controllers(password: &str) -> String {
    let login = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"controller\" password=\"{password}\" user_controller=\"{password}\";"
    );
    format!(
        "super.users=User:controller\n\
         sasl.mechanism.controller.protocol=PLAIN\n\
         listener.name.controller.sasl.enabled.mechanisms=PLAIN\n\
         listener.name.controller.plain.sasl.jaas.config={login}\n"
    )
}

/// Only warnings and errors, on standard output, which the harness writes to a file.
const LOG4J2_PROPERTIES: &str = "\
status = off
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
";

/// A random id. `StorageTool` accepts any string. A UUID without dashes does not look like an option.
pub(super) fn cluster_id() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(index: usize, controller_ports: &[u16]) -> String {
        let listeners = |clients, peers| Listeners { clients, peers };
        let layout = Layout {
            folder: Path::new("/k"),
            index,
            port: 1,
            controller_ports,
            cluster: "id",
            secure: None,
            proxied: Some(Proxied {
                listens: listeners(5, 6),
                advertises: listeners(7, 8),
            }),
            properties: &[("num.partitions".to_owned(), "3".to_owned())],
        };
        layout.server_properties()
    }

    fn line<'a>(properties: &'a str, name: &str) -> &'a str {
        let mut lines = properties.lines();
        let value = lines.find_map(|line| line.strip_prefix(&format!("{name}=")));
        value.unwrap()
    }

    #[test]
    fn the_broker_listens_on_loopback_only() {
        let properties = properties(0, &[2]);
        assert_eq!(
            line(&properties, "listeners"),
            "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2,PROXIED://127.0.0.1:5,PEERS://127.0.0.1:6"
        );
        assert_eq!(
            line(&properties, "advertised.listeners"),
            "PLAINTEXT://127.0.0.1:1,PROXIED://127.0.0.1:7,PEERS://127.0.0.1:8"
        );
        assert!(!properties.contains("0.0.0.0"));
        assert!(properties.ends_with("\nnum.partitions=3\n"), "{properties}");
    }

    #[test]
    fn each_broker_of_a_cluster_knows_all_controllers_and_most_have_to_have_a_record() {
        let alone = properties(0, &[2]);
        assert_eq!(line(&alone, "min.insync.replicas"), "1");
        let third = properties(2, &[2, 3, 4]);
        assert_eq!(line(&third, "node.id"), "3");
        let voters = "1@127.0.0.1:2,2@127.0.0.1:3,3@127.0.0.1:4";
        assert_eq!(line(&third, "controller.quorum.voters"), voters);
        assert!(line(&third, "listeners").contains("CONTROLLER://127.0.0.1:4"));
        assert_eq!(line(&third, "default.replication.factor"), "3");
        assert_eq!(line(&third, "min.insync.replicas"), "2");
        assert_eq!(line(&third, "transaction.state.log.min.isr"), "2");
    }
}
