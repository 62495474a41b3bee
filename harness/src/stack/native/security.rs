//! The broker's second listener: passwords over TLS, with a certificate authority and users for this broker. Secrets
//! are random and new for each start. They are in files that only their owner can read.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{programs, wait};

/// The mechanism of [`SecureListener::scram`].
const SCRAM: &str = "SCRAM-SHA-512";

/// A user of the broker. `Debug` does not show the password.
pub struct Login {
    /// The name.
    pub user: String,
    /// The password, of hexadecimal digits.
    pub password: String,
}

impl Login {
    fn random(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: Uuid::new_v4().simple().to_string(),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A listener with the protocol `SASL_SSL`, and the data for its clients.
#[derive(Debug)]
pub struct SecureListener {
    port: u16,
    /// The authority's certificate, which clients have to trust.
    pub ca: PathBuf,
    /// The user for the mechanism `PLAIN`.
    pub plain: Login,
    /// The user for the mechanism `SCRAM-SHA-512`.
    pub scram: Login,
    keystore: PathBuf,
}

impl SecureListener {
    /// Creates users, an authority, and a certificate for this machine's loopback names.
    pub(super) async fn prepare(
        folder: &Path,
        port: u16,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let ca = authority(folder, "ca", stop).await?;
        let server = folder.join("server.pem");
        let server_key = folder.join("server.key");
        let arguments = [
            "-CA".into(),
            ca.as_os_str().to_owned(),
            "-CAkey".into(),
            folder.join("ca.key").into(),
            "-addext".into(),
            "subjectAltName=IP:127.0.0.1,DNS:localhost".into(),
        ];
        certificate("127.0.0.1", &server_key, &server, &arguments, stop).await?;
        let read = |file: &Path| {
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let keystore = folder.join("keystore.pem");
        write_private(&keystore, &(read(&server_key)? + &read(&server)?))?;
        Ok(Self {
            port,
            ca,
            plain: Login::random("plain-user"),
            scram: Login::random("scram-user"),
            keystore,
        })
    }

    /// `host:port`.
    #[must_use]
    pub fn servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The entry for the property `listeners`.
    pub(super) fn listener(&self) -> String {
        format!(",SASL_SSL://{}", self.servers())
    }

    /// The lines of `server.properties` that the listener needs.
    pub(super) fn properties(&self) -> String {
        let Login { user, password } = &self.plain;
        let modules = "org.apache.kafka.common.security";
        format!(
            "sasl.enabled.mechanisms=PLAIN,{SCRAM}\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required \
             user_{user}=\"{password}\";\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;\n\
             ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n",
            self.keystore.display()
        )
    }

    /// The arguments of `StorageTool format` for the SCRAM user, whose password the broker keeps as a hash.
    pub(super) fn format_arguments(&self) -> [String; 2] {
        let Login { user, password } = &self.scram;
        let user = format!("{SCRAM}=[name={user},password={password}]");
        ["--add-scram".to_owned(), user]
    }
}

/// Creates `<name>.pem`, the certificate of a new authority that no client trusts yet, and `<name>.key`.
///
/// # Errors
///
/// Fails if `openssl` is missing or refuses.
pub async fn authority(folder: &Path, name: &str, stop: &CancellationToken) -> Result<PathBuf> {
    let file = folder.join(format!("{name}.pem"));
    let key = folder.join(format!("{name}.key"));
    let arguments = ["-addext", "basicConstraints=critical,CA:TRUE"].map(Into::into);
    certificate("harness authority", &key, &file, &arguments, stop).await?;
    Ok(file)
}

async fn certificate(
    subject: &str,
    key: &Path,
    file: &Path,
    arguments: &[std::ffi::OsString],
    stop: &CancellationToken,
) -> Result<()> {
    let openssl = programs::on_path("openssl")
        .ok_or_else(|| anyhow!("no openssl on PATH: install openssl (stack native with TLS)"))?;
    let mut command = Command::new(openssl);
    // openssl itself writes the key so that only its owner can read it.
    command
        .args(["req", "-x509", "-batch", "-noenc", "-days", "2"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", &format!("/CN={subject}")])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(file)
        .args(arguments)
        .kill_on_drop(true);
    let output = wait::unless_stopped(stop, command.output()).await?;
    let output = output.context("cannot run openssl")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("openssl made no certificate: {}", said.trim());
    }
    Ok(())
}

/// Writes a new file that only its owner can read.
pub(super) fn write_private(file: &Path, content: &str) -> Result<()> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let written = opened.and_then(|mut opened| opened.write_all(content.as_bytes()));
    written.with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn secrets_are_random_and_of_the_owner_only() {
        if programs::on_path("openssl").is_none() {
            eprintln!("NOT RUN: without openssl there is no certificate");
            return;
        }
        let stop = CancellationToken::new();
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut passwords = Vec::new();
        for folder in &folders {
            let listener = SecureListener::prepare(folder.path(), 1, &stop)
                .await
                .unwrap();
            for name in ["ca.key", "server.key", "keystore.pem"] {
                let mode = fs::metadata(folder.path().join(name))
                    .unwrap()
                    .permissions()
                    .mode();
                assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
            }
            assert!(listener.ca.is_file());
            let shown = format!("{listener:?}");
            for login in [listener.plain, listener.scram] {
                assert!(!shown.contains(&login.password), "{shown}");
                passwords.push(login.password);
            }
        }
        passwords.sort();
        passwords.dedup();
        assert_eq!(passwords.len(), 4);
    }
}
