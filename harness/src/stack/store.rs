//! The store: a Redis-compatible server as a child process without a disk, or one that runs elsewhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use kafka_cluster_url::without_credentials;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ports;
use crate::process::Child;
use crate::{programs, wait};

const PROGRAMS: [&str; 3] = ["kvrocks", "redis-server", "valkey-server"];
const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_GRACE: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A store that answers at `url`.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) url: String,
    /// Name and version, from the server.
    pub(super) version: String,
    /// The server, if the harness started it, and its folder, which Kvrocks needs.
    child: Option<(Child, TempDir)>,
    /// How to start the child again.
    again: Option<Command>,
}

/// A server's command line, and its log.
#[derive(Debug)]
struct Command {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    logs: PathBuf,
    starts: u32,
}

impl Command {
    /// Starts the server. Each start has a new log, so that the log of a killed one is kept.
    fn spawn(&mut self, more: &[&str]) -> Result<Child> {
        self.starts += 1;
        let log = match self.starts {
            1 => self.logs.join("store.log"),
            again => self.logs.join(format!("store-{again}.log")),
        };
        let more = more.iter().map(OsString::from);
        let arguments = self.arguments.iter().cloned().chain(more);
        Child::spawn(self.name, &self.program, arguments, &log)
    }
}

/// The first of [`PROGRAMS`] on PATH, with its path.
fn program() -> Option<(&'static str, PathBuf)> {
    let mut names = PROGRAMS.iter();
    names.find_map(|name| Some((*name, programs::on_path(name)?)))
}

/// The name of the store that a stack starts here, if there is one.
pub(crate) fn program_name() -> Option<&'static str> {
    program().map(|(name, _)| name)
}

impl Store {
    /// Starts the first of kvrocks, redis-server and valkey-server on PATH.
    pub(super) async fn start(
        wanted: Option<u16>,
        durable: bool,
        logs: &Path,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let (name, program) = program().ok_or_else(|| {
            anyhow!("no store on PATH: install redis-server (make setup), kvrocks or valkey-server")
        })?;
        let port = ports::choose("--store-port", wanted)?;
        let folder = TempDir::new().context("cannot create a folder for the store")?;
        let mut command = Command {
            name,
            program,
            arguments: arguments(name, port, folder.path(), durable),
            logs: logs.to_owned(),
            starts: 0,
        };
        let url = format!("redis://127.0.0.1:{port}");
        let mut child = command.spawn(&[])?;
        wait::until_ready(&mut child, START_LIMIT, stop, || async {
            ping(&url).await.map_err(|error| format!("{error:#}"))
        })
        .await?;
        let version = version(&url).await?;
        Ok(Self {
            url,
            version,
            child: Some((child, folder)),
            again: Some(command),
        })
    }

    /// The store's URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Starts a server again that has ended, on the files in its folder.
    pub(super) fn respawn(&mut self, arguments: &[&str]) -> Result<()> {
        let command = self
            .again
            .as_mut()
            .context("the store is not a child process")?;
        let child = command.spawn(arguments)?;
        if let Some((old, _folder)) = &mut self.child {
            *old = child;
        }
        Ok(())
    }

    /// Uses the store at `url`, which must answer now.
    pub(super) async fn connect(url: &str) -> Result<Self> {
        let shown = without_credentials(url);
        ping(url)
            .await
            .with_context(|| format!("--store {shown}: no store answers"))?;
        Ok(Self {
            url: url.to_owned(),
            version: version(url).await?,
            child: None,
            again: None,
        })
    }

    pub(super) fn child(&mut self) -> Option<&mut Child> {
        self.child.as_mut().map(|(child, _folder)| child)
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().and_then(|(child, _folder)| child.id())
    }

    /// Removes all its data.
    pub(super) async fn clear(&self) -> Result<()> {
        let mut connection = open(&self.url).await?;
        redis::cmd("FLUSHALL")
            .exec_async(&mut connection)
            .await
            .context("cannot clear the store")
    }

