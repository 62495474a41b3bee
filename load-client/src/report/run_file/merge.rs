//! Merges the parts that several clients have sent, as if one client had sent the whole run. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{RunEnd, RunPart, SharedFacts};
use crate::load::Share;
use crate::measure::analysis::Findings;
use crate::measure::history::{Bin, History, Moment};
use crate::measure::interval::{Interval, IntervalRecord, LagRecord, Unreadable};
use crate::measure::selfcheck::{Finding, Validity};
use crate::measure::summary::{Lag, Summary};
use crate::measure::tally::{StageTally, Tally};
use crate::measure::window::ThroughputWindow;
use crate::report::html::RunPage;

/// Longest run without a run time.
const MOST_SECONDS: u64 = 7 * 24 * 3600;
/// How much longer than its run time plus time-out a run may be.
const SLACK_SECONDS: u64 = 3600;

/// The figures of all parts together.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) summary: Summary,
    pub(crate) moments: Vec<Moment>,
    pub(crate) bins: Vec<Bin>,
}

/// Why files are not the parts of one run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOneRun {
    #[error("{name}: {reason}")]
    Unreadable { name: String, reason: String },
    #[error("{name} is of another run than {first}: its {what} differs")]
    Differs {
        name: String,
        first: String,
        what: &'static str,
    },
    #[error("{name} and {other} are both part {part}: name each part once")]
    Twice {
        name: String,
        other: String,
        part: String,
    },
    #[error("part {part} is missing: name the file of each part")]
    Missing { part: String },
    #[error(
        "{name} is a whole run: `merge` takes the parts of one run (--segment), `compare` takes several runs"
    )]
    Whole { name: String },
}

/// Puts the parts in order. Fails unless they are all the parts of one run.
pub(crate) fn ordered(parts: Vec<RunPart>) -> Result<Vec<RunPart>, NotOneRun> {
    let mut own: BTreeMap<u32, RunPart> = BTreeMap::new();
    let mut of = 1;
    for part in parts {
        let share = part.read.header.share();
        let share: Share = share.map_err(|reason| NotOneRun::Unreadable {
            name: part.name.clone(),
            reason,
        })?;
        if share.is_whole() {
            return Err(NotOneRun::Whole { name: part.name });
        }
        if let Some(first) = own.values().next() {
            differs(first, &part, share.of() != of)?;
        }
        of = share.of();
        if let Some(other) = own.get(&share.index()) {
            return Err(NotOneRun::Twice {
                name: part.name,
                other: other.name.clone(),
                part: share.to_string(),
            });
        }
        own.insert(share.index(), part);
    }
    let mut all = (0..of).filter_map(|index| Share::new(index, of));
    match all.find(|share| !own.contains_key(&share.index())) {
        Some(missing) => Err(NotOneRun::Missing {
            part: missing.to_string(),
        }),
        None => Ok(own.into_values().collect()),
    }
}

fn differs(first: &RunPart, part: &RunPart, is_of_more: bool) -> Result<(), NotOneRun> {
    let (one, other) = (&first.read.header.run, &part.read.header.run);
    let what = [
        ("number of parts", is_of_more),
        ("topic", one.topic != other.topic),
        (
            "load",
            one.load_model != other.load_model || one.target != other.target,
        ),
        ("kinds of request", one.kinds != other.kinds),
        ("run time", one.run_time_ns != other.run_time_ns),
        ("warm-up", one.warm_up_ns != other.warm_up_ns),
        ("time-out", one.timeout_ns != other.timeout_ns),
        ("stages", one.stages != other.stages),
        ("spawn rate", one.spawn_rate != other.spawn_rate),
        ("wire format", one.wire != other.wire),
    ];
    match what.into_iter().find(|(_, differs)| *differs) {
        None => Ok(()),
        Some((what, _)) => Err(NotOneRun::Differs {
            name: part.name.clone(),
            first: first.name.clone(),
            what,
        }),
    }
}

/// Replays the parts side by side, second by second. `quantiles` are added to the usual ones. `look` gets each second,
/// with a function that makes the figures up to it.
pub(crate) fn merged<E: From<NotOneRun>>(
    parts: &[RunPart],
    quantiles: &[f64],
    mut look: impl FnMut(&Moment, &dyn Fn() -> Summary) -> Result<(), E>,
) -> Result<Merged, E> {
    let replay = replayed(parts, |moment, replay| {
        look(moment, &|| replay.summary(quantiles))
    })?;
    let mut summary = replay.summary(quantiles);
    summary.schedule_lag = schedule_lag(parts)?;
    let moments = replay.history.entries().to_vec();
    summary.findings = Findings::of(&moments, &summary.stages, &[], None);
    Ok(Merged {
        bins: replay.tally.histogram(RunPage::BINS),
        summary,
        moments,
    })
}

/// Replays the parts and calls `look` for each second.
pub(crate) fn replayed<E: From<NotOneRun>>(
    parts: &[RunPart],
    mut look: impl FnMut(&Moment, &Replay) -> Result<(), E>,
) -> Result<Replay, E> {
    let until = parts.iter().filter_map(RunPart::sent_until_ns).max();
    let mut replay = Replay::new(&parts[0].read.header.run, started_ms(parts), until);
    let mut users = vec![0; parts.len()];
    let mut seconds = by_second(parts)?;
    let last = seconds.keys().next_back().copied().unwrap_or(0);
    for second in 0..=last {
        for (part, record) in seconds.remove(&second).unwrap_or_default() {
            users[part] = record.users;
            let interval = Interval::try_from(record);
            let mut interval = interval.map_err(|error| unreadable(&parts[part], &error))?;
            interval.second = second;
            replay.tally.add(&interval);
            replay.stages.add(&interval);
        }
        let users = users
            .iter()
            .fold(0_u32, |sum, own| sum.saturating_add(*own));
        let moment = replay.moment(second, users);
        look(&moment, &replay)?;
    }
    Ok(replay)
}

