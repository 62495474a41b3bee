//! The native broker: one node of Apache Kafka on the local JVM, with data that lives as long as it does.

mod config;
mod jars;
mod java;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::config::Layout;
use self::jars::Jars;
use self::java::Java;
use super::{ports, topics};
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
    child: Child,
    _data: TempDir,
}

impl NativeBroker {
    pub(super) async fn start(
        wanted: Option<u16>,
        logs: &Path,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let port = ports::choose("--kafka-port", wanted)?;
        let java = Java::find(stop).await?;
        let jars = Jars::find(logs, stop).await?;
        let data = TempDir::new().context("cannot create Kafka's data folder")?;
        let layout = Layout {
            folder: data.path(),
            port,
            controller_port: ports::any()?,
        };
        layout.write()?;
        format_storage(&java.program, &jars, &layout, logs, stop).await?;
        let log = logs.join("kafka.log");
        let mut child = Child::spawn("kafka", &java.program, server(&jars, &layout), &log)?;
        let servers = format!("127.0.0.1:{port}");
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
            child,
            _data: data,
        })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
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
        layout.properties().into(),
    ]);
    let mut child = Child::spawn(
        "kafka-storage",
        java,
        arguments,
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
    arguments.extend(["kafka.Kafka".into(), layout.properties().into()]);
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
