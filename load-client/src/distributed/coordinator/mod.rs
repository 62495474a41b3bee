//! The coordinator of a run: gathers workers, starts them together, adds up their measurements, detects lost workers.
//! Pure. A coordinator is "in office" once the log has its claim of the run, until another coordinator claims it.

mod phases;

use std::collections::BTreeSet;
use std::time::Duration;

use super::act::{Act, Ending, Terms};
use super::course::Course;
use super::{Entry, LoadNote, Measurement, Note, PROTOCOL, Says};

/// A worker that is silent for this long is lost. So a run is known to be INVALID five seconds after a worker died.
const SILENCE: Duration = Duration::from_secs(4);
const NOT_GIVEN_BACK: &str =
    "records that were written to the log could not be read back within --patience";
/// A longer gap between two calls means that the coordinator was suspended and heard nobody meanwhile.
const NAP: Duration = Duration::from_secs(1);

/// The coordinator.
#[derive(Debug)]
pub(crate) struct Coordinator {
    id: String,
    terms: Terms,
    /// The load of a new run; `None` to take over a run whose plan is in the log.
    load: Option<LoadNote>,
    course: Course,
    /// Workers that another run has taken.
    taken: BTreeSet<String>,
    /// Whether the coordinator has read its own claim.
    is_in_office: bool,
    wrote: Wrote,
    /// When the last event happened that the coordinator waited for.
    since: Duration,
    /// When the coordinator was called last.
    awake: Duration,
    /// Since when the log does not answer.
    deaf_since: Option<Duration>,
    /// Whether the coordinator has caught up with the results.
    hears: bool,
    /// How the run is about to end, and since when. It ends once the log confirms that, unless another claim comes
    /// first.
    closing: Option<(Ending, Duration)>,
    ended: bool,
}

/// The records that are written, but perhaps not yet in the log.
#[derive(Debug, Default)]
struct Wrote {
    claim: bool,
    plan: bool,
    start: bool,
    stop: bool,
}

impl Coordinator {
    /// Creates the coordinator of a new run with this load or, without a load, of a run that another coordinator has
    /// begun. It reads the log first, and then begins.
    pub(crate) fn new((id, run): (String, String), terms: Terms, load: Option<LoadNote>) -> Self {
        Self {
            id,
            load,
            course: Course::new(run),
            taken: BTreeSet::new(),
            is_in_office: false,
            wrote: Wrote::default(),
            since: Duration::ZERO,
            awake: Duration::ZERO,
            deaf_since: None,
            hears: false,
            closing: None,
            ended: false,
            terms,
        }
    }

    /// Claims the run, or ends. To be called once the existing records of the log are read.
    pub(crate) fn begin(&mut self, now: Duration) -> Vec<Act> {
        if self.ended {
            return Vec::new();
        }
        self.since = now;
        let (run, log) = (&self.course.run, &self.course.log);
        let wrong = match &self.load {
            Some(_) if log.opened_ms.is_some() => {
                format!(
                    "run {run} exists already: --resume {run} takes it over, and --run names another"
                )
            }
            None if log.opened_ms.is_none() => format!("the log has no run {run}"),
            None if log.is_over() => self.is_over(),
            None if log.plan.is_none() => {
                format!(
                    "run {run} has no plan, because its coordinator died early: start a new run"
                )
            }
            _ => {
                self.wrote.claim = true;
                let workers = self.terms.workers;
                return vec![self.write(Says::Claim { workers })];
            }
        };
        self.end(Ending::NotBegun(wrong))
    }

    /// Returns the run, as far as its records are read.
    pub(crate) fn course(&self) -> &Course {
        &self.course
    }

    /// Takes the next record of the control log; `now` is the time since the coordinator's start.
    pub(crate) fn read(&mut self, entry: &Entry, now: Duration) -> Vec<Act> {
        self.wake(now);
        self.deaf_since = None;
        if entry.note.run != self.course.run {
            if let Says::Plan(plan) = &entry.note.says {
                self.taken.extend(plan.order.iter().cloned());
            }
            return Vec::new();
        }
        if entry.note.version != PROTOCOL {
            return Vec::new();
        }
        let log = &self.course.log;
        let (had_plan, had_start) = (log.plan.is_some(), log.start.is_some());
        self.course.read(entry, now);
        let is_own = entry.note.from == self.id;
        let is_claim = matches!(entry.note.says, Says::Claim { .. });
        if is_claim && is_own {
            self.is_in_office = true;
            self.since = now;
            self.course
                .seats
                .iter_mut()
                .for_each(|seat| seat.heard = now);
        } else if is_claim && self.is_in_office {
            return self.end(Ending::Fenced);
        }
        let closes = matches!(entry.note.says, Says::Finished | Says::Abort { .. });
        if let Some((ending, _)) = self.closing.clone().filter(|_| closes && is_own) {
            return self.end(ending);
        }
        let log = &self.course.log;
        if had_plan != log.plan.is_some() || had_start != log.start.is_some() {
            self.since = now;
        }
        self.advance(now)
    }

