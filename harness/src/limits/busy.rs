//! Other work on the machine: processes that only use processor time.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::process::Child;

const STOP_GRACE: Duration = Duration::from_secs(2);

/// Processes that spin, with the same priority as the measured ones. They end with this program.
pub(super) struct BusyLoops(Vec<Child>);

impl BusyLoops {
    pub(super) fn start(count: u32, logs: &Path) -> Result<Self> {
        let line = ["-c".to_owned(), "while :; do :; done".to_owned()];
        let one = |number| {
            let log = logs.join(format!("busy-loop-{number}.log"));
            Child::spawn("busy loop", Path::new("/bin/sh"), &line, &log)
        };
        (1..=count).map(one).collect::<Result<_>>().map(Self)
    }

    pub(super) async fn stop(self) -> Result<()> {
        for child in self.0 {
            child.stop(STOP_GRACE).await?;
        }
        Ok(())
    }
}
