//! The files that one broker is started from: its properties and its logging.

use std::path::{Path, PathBuf};

use anyhow::Result;
use uuid::Uuid;

use super::security::{SecureListener, write_private};

/// Where one broker keeps its files and listens.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) folder: &'a Path,
    pub(super) port: u16,
    pub(super) controller_port: u16,
    pub(super) secure: Option<&'a SecureListener>,
    pub(super) proxied: Option<Proxied>,
    /// Broker properties of the caller's, which come last.
    pub(super) properties: &'a [(String, String)],
}

/// A listener whose clients are told another port, where something stands between them and the broker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proxied {
    pub(super) port: u16,
    pub(super) advertised: u16,
}

impl Layout<'_> {
    pub(super) fn properties_file(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    pub(super) fn logging(&self) -> PathBuf {
        self.folder.join("log4j2.properties")
    }

    pub(super) fn write(&self) -> Result<()> {
        // It holds passwords where there is a secure listener.
        write_private(&self.properties_file(), &self.server_properties())?;
        write_private(&self.logging(), LOG4J2_PROPERTIES)
    }

    /// One node that is broker and controller. Replication factors are 1 because there is one node; groups
    /// form at once because a benchmark's group has one member; topics are never made by accident.
    fn server_properties(&self) -> String {
        let Self {
            folder,
            port,
            controller_port,
            secure,
            proxied,
            properties,
        } = self;
        let listener = |port: u16| format!(",PROXIED://127.0.0.1:{port}");
        let behind = proxied
            .map(|proxied| listener(proxied.port))
            .unwrap_or_default();
        let advertised = proxied
            .map(|proxied| listener(proxied.advertised))
            .unwrap_or_default();
        let secure_listener = secure.map(SecureListener::listener).unwrap_or_default();
        let mut lines = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{behind}{secure_listener}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}{secure_listener}\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SASL_SSL:SASL_SSL\n\
             log.dirs={}\n\
             num.partitions=1\n\
             default.replication.factor=1\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             share.coordinator.state.topic.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n",
            folder.join("data").display()
        );
        lines.extend(secure.map(SecureListener::properties));
        lines.extend(
            properties
                .iter()
                .map(|(name, value)| format!("{name}={value}\n")),
        );
        lines
    }
}

/// Warnings and errors only, to the output that the harness writes to a file: what a failed start leaves.
const LOG4J2_PROPERTIES: &str = "\
status = off
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
";

/// A random id. Any string does for `StorageTool`; a UUID without dashes cannot be taken for an option.
pub(super) fn cluster_id() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_listens_on_loopback_only() {
        let layout = Layout {
            folder: Path::new("/k"),
            port: 1,
            controller_port: 2,
            secure: None,
            proxied: Some(Proxied {
                port: 3,
                advertised: 4,
            }),
            properties: &[("num.partitions".to_owned(), "3".to_owned())],
        };
        let properties = layout.server_properties();
        let listeners = properties
            .lines()
            .find(|line| line.starts_with("listeners="))
            .unwrap();
        assert_eq!(
            listeners,
            "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2,PROXIED://127.0.0.1:3"
        );
        let advertised = "\nadvertised.listeners=PLAINTEXT://127.0.0.1:1,PROXIED://127.0.0.1:4\n";
        assert!(properties.contains(advertised), "{properties}");
        assert!(!properties.contains("0.0.0.0"));
        assert!(properties.ends_with("\nnum.partitions=3\n"), "{properties}");
    }
}
