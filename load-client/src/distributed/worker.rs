//! A worker: waits for a run that needs workers, prepares its part, starts it when the coordinator says so, ends. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Entry, Note, PROTOCOL, PlanNote, Ready, RunLog, Says};

/// An act for the worker's program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Do {
    Write(Note),
    /// Prepare this part of the load, counted from 0, then call [`Worker::prepared`].
    Prepare {
        run: String,
        plan: Box<PlanNote>,
        part: usize,
    },
    /// Begin to send after this time.
    Begin(Duration),
    /// Send nothing more, and wait for replies.
    Stop(String),
    /// Send nothing more, and do not wait for replies.
    Cut(String),
    Tell(String),
    End(WorkerEnd),
}

/// Why a worker ends without having sent anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkerEnd {
    /// The run was aborted before it began.
    Aborted(String),
    /// No run needed the worker, or its coordinator became silent.
    Silence(String),
}

/// A worker of one run.
#[derive(Debug)]
pub(crate) struct Worker {
    id: String,
    name: String,
    cores: usize,
    /// The part that the worker wants to send, counted from 0.
    index: Option<u32>,
    /// The only run that it takes part in; `None` for any run.
    only: Option<String>,
    /// How long it waits for a plan, and then for the start.
    patience: Duration,
    runs: BTreeMap<String, RunLog>,
    offered: BTreeSet<String>,
    own: Option<Own>,
    /// When the last event happened that the worker waited for.
    since: Duration,
}

/// The run that the worker takes part in.
#[derive(Debug)]
struct Own {
    run: String,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Preparing,
    Ready,
    Sending,
    Stopping,
    Over,
}

impl Worker {
    pub(crate) fn new(
        (id, name): (String, String),
        cores: usize,
        (only, index): (Option<String>, Option<u32>),
        patience: Duration,
    ) -> Self {
        Self {
            id,
            name,
            cores,
            index,
            only,
            patience,
            runs: BTreeMap::new(),
            offered: BTreeSet::new(),
            own: None,
            since: Duration::ZERO,
        }
    }

    /// Takes the next record; `now` is the time since the worker's start.
    pub(crate) fn read(&mut self, entry: &Entry, now: Duration) -> Vec<Do> {
        let run = entry.note.run.clone();
        if entry.note.version != PROTOCOL {
            return self.of_another_version(entry);
        }
        if self.own.as_ref().is_none_or(|own| own.run == run) {
            self.runs.entry(run.clone()).or_default().apply(entry);
        }
        match &self.own {
            Some(own) if own.run == run => self.follow(now),
            Some(own) => {
                let busy = format!("it is busy with run {}", own.run);
                self.refuse_if_planned(entry, &busy)
            }
            None => self.offer(&run, now),
        }
    }

    fn of_another_version(&mut self, entry: &Entry) -> Vec<Do> {
        let theirs = entry.note.version;
        let reason = format!(
            "this worker is load-client {} (protocol {PROTOCOL}), but the run has protocol {theirs}: use one version",
            env!("CARGO_PKG_VERSION")
        );
        match &entry.note.says {
            Says::Claim { .. } if self.offered.insert(entry.note.run.clone()) => {
                vec![Do::Tell(format!(
                    "run {} is passed over: {reason}",
                    entry.note.run
                ))]
            }
            _ => self.refuse_if_planned(entry, &reason),
        }
    }

    fn refuse_if_planned(&self, entry: &Entry, reason: &str) -> Vec<Do> {
        match &entry.note.says {
            Says::Plan(plan) if plan.order.contains(&self.id) => {
                let reason = reason.to_owned();
                vec![self.write(&entry.note.run, Says::Refused { reason })]
            }
            _ => Vec::new(),
        }
    }

    /// Offers the worker to a run, or begins to prepare for a run that has taken it.
    fn offer(&mut self, run: &str, now: Duration) -> Vec<Do> {
        let log = &self.runs[run];
        if let (Some(part), Some(plan)) = (log.part_of(&self.id), &log.plan) {
            if log.is_over() {
                return Vec::new();
            }
            let plan = Box::new(plan.clone());
            self.since = now;
            self.own = Some(Own {
                run: run.to_owned(),
                phase: Phase::Preparing,
            });
            let run = run.to_owned();
            return vec![Do::Prepare { run, plan, part }];
        }
        let is_wanted = self.only.as_deref().is_none_or(|only| only == run);
        let is_free = log.opened_ms.is_some() && is_wanted && !log.is_closed();
        if log.is_closed() {
            // Drop the plan of another run, because it may be long.
            self.runs.insert(run.to_owned(), RunLog::closed());
        }
        if !is_free || !self.offered.insert(run.to_owned()) {
            return Vec::new();
        }
        let (name, cores, index) = (self.name.clone(), self.cores, self.index);
        vec![self.write(run, Says::Hello { name, cores, index })]
    }

    /// Takes the result of the preparation: the load that is ready, or why it is not.
    pub(crate) fn prepared(&mut self, outcome: Result<Ready, String>, now: Duration) -> Vec<Do> {
        let Some(own) = &mut self.own else {
            return Vec::new();
        };
        self.since = now;
        own.phase = Phase::Ready;
        let run = own.run.clone();
        let says = match outcome {
            Ok(ready) => Says::Ready(Box::new(ready)),
            Err(reason) => Says::Refused { reason },
        };
        let mut done = vec![self.write(&run, says)];
        done.extend(self.follow(now));
        done
    }

    /// Follows the orders of the run that the worker takes part in.
    fn follow(&mut self, now: Duration) -> Vec<Do> {
        let id = self.id.clone();
        let Some(own) = &mut self.own else {
            return Vec::new();
        };
        let log = &self.runs[&own.run];
        let (before, run) = (own.phase, own.run.clone());
        match (before, &log.aborted, &log.stopped) {
            (Phase::Over, ..) => Vec::new(),
            (Phase::Preparing | Phase::Ready, Some(reason), _) => {
                own.phase = Phase::Over;
                vec![Do::End(WorkerEnd::Aborted(reason.clone()))]
            }
            (Phase::Sending | Phase::Stopping, Some(reason), _) => {
                own.phase = Phase::Over;
                vec![Do::Cut(reason.clone())]
            }
            (Phase::Sending, None, Some(reason)) => {
                own.phase = Phase::Stopping;
                vec![Do::Stop(reason.clone())]
            }
            (Phase::Ready, None, _) if log.start.is_some() && log.ready.contains_key(&id) => {
                own.phase = Phase::Sending;
                self.since = now;
                let delay = log.start.map_or(0, |start| start.delay_ms);
                let started = self.write(&run, Says::Started);
                vec![started, Do::Begin(Duration::from_millis(delay))]
            }
            _ => Vec::new(),
        }
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Do> {
        let waits_for = match self.own.as_ref().map(|own| own.phase) {
            None => "no run has taken this worker",
            Some(Phase::Ready) => "the coordinator has not started the run",
            Some(Phase::Preparing | Phase::Sending | Phase::Stopping | Phase::Over) => {
                return Vec::new();
            }
        };
        if now.saturating_sub(self.since) < self.patience {
            return Vec::new();
        }
        if let Some(own) = &mut self.own {
            own.phase = Phase::Over;
        }
        let patience = humantime::format_duration(self.patience);
        let reason = format!("{waits_for} within --patience {patience}");
        vec![Do::End(WorkerEnd::Silence(reason))]
    }

    fn write(&self, run: &str, says: Says) -> Do {
        Do::Write(Note {
            version: PROTOCOL,
            run: run.to_owned(),
            from: self.id.clone(),
            says,
        })
    }
}
