//! Kafka's jars: those of `KAFKA_HOME`, or those that Maven copies once, by the pom in this program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::process::Child;
use crate::{programs, wait};

const POM: &str = include_str!("../../../kafka/pom.xml");
const COPY_LIMIT: Duration = Duration::from_secs(600);

/// A folder with the jars of a broker.
#[derive(Debug)]
pub(super) struct Jars {
    pub(super) folder: PathBuf,
    pub(super) version: String,
}

impl Jars {
    pub(super) async fn find(logs: &Path, stop: &CancellationToken) -> Result<Self> {
        if let Some(home) = env::var_os("KAFKA_HOME") {
            return Self::in_folder(PathBuf::from(home).join("libs")).context("KAFKA_HOME");
        }
        let wanted = pom_version().context("the pom names no kafka.version")?;
        let folder = cache_folder()?.join(wanted);
        if !folder.is_dir() {
            copy(&folder, logs, stop).await?;
        }
        Self::in_folder(folder)
    }

    fn in_folder(folder: PathBuf) -> Result<Self> {
        let files =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let version = names
            .into_iter()
            .find_map(|name| server_version(&name).map(str::to_owned));
        match version {
            Some(version) => Ok(Self { folder, version }),
            None => bail!("no kafka_2.13-*.jar in {}", folder.display()),
        }
    }
}

/// The version in the jar's name, such as 4.4.0 in `kafka_2.13-4.4.0.jar`.
fn server_version(jar: &str) -> Option<&str> {
    jar.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")
}

fn pom_version() -> Option<&'static str> {
    let (_, rest) = POM.split_once("<kafka.version>")?;
    Some(rest.split_once("</kafka.version>")?.0)
}

/// The folder for the jars: in `target/`, where `cargo clean` removes it, or in the user's cache folder.
fn cache_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot find the path of this program")?;
    let target = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let cache = target.map(Path::to_owned).or_else(|| {
        let user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        user.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
            .map(|user| user.join("harness"))
    });
    Ok(cache
        .context("no cache folder: set HOME or KAFKA_HOME")?
        .join("kafka"))
}

/// Makes Maven copy the jars to a folder beside `folder`, and then renames it. So an interrupted copy, or two copies at
/// the same time, never leave half a broker.
async fn copy(folder: &Path, logs: &Path, stop: &CancellationToken) -> Result<()> {
    let maven = programs::on_path("mvn").ok_or_else(|| {
        anyhow!("no mvn on PATH: install Maven (apt-get install maven), or set KAFKA_HOME to an Apache Kafka 4")
    })?;
    let cache = folder.parent().context("the cache folder has no parent")?;
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let part = tempfile::Builder::new()
        .prefix("part-")
        .tempdir_in(cache)
        .context("cannot create a folder")?;
    let pom = part.path().join("pom.xml");
    fs::write(&pom, POM).context("cannot write the pom")?;
    let libs = part.path().join("libs");
    let output = format!("-DoutputDirectory={}", libs.display());
    let arguments = [
        "--batch-mode",
        "--quiet",
        "--no-transfer-progress",
        "--file",
    ]
    .map(Into::into);
    let goal = [
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        &output,
    ]
    .map(Into::into);
    let arguments: Vec<std::ffi::OsString> = arguments
        .into_iter()
        .chain([pom.into()])
        .chain(goal)
        .collect();
    tracing::info!("copying Apache Kafka's jars through Maven, once");
    let mut child = Child::spawn("mvn", &maven, arguments, &logs.join("maven.log"))?;
    let ended = wait::unless_stopped(stop, timeout(COPY_LIMIT, child.wait())).await?;
    match ended {
        Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {}
        Ok(_failed) => bail!(
            "Maven could not copy Apache Kafka's jars; {}",
            child.log_tail()
        ),
        Err(_elapsed) => bail!("Maven did not finish within {COPY_LIMIT:?}"),
    }
    match fs::rename(&libs, folder) {
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot create {}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_jar_and_the_pom_name_the_version() {
        assert_eq!(server_version("kafka_2.13-4.4.0.jar"), Some("4.4.0"));
        assert_eq!(server_version("kafka-clients-4.4.0.jar"), None);
        assert!(pom_version().is_some_and(|version| version.starts_with("4.")));
    }
}
