//! Tasks beside a run: they record the service's memory, check the stages against the limits that end the run, and
//! search for the highest rate.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::args::LoadArguments;
use crate::load::Control;
use crate::load::plan::{Plan, Span};
use crate::load::search::{Bisection, Probed, Search};
use crate::load::shape::show_rate;
use crate::measure::analysis::Findings;
use crate::measure::history::History;
use crate::measure::memory::{self, MemoryPoint};
use crate::measure::recorder::TallyView;
use crate::measure::summary::Summary;
use crate::measure::threshold::{
    FEWEST_REQUESTS, Standing, Threshold, evaluate, extra_quantiles, first_broken, requests_needed,
};
use crate::report::EndedBy;
use crate::session::terminal::say;

/// How often the stages are checked against the limits.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon the end of the requests in flight is noticed.
const DRAIN_CHECK: Duration = Duration::from_millis(20);
/// How soon an undecided probe is judged again.
const JUDGE_AGAIN: Duration = Duration::from_millis(100);
/// Time for the recorder to take the requests that have ended.
const RECORDING: Duration = Duration::from_millis(200);

/// The tasks beside a run.
pub(super) struct Beside {
    tasks: JoinSet<()>,
    memory: Arc<Mutex<History<MemoryPoint>>>,
    limits: Vec<Threshold>,
    /// Why the run ended, once a task here has decided that.
    ended_by: Arc<OnceLock<EndedBy>>,
    search: Option<Arc<Mutex<Bisection>>>,
}

impl Beside {
    /// Starts the tasks. The measurements of a second arrive by `late` after it.
    pub(super) fn start(
        arguments: &LoadArguments,
        (plan, late): (&Plan, Duration),
        view: TallyView,
        control: &Control,
    ) -> Self {
        let mut own = Self {
            tasks: JoinSet::new(),
            memory: Arc::default(),
            limits: arguments.until.clone(),
            ended_by: Arc::default(),
            search: None,
        };
        if let Some(url) = arguments.metrics_url.clone() {
            own.tasks.spawn(memory::watch(url, Arc::clone(&own.memory)));
        }
        let (control, limits) = (control.clone(), own.limits.clone());
        let ended_by = Arc::clone(&own.ended_by);
        if let Some(search) = plan.search {
            let bisection = Arc::new(Mutex::new(Bisection::up_to(search.highest)));
            own.search = Some(Arc::clone(&bisection));
            let prober = Prober {
                view,
                control,
                limits,
                search,
                bisection,
                ended_by,
            };
            own.tasks.spawn(prober.search(plan.warm_up));
        } else if !limits.is_empty() {
            let ending = end_when_broken(view, control, limits, plan.timeout + late, ended_by);
            own.tasks.spawn(ending);
        }
        own
    }