    /// The JSON at `key`: a JSON document if the server has that type, otherwise a text.
    pub(super) async fn read(&self, key: &str) -> Result<String> {
        let mut connection = open(&self.url).await?;
        let json = redis::cmd("JSON.GET")
            .arg(key)
            .arg("$")
            .query_async(&mut connection)
            .await;
        let found: Option<String> = match json {
            Ok(found) => found,
            Err(_no_json) => {
                redis::cmd("GET")
                    .arg(key)
                    .query_async(&mut connection)
                    .await?
            }
        };
        found.with_context(|| format!("nothing stored at {key}"))
    }

    pub(crate) async fn stop(self) -> Result<()> {
        if let Some((child, _folder)) = self.child {
            child.stop(STOP_GRACE).await?;
        }
        Ok(())
    }
}

/// The port in the URL of a store.
pub(crate) fn port_of(url: &str) -> Result<u16> {
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    port.context("the store's URL has no port")
}

/// A connection to the store at `url`, or an error after a few seconds.
pub(crate) async fn open(url: &str) -> Result<MultiplexedConnection> {
    let client = redis::Client::open(url).context("not a redis URL")?;
    let connecting = client.get_multiplexed_async_connection();
    let connection = timeout(ANSWER_LIMIT, connecting)
        .await
        .context("no answer")?;
    connection.context("cannot connect")
}

pub(super) async fn ping(url: &str) -> Result<()> {
    let mut connection = open(url).await?;
    redis::cmd("PING")
        .exec_async(&mut connection)
        .await
        .context("no answer to PING")
}

async fn version(url: &str) -> Result<String> {
    let mut connection = open(url).await?;
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await
        .context("no INFO")?;
    Ok(name_and_version(&info))
}

/// Reads the answer to `INFO server`. Forks of Redis have `redis_version` for compatibility, so their own field is read
/// first.
fn name_and_version(info: &str) -> String {
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    ["kvrocks", "valkey", "redis"]
        .iter()
        .find_map(|server| {
            Some(format!(
                "{server} {}",
                field(&format!("{server}_version"))?.trim()
            ))
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Kvrocks keeps answered writes after a kill -9. The other stores need a setting: they write to their log first.
fn arguments(name: &str, port: u16, folder: &Path, durable: bool) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "--bind",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--daemonize",
        "no",
    ]
    .iter()
    .map(OsString::from)
    .collect();
    arguments.extend(["--dir".into(), folder.into()]);
    if name == "kvrocks" {
        // Without the second setting, newer versions run one script at a time. Older versions warn that it is unknown.
        let own = ["--log-dir", "stdout", "--lua-strict-key-accessing", "yes"];
        arguments.extend(own.map(OsString::from));
    } else if durable {
        let log_first = [
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ];
        arguments.extend(log_first.map(OsString::from));
    } else {
        arguments.extend(["--save", "", "--appendonly", "no"].map(OsString::from));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durable_store_writes_before_it_answers() {
        let durable = arguments("redis-server", 1, Path::new("/s"), true);
        assert!(durable.ends_with(&["--appendfsync".into(), "always".into()]));
        let light = arguments("redis-server", 1, Path::new("/s"), false);
        assert!(light.ends_with(&["--appendonly".into(), "no".into()]));
    }

    #[test]
    fn a_fork_is_called_by_its_own_name() {
        assert_eq!(
            name_and_version("# Server\r\nredis_version:7.0.15\r\n"),
            "redis 7.0.15"
        );
        assert_eq!(
            name_and_version("redis_version:7.2.4\r\nvalkey_version:8.1.1\r\n"),
            "valkey 8.1.1"
        );
        assert_eq!(
            name_and_version("redis_version:4.0.0\r\nkvrocks_version:2.12.0\r\n"),
            "kvrocks 2.12.0"
        );
        assert_eq!(name_and_version(""), "unknown");
    }
}
