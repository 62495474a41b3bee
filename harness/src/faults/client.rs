//! A load client beside the suite's own load. The suite kills it, or gives it a full disk.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;

use super::topics::Names;
use crate::process::Child;
use crate::programs;

/// The article of all its orders.
pub(super) const SKU: &str = "load-client";
const GRACE: Duration = Duration::from_secs(45);
/// Above the sum of its run time and a reply's timeout.
const DISK_LIMIT: Duration = Duration::from_secs(60);
/// A client gives up after 8 s without a broker, and a killed broker may be down for up to 30 s.
const DISK_ATTEMPTS: u32 = 6;

/// The program, its broker and topics, and the folder for its files.
#[derive(Debug)]
pub(super) struct Client {
    program: PathBuf,
    servers: String,
    names: Names,
    folder: PathBuf,
    child: RefCell<Option<Child>>,
    starts: Cell<u32>,
}

impl Client {
    pub(super) fn new(
        program: Option<&Path>,
        servers: &str,
        names: &Names,
        folder: &Path,
    ) -> Result<Self> {
        Ok(Self {
            program: programs::own("load-client", "--load-client", program)?,
            servers: servers.to_owned(),
            names: names.clone(),
            folder: folder.to_owned(),
            child: RefCell::default(),
            starts: Cell::new(0),
        })
    }

    /// Starts one user, who sends the next request after each reply.
    pub(super) fn start(&self) -> Result<()> {
        let file = self.folder.join("client.csv");
        *self.child.borrow_mut() = Some(self.spawn(&file, "10m")?);
        Ok(())
    }

    fn spawn(&self, file: &Path, run_time: &str) -> Result<Child> {
        self.starts.set(self.starts.get() + 1);
        let log = self
            .folder
            .join(format!("client-start-{}.log", self.starts.get()));
        let body = format!(r#"{{"items":[{{"sku":"{SKU}","count":1}}]}}"#);
        let host = format!("kafka://{}", self.servers);
        let file = file.display().to_string();
        let arguments = [
            ["--host", &host],
            ["--topic", &self.names.requests],
            ["--reply-topic", &self.names.client_replies],
            ["--users", "1"],
            ["--run-time", run_time],
            ["--body", &body],
            ["--requests-record-file", &file],
        ];
        let arguments = ["run", "--headless"]
            .into_iter()
            .chain(arguments.into_iter().flatten());
        Child::spawn("load-client", &self.program, arguments, &log)
    }

    /// Takes the running client, to kill it.
    pub(super) fn take(&self) -> Option<Child> {
        self.child.borrow_mut().take()
    }

    /// Stops it gracefully: it waits for requests in flight.
    pub(super) async fn stop(&self) -> Result<()> {
        if let Some(child) = self.take() {
            // Its exit status does not count: replies may have timed out during a fault.
            child.stop(GRACE).await?;
        }
        Ok(())
    }

    /// Runs a client whose file is on a full disk. Returns what it did wrong. It must fail, name the file, and leave no
    /// file that looks complete.
    pub(super) async fn on_full_disk(&self) -> Result<Option<String>> {
        let file = self.folder.join("full-disk.csv");
        // The file has another name until it is complete. That name is a link to a device that is always full.
        let part = self.folder.join("full-disk.csv.part");
        for attempt in 1.. {
            let _ = fs::remove_file(&part);
            symlink("/dev/full", &part).context("cannot link to /dev/full")?;
            let mut child = self.spawn(&file, "2s")?;
            let Ok(status) = timeout(DISK_LIMIT, child.wait()).await else {
                return Ok(Some("a load client on a full disk does not end".to_owned()));
            };
            let (status, told) = (status?, child.log_tail());
            // In a mix of faults the broker may be down. The client is then right to say so: try again.
            if told.contains("no broker answered") && attempt < DISK_ATTEMPTS {
                continue;
            }
            return Ok(full_disk_complaint(status, &told, file.exists()));
        }
        unreachable!("the last attempt returns")
    }
}

/// What a load client with a full disk did wrong at its end, if anything.
fn full_disk_complaint(status: ExitStatus, told: &str, left_a_file: bool) -> Option<String> {
    let names_it = told.contains("cannot write") && told.contains("full-disk.csv");
    let wrong = status.success() || !names_it || left_a_file;
    wrong.then(|| format!("a load client on a full disk ended with {status}; {told}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_full_disk_has_to_be_told_and_to_leave_nothing_that_looks_whole() {
        let (failed, fine) = (ExitStatus::from_raw(1 << 8), ExitStatus::default());
        let told = "error: cannot write full-disk.csv: no space left";
        assert_eq!(full_disk_complaint(failed, told, false), None);
        assert!(full_disk_complaint(fine, told, false).is_some());
        assert!(full_disk_complaint(failed, told, true).is_some());
        assert!(full_disk_complaint(failed, "error: no broker answered", false).is_some());
    }
}
