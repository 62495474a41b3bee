//! Judges, shows and writes the figures of a run that is over.

use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use serde_json::Value;

use crate::load::plan::Model;
use crate::measure::analysis::Findings;
use crate::measure::recorder::nanoseconds;
use crate::measure::selfcheck::{self, Readings, Stalled, Validity, available_cores};
use crate::measure::summary::Summary;
use crate::measure::threshold::{Threshold, evaluate};
use crate::report::html::{RunPage, circumstances};
use crate::report::run_file::{RunEnd, schedule_lag, unmatched_replies};
use crate::report::text::{command, run_end, run_verdicts};
use crate::report::{EndedBy, RunData, RunFacts, RunReport, junit, write_if_asked};
use crate::session::gathered::Gathered;
use crate::session::terminal::{INTERRUPTED, Text, say};
use crate::session::watch::Watcher;
use crate::session::{Session, Sink};

/// A run that is over; its recorder has finished.
pub(super) struct EndOfRun {
    pub(super) session: Session,
    pub(super) watcher: Watcher,
    pub(super) started: SystemTime,
    /// From the start until the last request ended.
    pub(super) duration: Duration,
    /// For how long the client stood still.
    pub(super) stalled: Stalled,
    /// Findings about memory, stages and the search.
    pub(super) findings: Findings,
    pub(super) sink: Option<Sink>,
    /// The result of the workers, if they sent the load.
    pub(super) gathered: Option<Gathered>,
    /// Why the run ended, if a task beside it decided that.
    pub(super) ended_beside: Option<EndedBy>,
    /// Why replies could no longer be received.
    pub(super) defunct: Option<String>,
    /// Whether requests could no longer be recorded.
    pub(super) recording_failed: bool,
    /// Whether the run was interrupted a second time.
    pub(super) interrupted_twice: bool,
}

/// A run whose figures are shown and written.
pub(crate) struct Concluded {
    /// The exit code, or the error of a file that could not be written. The other files are written anyway.
    pub(crate) done: anyhow::Result<u8>,
    /// Why replies could no longer be received.
    pub(crate) defunct: Option<String>,
    pub(crate) validity: Validity,
    /// Tables and verdicts that were not printed yet, and where they go.
    pub(crate) held: Option<(Text, String)>,
}

impl EndOfRun {
    /// Shows and writes everything.
    pub(super) fn conclude(mut self) -> Concluded {
        let (summary, told) = self.last_look();
        let facts = self.judged(&summary);
        let held = self.show(&summary, &facts);
        let written = self.write(&summary, &facts);
        if let Some(cause) = &self.defunct {
            say(&format!("error: the run ended early: {cause}"));
        }
        let files = self.watcher.files.as_ref();
        let history = match files.is_some_and(|files| files.has_gaps) {
            true => Err(anyhow!("--csv: rows are missing in the history, see above")),
            false => Ok(facts.exit_code),
        };
        let done = told.and(written).and(history);
        if let Some(gathered) = self.gathered {
            gathered.close(done.as_ref().map_or(FAILURE, |code| *code));
        }
        Concluded {
            done,
            defunct: self.defunct,
            validity: facts.validity,
            held,
        }
    }

    /// Returns the final figures, and passes them on to the files and the observer.
    fn last_look(&mut self) -> (Summary, anyhow::Result<()>) {
        let watcher = &mut self.watcher;
        let mut summary = watcher.summary();
        summary.findings = std::mem::take(&mut self.findings);
        summary.schedule_lag = match &self.gathered {
            // A part that cannot be read has ended the run before.
            Some(gathered) => schedule_lag(&gathered.parts).ok().flatten(),
            None => watcher.control.lag(),
        };
        let replayed = self
            .gathered
            .as_ref()
            .and_then(|_| watcher.view.history().pop());
        let moment = replayed
            .unwrap_or_else(|| watcher.keep_moment(self.duration < self.session.plan.warm_up));
        let told = watcher.tell(&moment, &summary);
        (summary, told.map_err(anyhow::Error::from))
    }

    fn judged(&self, summary: &Summary) -> RunFacts {
        let output = &self.session.arguments.output;
        let validity = match &self.gathered {
            Some(gathered) => gathered.validity.clone(),
            None => selfcheck::check(summary, &self.readings()),
        };
        let thresholds = evaluate(&output.fail_on, summary);
        let mut searches = summary.findings.capacity.iter();
        let found_nothing = searches.any(|found| found.held_per_second.is_none());
        let causes = Causes {
            ended_early: self.defunct.is_some(),
            interrupted_twice: self.interrupted_twice,
            invalid: validity.is_invalid(),
            // A search that found no rate counts like a threshold that does not hold.
            thresholds_hold: thresholds.all_hold() && !found_nothing,
            any_failure: summary.any_failure(),
            // A search also tries rates at which requests fail.
            failures_are_judged: output.fail_on.iter().any(Threshold::judges_failures)
                || self.session.plan.search.is_some(),
            code_on_invalid: output.codes.exit_code_on_invalid,
            code_on_error: output.codes.exit_code_on_error,
        };
        RunFacts {
            started: self.started,
            duration: self.duration,
            ended_by: self.ended_by(),
            unmatched_replies: self.unmatched_replies(),
            parts: self
                .gathered
                .as_ref()
                .map(|own| own.reports(&self.session.plan)),
            client_settings: self.session.client_settings.clone(),
            thresholds,
            validity,
            command: command(),
            exit_code: exit_code(causes),
        }
    }

