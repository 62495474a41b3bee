//! The state of one run, as the control log describes it. Coordinators, workers and observers agree on this state,
//! because they all build it from the same records in the same order. Pure.

use std::collections::BTreeMap;

use super::{Entry, PlanNote, Ready, Says};

/// How far the clocks of two brokers may differ.
const CLOCKS_MS: i64 = 60_000;

/// A run, as far as its records were read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunLog {
    /// When its first claim was appended.
    pub(crate) opened_ms: Option<i64>,
    pub(crate) workers: u32,
    /// The coordinator that wrote the last claim.
    pub(crate) office: Option<String>,
    /// The workers that are free for the run, in order.
    pub(crate) hellos: Vec<Hello>,
    pub(crate) plan: Option<PlanNote>,
    /// The load that each ready worker is about to send.
    pub(crate) ready: BTreeMap<String, Ready>,
    pub(crate) refused: Option<(String, String)>,
    pub(crate) start: Option<Start>,
    /// When each worker's confirmation of the start was appended.
    pub(crate) started_ms: BTreeMap<String, i64>,
    pub(crate) stopped: Option<String>,
    pub(crate) aborted: Option<String>,
    pub(crate) finished: bool,
    pub(crate) verdict: Option<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hello {
    pub(crate) worker: String,
    pub(crate) name: String,
    pub(crate) cores: usize,
    pub(crate) index: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Start {
    pub(crate) appended_ms: i64,
    pub(crate) delay_ms: u64,
}

impl RunLog {
    /// Returns the log of a run that takes no more workers and that nobody follows.
    pub(crate) fn closed() -> Self {
        Self {
            finished: true,
            ..Self::default()
        }
    }

    /// Takes the next record of the run. Records of a coordinator that is not in office have no effect.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        let from = &entry.note.from;
        match &entry.note.says {
            Says::Claim { workers } => {
                self.office = Some(from.clone());
                if self.opened_ms.is_none() {
                    self.opened_ms = Some(entry.appended_ms);
                    self.workers = *workers;
                }
            }
            Says::Hello { name, cores, index }
                if self.hellos.iter().all(|own| own.worker != *from) =>
            {
                self.hellos.push(Hello {
                    worker: from.clone(),
                    name: name.clone(),
                    cores: *cores,
                    index: *index,
                });
            }
            Says::Hello { .. } => {}
            Says::Ready(ready) if self.part_of(from).is_some() => {
                let ready = (**ready).clone();
                self.ready.entry(from.clone()).or_insert(ready);
            }
            Says::Refused { reason } if self.part_of(from).is_some() => {
                self.refused.get_or_insert((from.clone(), reason.clone()));
            }
            Says::Started if self.start.is_some() && self.part_of(from).is_some() => {
                let appended = entry.appended_ms;
                self.started_ms.entry(from.clone()).or_insert(appended);
            }
            Says::Ready(_) | Says::Refused { .. } | Says::Started => {}
            orders if self.office.as_ref() == Some(from) => self.order(orders, entry.appended_ms),
            _ => {}
        }
    }

    /// Takes an order of the coordinator in office. Of each kind, the first order counts.
    fn order(&mut self, says: &Says, appended_ms: i64) {
        match says {
            Says::Plan(plan) => {
                self.plan.get_or_insert_with(|| (**plan).clone());
            }
            Says::Start { delay_ms } if self.plan.is_some() => {
                self.start.get_or_insert(Start {
                    appended_ms,
                    delay_ms: *delay_ms,
                });
            }
            Says::Stop { reason } => {
                self.stopped.get_or_insert(reason.clone());
            }
            Says::Abort { reason } => {
                self.aborted.get_or_insert(reason.clone());
            }
            Says::Finished => self.finished = true,
            Says::Verdict { exit_code } => {
                self.verdict.get_or_insert(*exit_code);
            }
            _ => {}
        }
    }

    /// Returns which part of the load a worker sends, counted from 0.
    pub(crate) fn part_of(&self, worker: &str) -> Option<usize> {
        let order = &self.plan.as_ref()?.order;
        order.iter().position(|own| own == worker)
    }

    /// Returns the name of a worker.
    pub(crate) fn name_of<'a>(&'a self, worker: &'a str) -> &'a str {
        let hello = self.hellos.iter().find(|own| own.worker == worker);
        hello.map_or(worker, |own| &own.name)
    }

    /// Returns the workers of the plan that are not in a list.
    pub(crate) fn missing_in<T>(&self, list: &BTreeMap<String, T>) -> Vec<&str> {
        let order = self.plan.iter().flat_map(|plan| &plan.order);
        let missing = order.filter(|worker| !list.contains_key(*worker));
        missing.map(|worker| self.name_of(worker)).collect()
    }

    /// Returns how far apart two workers can have begun, in milliseconds, or `None` until all have confirmed the start.
    /// Each worker has read the start after it was appended, and confirmed it after that, all by the clock of the log's
    /// leader.
    pub(crate) fn skew_ms(&self) -> Option<u64> {
        let start = self.start?;
        let workers = self.plan.as_ref()?.order.len();
        let all = workers == self.started_ms.len();
        if workers == 1 && all {
            // A single worker has no skew.
            return Some(0);
        }
        let last = self.started_ms.values().max().filter(|_| all)?;
        Some(last.saturating_sub(start.appended_ms).unsigned_abs())
    }

    /// Returns a time before the run's first result, in milliseconds since 1970, by the clock of any broker.
    pub(crate) fn results_since_ms(&self) -> i64 {
        self.opened_ms.unwrap_or(0).saturating_sub(CLOCKS_MS)
    }

    /// Returns whether the run takes no more workers.
    pub(crate) fn is_closed(&self) -> bool {
        self.plan.is_some() || self.is_over()
    }

    /// Returns whether the run is over.
    pub(crate) fn is_over(&self) -> bool {
        self.aborted.is_some() || self.finished || self.verdict.is_some()
    }
}
