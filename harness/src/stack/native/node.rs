//! One broker: its storage, its command line and its JVM.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use super::config::{Layout, node_id};
use super::jars::Jars;
use super::security::write_private;
use crate::process::Child;
use crate::stack::Listeners;
use crate::wait;

const FORMAT_LIMIT: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A running broker.
#[derive(Debug)]
pub(in crate::stack) struct Node {
    pub(in crate::stack) child: Child,
    /// The folder with its topics.
    pub(in crate::stack) data: PathBuf,
    /// The listeners that advertise other ports.
    pub(super) behind_proxies: Option<Listeners>,
    server: Server,
}

/// How to start the broker, also again.
#[derive(Debug)]
struct Server {
    program: PathBuf,
    arguments: Vec<OsString>,
    logs: PathBuf,
    name: String,
    starts: u32,
}

impl Server {
    /// Starts the broker. Each start has a new log.
    fn spawn(&mut self) -> Result<Child> {
        self.starts += 1;
        let log = match self.starts {
            1 => format!("{}.log", self.name),
            again => format!("{}-{again}.log", self.name),
        };
        let log = self.logs.join(log);
        Child::spawn(&self.name, &self.program, &self.arguments, &log)
    }
}

impl Node {
    /// Starts a broker on its formatted storage, but does not wait.
    pub(super) fn spawn(
        program: &Path,
        jars: &Jars,
        layout: &Layout<'_>,
        logs: &Path,
    ) -> Result<Self> {
        let is_alone = layout.controller_ports.len() == 1;
        let name = match is_alone {
            true => "kafka".to_owned(),
            false => format!("kafka-node{}", node_id(layout.index)),
        };
        let mut server = Server {
            program: program.to_owned(),
            arguments: server(jars, layout),
            logs: logs.to_owned(),
            name,
            starts: 0,
        };
        Ok(Self {
            child: server.spawn()?,
            data: layout.data(),
            behind_proxies: layout.proxied.map(|proxied| proxied.listens),
            server,
        })
    }

    /// Starts a broker again that has ended, on its data.
    pub(in crate::stack) fn respawn(&mut self) -> Result<()> {
        self.child = self.server.spawn()?;
        Ok(())
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.child.stop(STOP_GRACE).await.map(drop)
    }
}

/// Writes the metadata that a KRaft node needs in a new data folder.
pub(super) async fn format_storage(
    java: &Path,
    jars: &Jars,
    layout: &Layout<'_>,
    logs: &Path,
    stop: &CancellationToken,
) -> Result<()> {
    let mut arguments = jvm("-Xmx128m", jars, layout);
    arguments.extend(["kafka.tools.StorageTool", "format", "-t"].map(OsString::from));
    arguments.extend([
        layout.cluster.into(),
        "-c".into(),
        layout.properties_file().into(),
    ]);
    if let Some(secure) = layout.secure {
        arguments.extend(secure.format_arguments().map(OsString::from));
    }
    let mut child = Child::spawn(
        "kafka-storage",
        java,
        [in_file(
            &layout.folder.join("format.arguments"),
            &arguments,
        )?],
        &logs.join("kafka-storage.log"),
    )?;
    let ended =
        wait::unless_stopped(stop, tokio::time::timeout(FORMAT_LIMIT, child.wait())).await?;
    match ended {
        Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
        Ok(_failed) => bail!("cannot format Kafka's storage; {}", child.log_tail()),
        Err(_elapsed) => bail!("formatting Kafka's storage took over {FORMAT_LIMIT:?}"),
    }
}

/// Writes a JVM's arguments to a file, and returns the argument that names the file. The arguments have passwords, and
/// every user of the machine can read a command line.
fn in_file(file: &Path, arguments: &[OsString]) -> Result<OsString> {
    let quoted = arguments.iter().map(|argument| {
        let text = argument.to_string_lossy();
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"\n")
    });
    write_private(file, &quoted.collect::<String>())?;
    let mut argument = OsString::from("@");
    argument.push(file);
    Ok(argument)
}

/// The broker's command line, with the JVM flags of Kafka's start script. The heap is half of the script's, and a
/// quarter in a cluster.
fn server(jars: &Jars, layout: &Layout<'_>) -> Vec<OsString> {
    let (first, most) = match layout.controller_ports.len() {
        1 => ("-Xms512m", "-Xmx512m"),
        _ => ("-Xms256m", "-Xmx256m"),
    };
    let flags = [first, "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];
    let mut arguments: Vec<OsString> = flags.iter().map(OsString::from).collect();
    arguments.extend(jvm(most, jars, layout));
    arguments.extend(["kafka.Kafka".into(), layout.properties_file().into()]);
    arguments
}

fn jvm(heap: &str, jars: &Jars, layout: &Layout<'_>) -> Vec<OsString> {
    let mut logging = OsString::from("-Dlog4j2.configurationFile=");
    logging.push(layout.logging());
    let class_path: PathBuf = jars.folder.join("*");
    vec![
        heap.into(),
        "-Djava.awt.headless=true".into(),
        logging,
        "-cp".into(),
        class_path.into(),
    ]
}
