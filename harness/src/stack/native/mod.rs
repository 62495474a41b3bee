//! The native broker: one node of Apache Kafka on the local JVM, with data that lives as long as it does.

mod config;
mod jars;
mod java;
mod security;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::config::{Layout, Proxied};
use self::jars::Jars;
use self::java::Java;
use self::security::write_private;
pub use self::security::{Login, SecureListener, authority};
use super::{StackOptions, ports, topics};
use crate::process::Child;
use crate::wait;

const FORMAT_LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A running broker, the JVM it runs on, and its data folder, which goes with it.
#[derive(Debug)]
pub(super) struct NativeBroker {
    pub(super) url: String,
    pub(super) version: String,
    pub(super) java: String,
    pub(super) secure: Option<SecureListener>,
    /// The port of the listener whose clients are told another one.
    pub(super) proxied_port: Option<u16>,
    child: Child,
    server: Server,
    _data: TempDir,
}

/// How the broker is started, again if need be.
#[derive(Debug)]
struct Server {
    program: PathBuf,
    arguments: Vec<OsString>,
    logs: PathBuf,
    starts: u32,
}

impl Server {
    /// Each start has a log of its own.
    fn spawn(&mut self) -> Result<Child> {
        self.starts += 1;
        let log = match self.starts {
            1 => self.logs.join("kafka.log"),
            again => self.logs.join(format!("kafka-{again}.log")),
        };
        Child::spawn("kafka", &self.program, &self.arguments, &log)
    }
}

impl NativeBroker {
    pub(super) async fn start(options: &StackOptions, logs: &Path) -> Result<Self> {
        let stop = &options.stop;
        let port = ports::choose("--kafka-port", options.kafka_port)?;
        let java = Java::find(stop).await?;
        let jars = Jars::find(logs, stop).await?;
        let data = TempDir::new().context("cannot create Kafka's data folder")?;
        let secure = match options.secure {
            true => Some(SecureListener::prepare(data.path(), ports::any()?, stop).await?),
            false => None,
        };
        let proxied = match options.advertise {
            Some(advertised) => Some(Proxied {
                port: ports::any()?,
                advertised,
            }),
            None => None,
        };
        let layout = Layout {
            folder: data.path(),
            port,
            controller_port: ports::any()?,
            secure: secure.as_ref(),
            proxied,
            properties: &options.broker_properties,
        };
        layout.write()?;
        format_storage(&java.program, &jars, &layout, logs, stop).await?;
        let servers = format!("127.0.0.1:{port}");
        let mut server = Server {
            program: java.program,
            arguments: server(&jars, &layout),
            logs: logs.to_owned(),
            starts: 0,
        };
        let mut child = server.spawn()?;
        wait::until_ready(&mut child, START_LIMIT, stop, || async {
            topics::answers(&servers, &[])
                .await
                .map_err(|error| format!("{error:#}"))
        })
        .await
        .context("Apache Kafka did not start")?;
        Ok(Self {
            url: format!("kafka://{servers}"),
            version: jars.version,
            java: java.version,
            secure,
            proxied_port: proxied.map(|proxied| proxied.port),
            child,
            server,
            _data: data,
        })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Starts a broker that has ended again, on its data.
    pub(super) fn respawn(&mut self) -> Result<()> {
        self.child = self.server.spawn()?;
        Ok(())
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.child.stop(STOP_GRACE).await.map(drop)
    }
}

/// Writes the metadata that a KRaft node must find in an empty data folder.
async fn format_storage(
    java: &Path,
    jars: &Jars,
    layout: &Layout<'_>,
    logs: &Path,
    stop: &CancellationToken,
) -> Result<()> {
    let mut arguments = jvm("-Xmx128m", jars, layout);
    arguments.extend(["kafka.tools.StorageTool", "format", "-t"].map(OsString::from));
    arguments.extend([
        config::cluster_id().into(),
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

/// Puts a JVM's arguments into a file and returns what stands for it: passwords are among them, which the
/// command line would show to every user of the machine.
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

/// The broker's command line, with the JVM flags of Kafka's own start script.
fn server(jars: &Jars, layout: &Layout<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "-Xms512m",
        "-server",
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
    ]
    .iter()
    .map(OsString::from)
    .collect();
    arguments.extend(jvm("-Xmx512m", jars, layout));
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
