//! The JVM that runs the broker.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::{programs, wait};

/// The oldest Java for Apache Kafka 4.
const OLDEST: u32 = 17;

#[derive(Debug)]
pub(super) struct Java {
    pub(super) program: PathBuf,
    /// The first line of `java -version`.
    pub(super) version: String,
}

impl Java {
    /// Takes the JVM of `JAVA_HOME`, or else the one on PATH.
    pub(super) async fn find(stop: &CancellationToken) -> Result<Self> {
        let home = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
        let program = home
            .filter(|java| java.is_file())
            .or_else(|| programs::on_path("java"));
        let missing = || {
            anyhow!(
                "no java on PATH: install a JDK, {OLDEST} or newer, or set JAVA_HOME (stack native)"
            )
        };
        let program = program.ok_or_else(missing)?;
        let asked = Command::new(&program)
            .arg("-version")
            .kill_on_drop(true)
            .output();
        let output = wait::unless_stopped(stop, asked).await?;
        let output = output.with_context(|| format!("cannot run {}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let version = text.lines().next().unwrap_or_default().to_owned();
        match major(&version) {
            Some(major) if major >= OLDEST => Ok(Self { program, version }),
            _ => {
                bail!("Apache Kafka needs java {OLDEST} or newer, found {version:?}: set JAVA_HOME")
            }
        }
    }
}

/// The major version, such as 17 in `openjdk version "17.0.15" 2025-04-15`.
fn major(version: &str) -> Option<u32> {
    let quoted = version.split('"').nth(1)?;
    quoted
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number_in_quotes() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major("openjdk version \"26-ea\" 2026-03-17"), Some(26));
        assert_eq!(major("java version \"1.8.0_412\""), Some(1));
        assert_eq!(major(""), None);
    }
}