    /// Stops the tasks. Returns their findings, and why the run ended if a task decided that.
    pub(super) fn finish(mut self, view: &TallyView) -> (Findings, Option<EndedBy>) {
        self.tasks.abort_all();
        let has_limits = !self.limits.is_empty() && self.search.is_none();
        // No request is in flight now.
        let broken = has_limits.then(|| view.broken_stages(&self.limits, Duration::MAX));
        let (history, stages) = (view.history(), view.stages());
        let memory = lock(&self.memory);
        let found = Findings::of(&history, &stages, memory.entries(), broken.as_deref());
        let capacity = self.search.map(|search| lock(&search).found());
        let ended_by = self.ended_by.get().copied();
        (Findings { capacity, ..found }, ended_by)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the run when a stage that is over has broken a limit.
async fn end_when_broken(
    view: TallyView,
    control: Control,
    limits: Vec<Threshold>,
    timeout: Duration,
    ended_by: Arc<OnceLock<EndedBy>>,
) {
    loop {
        sleep(CHECK_INTERVAL).await;
        let now = view.elapsed();
        let stages = view.stages();
        let broken = view.broken_stages(&limits, now.saturating_sub(timeout));
        let all = stages.iter().zip(broken);
        let over = all.filter(|(stage, _)| stage.span.end_seconds <= now.as_secs_f64());
        let mut broken = over.filter_map(|(stage, reason)| Some((stage, reason?)));
        if let Some((stage, reason)) = broken.next() {
            say(&format!("ending after {}: {reason}", stage.span.name));
            ended_by.get_or_init(|| EndedBy::Limit);
            control.stop.cancel();
            return;
        }
    }
}

/// Tries one rate after another.
struct Prober {
    view: TallyView,
    control: Control,
    limits: Vec<Threshold>,
    search: Search,
    bisection: Arc<Mutex<Bisection>>,
    ended_by: Arc<OnceLock<EndedBy>>,
}

impl Prober {
    /// Searches, and ends the run when the search is over.
    async fn search(self, warm_up: Duration) {
        while self.control.target().is_none() || self.view.elapsed() < warm_up {
            sleep(DRAIN_CHECK).await;
        }
        loop {
            let rate = lock(&self.bisection).rate();
            let Some(rate) = rate else {
                self.ended_by.get_or_init(|| EndedBy::Search);
                return self.control.stop.cancel();
            };
            let Some(probed) = self.probe(rate).await else {
                return;
            };
            let told = match &probed {
                Probed::Held => "held",
                Probed::Broke(reason) => reason,
            };
            say(&format!("probe of {}: {told}", show_rate(rate)));
            lock(&self.bisection).take(rate, probed);
        }
    }

    /// Sends at a rate until the probe is decided, and waits until all its requests have ended. Returns `None` when the
    /// run
    /// ended first.
    async fn probe(&self, rate: f64) -> Option<Probed> {
        self.control.set_rate(rate);
        let start = self.view.elapsed() + self.search.settle();
        self.view.begin_stage(Span {
            name: format!("probe {}", lock(&self.bisection).probes() + 1),
            target: show_rate(rate),
            start_seconds: start.as_secs_f64(),
            end_seconds: f64::INFINITY,
        });
        sleep(self.search.settle() + self.search.probe()).await;
        let so_far = loop {
            if let Some(probed) = self.judged(rate) {
                break probed;
            }
            if self.is_over() {
                return None;
            }
            sleep(JUDGE_AGAIN).await;
        };
        if self.is_over() {
            return None;
        }
        self.view.end_stage();
        // Wait for all requests of this rate, so that they do not burden the next rate.
        self.control.set_rate(0.0);
        while self.control.in_flight() > 0 {
            sleep(DRAIN_CHECK).await;
        }
        sleep(RECORDING).await;
        let is_whole = !self.control.abort.is_cancelled();
        is_whole.then(|| self.judged(rate).unwrap_or(so_far))
    }

    fn is_over(&self) -> bool {
        self.control.ended().is_some() || self.control.abort.is_cancelled()
    }

    fn judged(&self, rate: f64) -> Option<Probed> {
        let summary = self.view.last_stage(&extra_quantiles(&self.limits))?;
        probed(&self.limits, rate, &summary)
    }
}

/// Judges a probe; `None` while it is undecided. A rate breaks if requests fail, unless a threshold is about failures.
/// It also breaks if the replies do not keep up with it.
fn probed(limits: &[Threshold], rate: f64, summary: &Summary) -> Option<Probed> {
    let (requests, failures) = (summary.total.requests, summary.total.failures);
    if failures > 0 && !limits.iter().any(Threshold::judges_failures) {
        return Some(Probed::Broke(format!("{failures} request(s) failed")));
    }
    if let Some(reason) = falls_short(rate, summary) {
        return Some(Probed::Broke(reason));
    }
    if requests < requests_needed(limits) {
        return None;
    }
    // If all requests fail, a few of each kind are enough.
    let fewest = if failures == requests {
        1
    } else {
        FEWEST_REQUESTS
    };
    if let Some(reason) = first_broken(limits, summary, fewest) {
        return Some(Probed::Broke(reason));
    }
    let judged = evaluate(limits, summary).judgements;
    let is_open = judged.iter().any(|own| own.verdict == Standing::Undecided);
    (!is_open).then_some(Probed::Held)
}

/// Returns a reason if requests pile up or are held back: fewer ended in the probe than were due, by more than a
/// twentieth and three standard deviations of a Poisson count.
fn falls_short(rate: f64, summary: &Summary) -> Option<String> {
    let seconds = summary.window_seconds?;
    let due = rate * seconds;
    let ended = summary.throughput? * seconds + summary.total.failures as f64;
    let is_short = due - ended > 0.05 * due + 3.0 * due.sqrt();
    is_short.then(|| {
        let came = (ended / seconds * 10.0).round() / 10.0;
        format!("only {} of {} came back", show_rate(came), show_rate(rate))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::summary::{Sample, Status};
    use crate::measure::tally::Tally;

    #[test]
    fn a_probe_holds_breaks_or_cannot_be_told() {
        let summary = |replies: u64, failures: u64| {
            let mut tally = Tally::new(&["find".to_owned(), "order".to_owned()]);
            for number in 0..replies + failures {
                let (kind, outcome) = match number < replies {
                    true => (0, Status::Ok),
                    false => (1, Status::Timeout),
                };
                let mut sample = Sample::test(number, 5_000_000, outcome);
                sample.kind = kind;
                tally.record(&sample, Duration::ZERO);
            }
            tally.summary()
        };
        let limits = |all: &[&str]| -> Vec<Threshold> {
            all.iter().map(|own| own.parse().unwrap()).collect()
        };
        let probed = |all: &[&str], summary| probed(&limits(all), 100.0, &summary);
        let broke = |all: &[&str], summary| matches!(probed(all, summary), Some(Probed::Broke(_)));
        assert_eq!(probed(&["p95<9ms"], summary(300, 0)), Some(Probed::Held));
        assert!(broke(&["p95<3ms"], summary(300, 0)));
        assert_eq!(probed(&["p95<9ms"], summary(20, 0)), None);
        // A verdict needs a minimum of requests.
        assert_eq!(probed(&["avg<3ms"], summary(10, 0)), None);
        assert_eq!(probed(&["failures<1%"], summary(50, 0)), None);
        // One broken threshold decides, whatever the others say.
        assert!(broke(&["p95<9ms", "avg<3ms"], summary(20, 0)));
        assert!(broke(&["p95<9ms"], summary(300, 1)));
        let with_failures = ["p95<9ms", "failures<5%"];
        assert_eq!(probed(&with_failures, summary(300, 1)), Some(Probed::Held));
        assert!(broke(&["avg<9ms", "failures<=100%"], summary(0, 20)));
        // A kind without good replies is undecided until enough of it have failed, as long as other kinds have good
        // replies.
        let kind = ["order:avg<9ms", "failures<=100%"];
        assert_eq!(probed(&kind, summary(300, 19)), None);
        assert!(broke(&kind, summary(300, 20)));
        assert!(broke(&kind, summary(0, 20)));
        let reason = "6 failures, the limit is failures<5".to_owned();
        let told = probed(&["failures<5"], summary(300, 6));
        assert_eq!(told, Some(Probed::Broke(reason)));
        let reason = "100.000 %, the limit is failures<5%".to_owned();
        let told = probed(&["failures<5%", "order:p95<9ms"], summary(0, 20));
        assert_eq!(
            told,
            Some(Probed::Broke(reason)),
            "it decides before the undecided one"
        );
    }

    #[test]
    fn a_rate_that_the_replies_do_not_keep_up_with_is_short() {
        let summary = |good: f64, failures: u64| {
            let mut summary = Tally::new(&["find".to_owned()]).summary();
            (summary.throughput, summary.window_seconds) = (Some(good), Some(10.0));
            summary.total.failures = failures;
            summary
        };
        // Of a thousand requests that are due, 144 may be missing.
        assert_eq!(falls_short(100.0, &summary(86.0, 0)), None);
        assert_eq!(falls_short(100.0, &summary(80.0, 60)), None);
        assert_eq!(
            falls_short(100.0, &summary(80.0, 0)).as_deref(),
            Some("only 80/s of 100/s came back")
        );
        // Chance alone explains this difference.
        assert_eq!(falls_short(2.0, &summary(1.0, 0)), None);
    }
}
