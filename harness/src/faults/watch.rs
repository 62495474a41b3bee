//! Samples committed offsets and memory during a round.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::BaseConsumer;

use super::evidence::{Commit, Memory};
use super::topics::{MORE_PARTITIONS, Names, committed};
use super::{answers, clock};

const PAUSE: Duration = Duration::from_millis(100);

/// Samples the committed offsets of a group on its own thread, until it is dropped.
#[derive(Debug)]
pub(super) struct CommitWatch {
    samples: Arc<Mutex<Vec<Commit>>>,
    over: Arc<AtomicBool>,
}

impl CommitWatch {
    pub(super) fn start(servers: &str, names: &Names) -> Result<Self> {
        // It names the group, but never joins it.
        let consumer: BaseConsumer = answers::config(servers, &names.group).create()?;
        let samples = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let watch = Self {
            samples: Arc::clone(&samples),
            over: Arc::clone(&over),
        };
        let topic = names.requests.clone();
        thread::Builder::new()
            .name("commits".to_owned())
            .spawn(move || {
                let mut last = BTreeMap::new();
                while !over.load(Ordering::Relaxed) {
                    sample(&consumer, &topic, &mut last, &samples);
                    thread::sleep(PAUSE);
                }
            })
            .context("cannot start a thread")?;
        Ok(watch)
    }

    /// The samples, each committed offset once, with its first time.
    pub(super) fn samples(&self) -> Vec<Commit> {
        let samples = self.samples.lock();
        samples.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for CommitWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Takes one sample. If the broker does not answer, the next one tries again.
fn sample(
    consumer: &BaseConsumer,
    topic: &str,
    last: &mut BTreeMap<i32, (i64, String)>,
    samples: &Mutex<Vec<Commit>>,
) {
    // The time is taken after the answer: the commit came before that, perhaps after the question.
    let Ok(seen) = committed(consumer, topic, MORE_PARTITIONS) else {
        return;
    };
    let at = clock::now();
    let mut samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
    for (partition, committed) in seen {
        if last.get(&partition) != Some(&committed) {
            let (offset, metadata) = committed.clone();
            samples.push(Commit {
                partition,
                offset,
                metadata,
                at,
            });
            last.insert(partition, committed);
        }
    }
}

/// The memory of processes, by name and id.
#[derive(Debug, Default)]
pub(super) struct MemoryWatch(BTreeMap<(String, u32), Memory>);

impl MemoryWatch {
    /// Samples a process. One that has just ended has no memory.
    pub(super) fn look(&mut self, name: &str, process: u32) {
        let Some(bytes) = resident(process) else {
            return;
        };
        let seen = self.0.entry((name.to_owned(), process));
        let seen = seen.or_insert_with(|| Memory {
            name: name.to_owned(),
            first: bytes,
            most: bytes,
        });
        seen.most = seen.most.max(bytes);
    }

    pub(super) fn seen(&self) -> Vec<Memory> {
        self.0.values().cloned().collect()
    }
}

/// Memory of a process in bytes, if the system tells.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_gone_one_has_none() {
        let mut watch = MemoryWatch::default();
        watch.look("own", std::process::id());
        watch.look("gone", u32::MAX);
        let seen = watch.seen();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].first > 1 << 20 && seen[0].most >= seen[0].first);
    }
}