    fn unmatched_replies(&self) -> u64 {
        match &self.gathered {
            Some(gathered) => unmatched_replies(&gathered.parts),
            None => self.watcher.unmatched_replies(),
        }
    }

    fn readings(&self) -> Readings {
        let (plan, watcher) = (&self.session.plan, &self.watcher);
        let (view, control) = (&watcher.view, &watcher.control);
        Readings {
            is_open_loop: matches!(plan.model, Model::Open(_)),
            // After a reset, the mean of users and the waiting users cover different spans of time.
            users: (plan.has_only_waiting_users() && !view.was_reset())
                .then(|| control.mean_users())
                .flatten(),
            in_flight: view.occupied(),
            held_back_by_recorder: control.held_back_by_recorder(),
            stalled: self.stalled,
            cores: available_cores(),
            cpu: watcher.cpu.clone(),
            schedule_lag: control.own_lag(),
            queue: watcher.queue.clone(),
        }
    }

    fn ended_by(&self) -> EndedBy {
        let control = &self.watcher.control;
        match (self.session.plan.run_time, self.ended_beside) {
            _ if self.defunct.is_some() || self.recording_failed => EndedBy::Failure,
            _ if self.watcher.threshold_broke => EndedBy::Threshold,
            (_, Some(ended_beside)) => ended_beside,
            _ if control.is_exhausted() => EndedBy::Exhausted,
            (Some(run_time), _) if control.ended() >= Some(run_time) => EndedBy::RunTime,
            _ => EndedBy::Signal,
        }
    }

    /// Prints the tables and verdicts, or holds them.
    fn show(&self, summary: &Summary, facts: &RunFacts) -> Option<(Text, String)> {
        let place = self.session.places.text;
        let end = run_end(summary, place.columns());
        let verdicts = run_verdicts(&facts.thresholds, &facts.validity);
        let workers = self
            .gathered
            .as_ref()
            .map(Gathered::text)
            .unwrap_or_default();
        let text = format!("\n{end}{workers}{verdicts}");
        let is_held = self.watcher.holds_text();
        if !is_held {
            place.print(&text);
        }
        summary.findings.sentences().iter().for_each(|own| say(own));
        let lost = self.gathered.iter();
        let lost = lost.flat_map(|own| own.told_of_lost(&self.session.plan));
        lost.for_each(|own| say(&own));
        is_held.then_some((place, text))
    }

    /// Writes each file of the command line as a whole. Returns the first error.
    fn write(&mut self, summary: &Summary, facts: &RunFacts) -> anyhow::Result<()> {
        let counts = self.session.arguments.output.codes.exit_code_on_invalid != 0;
        let spoiled = spoiled(
            self.defunct.as_deref(),
            self.recording_failed,
            self.interrupted_twice,
            Some(&facts.validity).filter(|_| counts),
        );
        let view = &self.watcher.view;
        let Session {
            plan,
            settings: kafka,
            places,
            ..
        } = &mut self.session;
        let run = RunData {
            plan,
            kafka,
            facts,
            summary,
        };
        let gathered = self.gathered.as_ref();
        let html = write_if_asked(places.html.take(), || {
            let (moments, bins) = (view.history(), view.histogram(RunPage::BINS));
            let mut page = RunPage::new(run, &moments, &bins);
            page.sections.splice(0..0, gathered.map(Gathered::section));
            Ok(page.to_string().into_bytes())
        });
        let junit = write_if_asked(places.junit.take(), || {
            Ok(junit(&kafka.topic, facts, spoiled.as_deref()).into_bytes())
        });
        let hdr = self.sink.as_ref().map_or(Ok(()), |sink| {
            sink.finish(&run_file_end(run, &self.watcher)?)
        });
        let json = write_if_asked(places.json.take(), || {
            Ok(serde_json::to_vec_pretty(&RunReport::new(run))?)
        });
        html.and(junit).and(hdr).and(json)
    }
}

/// Returns the end of the file of `--hdr`.
fn run_file_end(run: RunData<'_>, watcher: &Watcher) -> anyhow::Result<RunEnd> {
    let duration_ms = u64::try_from(run.facts.duration.as_millis());
    let Value::Object(mut report) = serde_json::to_value(RunReport::new(run))? else {
        anyhow::bail!("a report is an object");
    };
    // The intervals of the file contain the summary.
    report.insert("summary".to_owned(), Value::Null);
    Ok(RunEnd {
        duration_ms: duration_ms.unwrap_or(u64::MAX),
        ended_by: run.facts.ended_by,
        sent_until_ns: watcher.control.ended().map(nanoseconds),
        lag: watcher.control.lag_record(),
        cores: watcher.cpu.as_ref().map(|cpu| cpu.process),
        validity: run.facts.validity.clone(),
        report,
        sections: circumstances(run),
    })
}

