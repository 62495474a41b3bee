//! The work of a coordinator in office: before the plan, before the start, and after it.

use std::time::Duration;

use super::{Coordinator, NOT_GIVEN_BACK, SILENCE};
use crate::distributed::act::{Act, Ending};
use crate::distributed::course::Seat;
use crate::distributed::seating::seated;
use crate::distributed::{PlanNote, Says};

impl Coordinator {
    /// Waits for enough workers, and makes the plan.
    pub(super) fn gather(&mut self, now: Duration) -> Vec<Act> {
        if self.wrote.plan {
            return Vec::new();
        }
        let free = self.course.log.hellos.iter();
        let free: Vec<_> = free
            .filter(|own| !self.taken.contains(&own.worker))
            .collect();
        let wanted = self.course.log.workers as usize;
        let waited = now.saturating_sub(self.since);
        let Some(load) = self.load.clone() else {
            return Vec::new();
        };
        match seated(&free, wanted) {
            Ok(order) => {
                self.wrote.plan = true;
                vec![self.write(Says::Plan(Box::new(PlanNote { order, load })))]
            }
            Err(_) if waited < self.terms.patience => Vec::new(),
            Err(seated) => {
                let patience = humantime::format_duration(self.terms.patience);
                let reason = format!(
                    "{seated} of {wanted} workers came within --patience {patience}: start more `load-client worker`, \
                     with different --index if they have one"
                );
                self.close(Ending::NotBegun(reason))
            }
        }
    }

    /// Starts the run when all workers are ready and agree on the load.
    pub(super) fn start(&mut self, now: Duration) -> Vec<Act> {
        let expected = self.course.log.plan.as_ref().map(|plan| plan.load.digest());
        let mut ready = self.course.log.ready.iter();
        let other = ready.find(|(_, own)| Some(&own.digest) != expected.as_ref());
        let mut facts = self.course.log.ready.values().map(|own| &own.header.run);
        let first = facts.next();
        let mut all = self.course.log.ready.iter();
        let other = other.or_else(|| all.find(|(_, own)| Some(&own.header.run) != first));
        if let Some((worker, _)) = other {
            let name = self.course.log.name_of(worker);
            let reason = format!("worker {name} would send something else: its scenario differs");
            return self.close(Ending::NotBegun(reason));
        }
        let missing = self.course.log.missing_in(&self.course.log.ready);
        if missing.is_empty() && !std::mem::replace(&mut self.wrote.start, true) {
            let delay_ms = u64::try_from(self.terms.delay.as_millis()).unwrap_or(u64::MAX);
            return vec![self.write(Says::Start { delay_ms })];
        }
        if now.saturating_sub(self.since) < self.terms.patience {
            return Vec::new();
        }
        let reason = match missing.is_empty() {
            true => NOT_GIVEN_BACK.to_owned(),
            false => format!("not ready within --patience: worker {}", missing.join(", ")),
        };
        self.close(Ending::NotBegun(reason))
    }

    /// Watches a run that was started.
    pub(super) fn follow(&mut self, now: Duration) -> Vec<Act> {
        let max_ms = self.terms.max_skew.as_millis();
        let since_start = now.saturating_sub(self.since);
        match self.course.log.skew_ms() {
            Some(skew) if u128::from(skew) > max_ms => {
                let reason = format!(
                    "workers would begin up to {skew} ms apart, more than --max-skew {max_ms} ms"
                );
                return self.close(Ending::Invalid(reason));
            }
            // This is decided before the first request is sent.
            None if since_start >= self.terms.delay * 3 / 4 => {
                let missing = self
                    .course
                    .log
                    .missing_in(&self.course.log.started_ms)
                    .join(", ");
                let reason =
                    format!("worker {missing} did not confirm the start within --max-skew");
                return self.close(Ending::Invalid(reason));
            }
            _ => {}
        }
        let silent = |seat: &Seat| {
            !seat.is_whole() && !seat.is_lost && now.saturating_sub(seat.heard) >= SILENCE
        };
        if !self.hears {
            return Vec::new();
        }
        let mut acts = Vec::new();
        while let Some(part) = self.course.seats.iter().position(silent) {
            let seat = &mut self.course.seats[part];
            seat.is_lost = true;
            let reason = match seat.done {
                None => format!(
                    "worker {} was not heard for {SILENCE:?}: it is lost",
                    seat.name
                ),
                Some(_) => format!("some measurements of worker {} are missing", seat.name),
            };
            if !self.terms.continues {
                return self.close(Ending::Invalid(reason));
            }
            acts.push(Act::Tell(reason));
        }
        if self
            .course
            .seats
            .iter()
            .all(|seat| seat.is_lost || seat.is_whole())
        {
            acts.extend(self.close(Ending::Finished));
        }
        acts
    }
}