/// Returns how late the parts sent their requests.
pub(crate) fn schedule_lag(parts: &[RunPart]) -> Result<Option<Lag>, NotOneRun> {
    for part in parts {
        let lag = part.read.end.as_ref().map(|end| end.lag.lag());
        lag.transpose().map_err(|error| unreadable(part, &error))?;
    }
    let lags: Vec<&LagRecord> = ends(parts).map(|end| &end.lag).collect();
    Ok(LagRecord::of_all(&lags).unwrap_or_default())
}

fn ends(parts: &[RunPart]) -> impl Iterator<Item = &RunEnd> {
    parts.iter().filter_map(|part| part.read.end.as_ref())
}

fn unreadable(part: &RunPart, error: &Unreadable) -> NotOneRun {
    NotOneRun::Unreadable {
        name: part.name.clone(),
        reason: error.to_string(),
    }
}

/// Returns when the first part began, in milliseconds since 1970, by its machine's clock.
pub(crate) fn started_ms(parts: &[RunPart]) -> u64 {
    let all = parts.iter().map(|part| part.read.header.started_ms);
    all.min().unwrap_or(0)
}

type BySecond<'a> = BTreeMap<u64, Vec<(usize, &'a IntervalRecord)>>;

/// Returns the intervals of all parts, each with the index of its part, by the seconds since the first part began.
fn by_second(parts: &[RunPart]) -> Result<BySecond<'_>, NotOneRun> {
    let run = &parts[0].read.header.run;
    let allowed = |run_time: u64| run_time.saturating_add(run.timeout_ns) / 1_000_000_000;
    let longest = run
        .run_time_ns
        .map(|own| allowed(own).saturating_add(SLACK_SECONDS));
    let longest = longest.unwrap_or(MOST_SECONDS).min(MOST_SECONDS);
    let first = started_ms(parts);
    let mut seconds = BySecond::new();
    for (place, part) in parts.iter().enumerate() {
        let late = part.read.header.started_ms.saturating_sub(first) / 1000;
        for record in &part.read.intervals {
            let second = record.second.saturating_add(late);
            if second > longest {
                return Err(NotOneRun::Unreadable {
                    name: part.name.clone(),
                    reason: format!("it has a second {second}, but its run has at most {longest}"),
                });
            }
            seconds.entry(second).or_default().push((place, record));
        }
    }
    Ok(seconds)
}

/// The figures of all parts, as they grow.
pub(crate) struct Replay {
    pub(crate) tally: Tally,
    pub(crate) stages: StageTally,
    pub(crate) history: History<Moment>,
    warm_up_ns: u64,
    /// Milliseconds since 1970.
    started_ms: u64,
}

impl Replay {
    /// Creates the replay of a run that began at `started_ms`, in milliseconds since 1970. `until` is its end, if
    /// known.
    pub(crate) fn new(run: &SharedFacts, started_ms: u64, until: Option<u64>) -> Self {
        let window = ThroughputWindow::over(run.warm_up_ns, run.run_time_ns.unwrap_or(u64::MAX));
        let mut tally = Tally::new(&run.kinds).within(window.waiting_at_most(run.timeout_ns));
        let mut stages = StageTally::new(&run.kinds, run.stages.clone(), run.warm_up_ns);
        if let Some(until) = until {
            tally.end_by(until);
            stages.end_by(until);
        }
        Self {
            tally,
            stages,
            history: History::default(),
            warm_up_ns: run.warm_up_ns,
            started_ms,
        }
    }

    /// Returns the moment at the end of a second.
    pub(crate) fn moment(&mut self, second: u64, users: u32) -> Moment {
        let elapsed = Duration::from_secs(second + 1);
        let is_warm_up = elapsed < Duration::from_nanos(self.warm_up_ns);
        let unix_seconds = self.started_ms / 1000 + elapsed.as_secs();
        let moment = self.tally.moment(elapsed, unix_seconds, users, is_warm_up);
        self.history.push(moment.clone());
        moment
    }

    pub(crate) fn summary(&self, quantiles: &[f64]) -> Summary {
        let mut summary = self.tally.summary_at(u64::MAX, quantiles);
        summary.stages = self.stages.results(u64::MAX);
        summary
    }
}

/// Returns the validity of a run. It is that of the worst part, because each part affects the figures of the whole.
pub(crate) fn validity<'a>(parts: impl IntoIterator<Item = &'a RunPart>) -> Validity {
    let mut findings = Vec::new();
    let mut reasons = Vec::new();
    for part in parts {
        let title = &part.title;
        if let Some(reason) = part.cut_short() {
            findings.push(Finding {
                reason: format!("{title} is not whole: {reason}"),
                advice: "let each client send until the run time is over".to_owned(),
            });
        }
        match part.read.end.as_ref().map(|end| &end.validity) {
            Some(Validity::Invalid { findings: own }) => {
                let own = own.iter().map(|own| Finding {
                    reason: format!("{title}: {}", own.reason),
                    advice: own.advice.clone(),
                });
                findings.extend(own);
            }
            Some(Validity::NotJudged { reason }) => {
                reasons.push(format!("{title}: {reason}"));
            }
            Some(Validity::Valid | Validity::Partial { .. }) | None => {}
        }
    }
    match (findings.is_empty(), reasons.is_empty()) {
        (false, _) => Validity::Invalid { findings },
        (true, false) => Validity::NotJudged {
            reason: reasons.join("; "),
        },
        (true, true) => Validity::Valid,
    }
}

#[cfg(test)]
mod tests;