    /// Takes a record of the results.
    pub(crate) fn measured(&mut self, measurement: Measurement, now: Duration) -> Vec<Act> {
        self.wake(now);
        self.deaf_since = None;
        match self.course.measured(measurement, now) {
            Some((part, record)) => vec![Act::Add(part, record)],
            None => self.advance(now),
        }
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Act> {
        self.wake(now);
        self.deaf_since = None;
        self.advance(now)
    }

    /// Adds the time of a suspension to all deadlines, because the records of that time are still to be read.
    fn wake(&mut self, now: Duration) {
        let slept = now.saturating_sub(std::mem::replace(&mut self.awake, now));
        if slept > NAP {
            self.since += slept;
            self.closing
                .iter_mut()
                .for_each(|(_, since)| *since += slept);
            self.wait_longer(slept);
        }
    }

    fn wait_longer(&mut self, time: Duration) {
        let seats = self.course.seats.iter_mut();
        seats.for_each(|seat| seat.heard += time);
    }

    /// Notes that the log does not answer. Meanwhile nobody counts as silent. The run ends after `--patience` of that.
    pub(crate) fn deaf(&mut self, now: Duration) -> Vec<Act> {
        let since = *self.deaf_since.get_or_insert(now);
        self.wait_longer(now.saturating_sub(self.awake));
        self.awake = now;
        if self.closing.is_some() {
            return self.advance(now);
        }
        let has_begun = self.course.log.start.is_some();
        if has_begun && now.saturating_sub(since) >= self.terms.patience {
            return self.close(Ending::Invalid(
                "the log did not answer for --patience".to_owned(),
            ));
        }
        Vec::new()
    }

    /// Notes that the existing results are read. From now on, a worker without new records is silent.
    pub(crate) fn has_read_results(&mut self, now: Duration) {
        self.hears = true;
        let seats = self.course.seats.iter_mut();
        seats.for_each(|seat| seat.heard = seat.heard.max(now));
    }

    pub(crate) fn is_in_office(&self) -> bool {
        self.is_in_office
    }

    /// Stops the run: nothing more is sent.
    pub(crate) fn stop(&mut self, reason: &str) -> Vec<Act> {
        let reason = reason.to_owned();
        if std::mem::replace(&mut self.wrote.stop, true) {
            return Vec::new();
        }
        if self.course.log.start.is_none() {
            return self.close(Ending::NotBegun(reason));
        }
        vec![self.write(Says::Stop { reason })]
    }

    /// Aborts the run, without waiting for replies.
    pub(crate) fn abort(&mut self, reason: &str) -> Vec<Act> {
        let reason = reason.to_owned();
        self.close(match self.course.log.start {
            None => Ending::NotBegun(reason),
            Some(_) => Ending::Invalid(reason),
        })
    }

    fn advance(&mut self, now: Duration) -> Vec<Act> {
        if !self.is_in_office
            && self.wrote.claim
            && now.saturating_sub(self.since) >= self.terms.patience
        {
            return self.end(Ending::NotBegun(NOT_GIVEN_BACK.to_owned()));
        }
        if !self.is_in_office || self.ended {
            return Vec::new();
        }
        if let Some((ending, since)) = self.closing.clone() {
            let is_late = now.saturating_sub(since) >= SILENCE;
            return match (is_late, ending) {
                (false, _) => Vec::new(),
                // Only the log can confirm that no other coordinator has taken the run.
                (true, Ending::Finished) => {
                    let run = &self.course.run;
                    let reason = format!(
                        "the log does not confirm the end: `run --resume {run}` shows how it ended"
                    );
                    self.end(Ending::NotBegun(reason))
                }
                (true, ending) => self.end(ending),
            };
        }
        if self.course.log.is_over() {
            // The run ended just before it was taken over.
            return self.end(Ending::NotBegun(self.is_over()));
        }
        if self.course.log.plan.is_none() {
            return self.gather(now);
        }
        if let Some((worker, reason)) = &self.course.log.refused {
            let name = self.course.log.name_of(worker);
            let reason = format!("worker {name} cannot take part: {reason}");
            return self.close(Ending::NotBegun(reason));
        }
        match self.course.log.start {
            None => self.start(now),
            Some(_) => self.follow(now),
        }
    }

    fn is_over(&self) -> String {
        let run = &self.course.run;
        format!("run {run} is over: `load-client report {run}` shows its results")
    }

    /// Writes the end. The coordinator ends once the log confirms that.
    fn close(&mut self, ending: Ending) -> Vec<Act> {
        let says = match &ending {
            Ending::NotBegun(reason) | Ending::Invalid(reason) => {
                let reason = reason.clone();
                Says::Abort { reason }
            }
            Ending::Finished => Says::Finished,
            Ending::Fenced => return self.end(ending),
        };
        if self.closing.is_some() || self.ended {
            return Vec::new();
        }
        if !self.is_in_office {
            // If a claim is on its way, this record directly follows it.
            let claimed = self.wrote.claim.then(|| self.write(says));
            return claimed.into_iter().chain(self.end(ending)).collect();
        }
        self.closing = Some((ending, self.awake));
        vec![self.write(says)]
    }

    fn end(&mut self, ending: Ending) -> Vec<Act> {
        if std::mem::replace(&mut self.ended, true) {
            return Vec::new();
        }
        vec![Act::End(ending)]
    }

    /// Returns the note with the exit code, for all who follow the run.
    pub(crate) fn verdict(&self, exit_code: u8) -> Note {
        self.note(Says::Verdict { exit_code })
    }

    fn write(&self, says: Says) -> Act {
        Act::Write(self.note(says))
    }

    fn note(&self, says: Says) -> Note {
        Note {
            version: PROTOCOL,
            run: self.course.run.clone(),
            from: self.id.clone(),
            says,
        }
    }
}