/// Returns why the figures of a run must not be used, or `None` if they may be. Without `validity`, it does not count
/// whether the load client kept up.
fn spoiled(
    defunct: Option<&str>,
    recording_failed: bool,
    interrupted_twice: bool,
    validity: Option<&Validity>,
) -> Option<String> {
    let early = defunct.map(|cause| format!("the run ended early: {cause}"));
    let lost = recording_failed.then_some("not all requests could be recorded");
    let cut = interrupted_twice
        .then_some("the run was interrupted and did not wait for requests in flight");
    let invalid = validity.filter(|own| own.is_invalid());
    let invalid = invalid.map(|own| own.lines().join("; "));
    early.or(lost.or(cut).map(str::to_owned)).or(invalid)
}

/// Exit code: the run could not be done.
const FAILURE: u8 = 1;
/// Exit code: replies could no longer be received.
const ENDED_EARLY: u8 = 6;
/// Exit code: a threshold does not hold.
const THRESHOLD: u8 = 4;

/// The facts that decide the exit code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Causes {
    pub(crate) ended_early: bool,
    pub(crate) interrupted_twice: bool,
    pub(crate) invalid: bool,
    pub(crate) thresholds_hold: bool,
    pub(crate) any_failure: bool,
    /// Whether a threshold is about failures. It replaces the rule that no request may fail.
    pub(crate) failures_are_judged: bool,
    pub(crate) code_on_invalid: u8,
    pub(crate) code_on_error: u8,
}

/// Returns the code of the most severe cause. Causes that make the figures useless come before those in the figures. A
/// code that was set to 0 lets the next cause decide.
pub(crate) fn exit_code(causes: Causes) -> u8 {
    let failed = causes.any_failure && !causes.failures_are_judged;
    [
        (causes.ended_early, ENDED_EARLY),
        (causes.interrupted_twice, INTERRUPTED),
        (causes.invalid, causes.code_on_invalid),
        (!causes.thresholds_hold, THRESHOLD),
        (failed, causes.code_on_error),
    ]
    .into_iter()
    .find(|(applies, code)| *applies && *code != 0)
    .map_or(0, |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::selfcheck::Finding;

    const WELL: Causes = Causes {
        ended_early: false,
        interrupted_twice: false,
        invalid: false,
        thresholds_hold: true,
        any_failure: false,
        failures_are_judged: false,
        code_on_invalid: 5,
        code_on_error: 3,
    };

    #[test]
    fn the_most_severe_cause_decides() {
        let mut causes = WELL;
        assert_eq!(exit_code(causes), 0);
        causes.any_failure = true;
        assert_eq!(exit_code(causes), 3);
        causes.thresholds_hold = false;
        assert_eq!(exit_code(causes), 4);
        causes.invalid = true;
        assert_eq!(exit_code(causes), 5);
        causes.interrupted_twice = true;
        assert_eq!(exit_code(causes), 130);
        causes.ended_early = true;
        assert_eq!(exit_code(causes), 6);
    }

    #[test]
    fn a_code_of_zero_silences_its_cause_only() {
        let mut causes = WELL;
        (causes.invalid, causes.any_failure) = (true, true);
        causes.code_on_invalid = 0;
        assert_eq!(exit_code(causes), 3);
        causes.code_on_error = 0;
        assert_eq!(exit_code(causes), 0);
    }

    #[test]
    fn a_threshold_on_failures_replaces_the_rule_that_none_may_occur() {
        let mut causes = WELL;
        (causes.any_failure, causes.failures_are_judged) = (true, true);
        assert_eq!(exit_code(causes), 0);
    }

    #[test]
    fn figures_are_spoiled_by_whatever_ended_the_run_before_its_time() {
        let told = |defunct, recording, twice| spoiled(defunct, recording, twice, None);
        assert_eq!(told(None, false, false), None);
        assert!(told(Some("no broker"), false, false).is_some_and(|own| own.contains("no broker")));
        assert!(told(None, true, false).is_some_and(|own| own.contains("recorded")));
        assert!(told(None, false, true).is_some_and(|own| own.contains("interrupted")));
        let judged = |validity| spoiled(None, false, false, Some(&validity));
        assert_eq!(judged(Validity::Valid), None);
        let finding = Finding {
            reason: "1.9 cores".to_owned(),
            advice: "fewer users".to_owned(),
        };
        let findings = vec![finding];
        let told = judged(Validity::Invalid { findings }).unwrap();
        assert!(told.starts_with("INVALID: "), "{told}");
        assert!(told.ends_with("; 1.9 cores; fewer users"), "{told}");
    }
}
