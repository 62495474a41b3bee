//! The system under test as a child process: `order-service` with its flags.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use kafka_cluster_url::has_credentials;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::process::Child;
use crate::stack::{Stack, free_port};
use crate::system::{Probe, Start, System};
use crate::{hand_over, programs};

/// The mock broker alone takes 3 s to form a group.
const READY_LIMIT: Duration = Duration::from_secs(45);

/// How to start the service. The default suits a test.
#[derive(Debug, Clone, Default)]
pub struct ServiceOptions {
    /// The executable; the one in the folder of the running executable if `None`.
    pub program: Option<PathBuf>,
    /// `serial` or `tasks`; the service's own default if `None`.
    pub dispatch: Option<String>,
    /// The consumer group; a fresh one if `None`.
    pub group_id: Option<String>,
    /// The broker's URL; that of the stack if `None`. The service gets a URL with a password in a variable.
    pub kafka_url: Option<String>,
    /// The store's URL, without a password; that of the stack if `None`.
    pub store_url: Option<String>,
    /// Prefix of all topics.
    pub topic_prefix: String,
    /// Further flags, as on the command line.
    pub arguments: Vec<String>,
    /// The log file; a temporary one if `None`.
    pub log: Option<PathBuf>,
    /// Cancelled when the user wants to stop.
    pub stop: CancellationToken,
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    system: System,
    command: Vec<String>,
    admin: String,
    group_id: String,
    _log: Option<TempDir>,
}

impl Service {
    /// Starts the service on `stack`, and waits until `/readyz` is green. The request topic must exist.
    ///
    /// # Errors
    ///
    /// Fails if the executable is missing, if the service ends, or if it does not get ready. The message has the end of
    /// its log.
    pub async fn start(stack: &Stack, options: ServiceOptions) -> Result<Self> {
        let mut service = Self::spawn(stack, &options)?;
        service.until_ready(&options.stop).await?;
        Ok(service)
    }

    /// Waits until `/readyz` is green.
    ///
    /// # Errors
    ///
    /// Fails as [`Service::start`] does.
    pub async fn until_ready(&mut self, stop: &CancellationToken) -> Result<()> {
        self.system.until_ready(READY_LIMIT, stop).await
    }

    /// Starts the service, but does not wait, for tests of a service that cannot get ready.
    ///
    /// # Errors
    ///
    /// Fails if the executable is missing, or if it cannot be started.
    pub fn spawn(stack: &Stack, options: &ServiceOptions) -> Result<Self> {
        let program = programs::own(
            "order-service",
            "--order-service",
            options.program.as_deref(),
        )?;
        let (log, temporary) = log_file(options.log.as_deref())?;
        let admin = format!("127.0.0.1:{}", free_port()?);
        let group_id = options
            .group_id
            .clone()
            .unwrap_or_else(|| format!("harness-{}", uuid::Uuid::new_v4()));
        let (arguments, variables) = arguments(stack, options, &admin, &group_id);
        let system = System::spawn(Start {
            name: "order-service",
            program: &program,
            arguments: &arguments,
            variables,
            folder: None,
            log: &log,
            probe: Probe::http(&format!("http://{admin}/readyz")),
        })?;
        let command = std::iter::once(program.display().to_string())
            .chain(arguments)
            .collect();
        Ok(Self {
            system,
            command,
            admin,
            group_id,
            _log: temporary,
        })
    }

    /// `host:port` of `/metrics`, `/healthz` and `/readyz`.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// The consumer group that it joined.
    #[must_use]
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The command line, program first.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// The process, to send a signal or to read its log.
    pub fn child(&mut self) -> &mut Child {
        self.system.child()
    }

    /// The service as one of several kinds of system.
    pub(crate) fn into_system(self) -> System {
        self.system
    }

    /// Stops it gracefully.
    ///
    /// # Errors
    ///
    /// Fails if it has failed before, does not end in time, or ends with a failure.
    pub async fn stop(self) -> Result<()> {
        self.system.stop_well().await
    }
}

/// The flags, and the environment variables of those that have a secret.
fn arguments(
    stack: &Stack,
    options: &ServiceOptions,
    admin: &str,
    group_id: &str,
) -> (Vec<String>, Vec<(String, String)>) {
    let (properties, mut variables) =
        hand_over::properties(&stack.client_properties(), "ORDER_SERVICE_PROPERTIES");
    let mut flags = vec![("--group-id", group_id), ("--admin", admin)];
    let kafka = options.kafka_url.as_deref().unwrap_or(stack.kafka_url());
    if has_credentials(kafka) {
        variables.push(("ORDER_SERVICE_KAFKA".to_owned(), kafka.to_owned()));
    } else {
        flags.push(("--kafka", kafka));
    }
    let store = options.store_url.as_deref().unwrap_or(stack.store_url());
    if has_credentials(store) {
        variables.push(("ORDER_SERVICE_STORE".to_owned(), store.to_owned()));
    } else {
        flags.push(("--store", store));
    }
    if let Some(dispatch) = &options.dispatch {
        flags.push(("--dispatch", dispatch));
    }
    if !options.topic_prefix.is_empty() {
        flags.push(("--topic-prefix", &options.topic_prefix));
    }
    let flags = flags
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()]);
    let further = options.arguments.iter().cloned();
    let arguments = flags.chain(properties).chain(further).collect();
    (arguments, variables)
}

fn log_file(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>)> {
    match wanted {
        Some(file) => Ok((file.to_owned(), None)),
        None => {
            let folder = TempDir::new().context("cannot create a folder for logs")?;
            Ok((folder.path().join("order-service.log"), Some(folder)))
        }
    }
}
