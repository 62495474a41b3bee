//! The load of a run, validated: who sends, when, and for how long.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::load::pause::Pause;
use crate::load::schedule::{Arrivals, Schedule, Segment};
use crate::load::search::Search;
use crate::load::shape::show_rate;
use crate::load::share::Share;

/// The most users of a run.
pub(crate) const MAX_USERS: u32 = 1_000_000;

/// The load of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Number of users of a closed loop without stages; 0 in an open loop.
    pub users: u32,
    /// Users started per second; above 0.
    pub spawn_rate: f64,
    /// Time from the start of the run to the last send, including ramp and warm-up. `None` means until the run is
    /// stopped.
    pub run_time: Option<Duration>,
    /// Time from the start. Requests planned within it are recorded, but the figures leave them out.
    pub warm_up: Duration,
    /// How long a request waits for its reply.
    pub timeout: Duration,
    /// Decides when requests are sent.
    pub model: Model,
    /// Parts of the run with different targets, one after the other. Empty if the target stays the same.
    pub stages: Vec<Stage>,
    /// Searches for the highest rate that holds. This needs an open loop without stages.
    pub search: Option<Search>,
    /// Several loads at once. Each has its own users, model and stages. Those of this plan then have no meaning.
    pub loads: Vec<Load>,
    /// The part of the load that this client sends. Users and rates above are those of all clients together.
    pub share: Share,
}

/// One of several loads at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The name in reports.
    pub name: String,
    /// The kinds of request that this load sends. No other load sends them; see
    /// [`Scenario::kinds`](crate::scenario::Scenario::kinds).
    pub kinds: Vec<u16>,
    /// When this load sends its requests.
    pub plan: Plan,
}

/// Decides when requests are sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Model {
    /// Each user waits for its reply before it sends the next request.
    Closed(Pause),
    /// A schedule that does not depend on the replies.
    Open(OpenLoop),
}

/// An open loop.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLoop {
    /// Requests per second if there are no stages.
    pub rate: f64,
    /// How the requests are spread over time.
    pub arrivals: Arrivals,
    /// The most requests in flight. Further ones are held back.
    pub max_in_flight: usize,
}

/// Checks the number of users of one load. The error says which numbers are allowed.
pub(crate) fn checked_users(users: u32) -> Result<u32, String> {
    let users = Some(users).filter(|users| (1..=MAX_USERS).contains(users));
    users.ok_or_else(|| format!("takes a whole number from 1 to {MAX_USERS}"))
}

/// Checks the users started per second. The error says which numbers are allowed.
pub(crate) fn checked_spawn_rate(rate: f64) -> Result<f64, String> {
    let rate = Some(rate).filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "takes a number above 0, users per second".to_owned())
}

/// The reason why a plan cannot run. It names the flag to change.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0}")]
pub struct PlanError(pub(crate) String);

impl Plan {
    /// Checks the rules that concern more than one setting.
    ///
    /// # Errors
    ///
    /// Returns an error when the warm-up takes all of the run time.
    pub(crate) fn validated(self) -> Result<Self, PlanError> {
        match self.run_time {
            Some(run_time) if self.warm_up >= run_time => Err(PlanError(format!(
                "--warm-up {} leaves nothing of --run-time {}; the run time includes the warm-up",
                show(self.warm_up),
                show(run_time)
            ))),
            _ => Ok(self),
        }
    }

    /// Makes the plan a search for the highest rate that holds. The search starts at half of the highest rate.
    pub(crate) fn searching(mut self, search: Option<Search>) -> Self {
        self.search = search;
        if let (Some(search), Model::Open(open)) = (search, &mut self.model) {
            open.rate = search.highest / 2.0;
        }
        self
    }

    /// Returns whether every user always waits for a reply or sends. Little's law applies only then. With several
    /// loads, some users may pause between requests.
    pub(crate) fn has_only_waiting_users(&self) -> bool {
        self.loads.is_empty() && self.model == Model::Closed(Pause::None)
    }

    /// Describes how the load is made. The meaning of latencies depends on it.
    pub(crate) fn load_model(&self) -> String {
        if !self.loads.is_empty() {
            return self.of_loads(Self::load_model);
        }
        match &self.model {
            Model::Closed(pause) => format!("closed loop{pause}"),
            Model::Open(open) => {
                let rate = match self.search {
                    Some(search) => format!("search up to {}", show_rate(search.highest)),
                    None if self.stages.is_empty() => show_rate(open.rate),
                    None => "rate by stages".to_owned(),
                };
                let arrivals = match open.arrivals {
                    Arrivals::Constant => "constant spacing".to_owned(),
                    Arrivals::Poisson { seed } => format!("Poisson arrivals with seed {seed}"),
                };
                format!("open loop, {rate}, {arrivals}")
            }
        }
    }

    /// Returns where each stage lies in the run. Empty if there are no stages.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut end = Duration::ZERO;
        let mut span = |stage: &Stage| {
            let start = end;
            end += stage.duration;
            Span {
                name: stage.name.clone(),
                target: match stage.ramp {
                    true => format!("ramp to {}", stage.target),
                    false => stage.target.to_string(),
                },
                start_seconds: start.as_secs_f64(),
                end_seconds: end.as_secs_f64(),
            }
        };
        self.stages.iter().map(&mut span).collect()
    }

    /// Describes the first target of the run.
    pub(crate) fn target_in_words(&self) -> String {
        match self.loads.is_empty() {
            true => self.first_target().to_string(),
            false => self.of_loads(Self::target_in_words),
        }
    }

    fn of_loads(&self, told: impl Fn(&Self) -> String) -> String {
        let loads = self.loads.iter();
        let told = loads.map(|own| format!("{}: {}", own.name, told(&own.plan)));
        let more = (self.loads.len() > 10).then(|| "...".to_owned());
        told.take(10).chain(more).collect::<Vec<_>>().join("; ")
    }

    /// Returns the first target of the run.
    pub(crate) fn first_target(&self) -> Target {
        match (self.stages.first(), &self.model) {
            (Some(stage), _) => stage.target,
            (None, Model::Open(open)) => Target::Rate(open.rate),
            (None, Model::Closed(_)) => Target::Users {
                users: self.users,
                spawn_rate: self.spawn_rate,
            },
        }
    }

    /// Returns the schedule of an open loop. Empty for a closed loop.
    pub(crate) fn schedule(&self) -> Schedule {
        let Model::Open(open) = &self.model else {
            return Schedule::new(Vec::new(), Arrivals::Constant, self.share);
        };
        let whole = Segment {
            duration: self.run_time.unwrap_or(Duration::MAX),
            from: open.rate,
            to: open.rate,
        };
        let segments = match self.stages.is_empty() {
            true => vec![whole],
            false => segments(&self.stages),
        };
        Schedule::new(segments, open.arrivals, self.share)
    }
}

pub(super) fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// The target of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// A number of users of a closed loop.
    Users {
        /// Number of users.
        users: u32,
        /// Users started per second, above 0. A ramp ignores it.
        spawn_rate: f64,
    },
    /// Requests per second of an open loop.
    Rate(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Users { users, .. } => write!(formatter, "{users} user(s)"),
            Self::Rate(rate) => write!(formatter, "{}", show_rate(*rate)),
        }
    }
}

/// A part of the run with one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The name in reports.
    pub name: String,
    /// How long it is.
    pub duration: Duration,
    /// The target of the stage. A ramp reaches it at the end.
    pub target: Target,
    /// Whether the load changes in a straight line from the previous stage's target to this target.
    pub ramp: bool,
}

/// Where a stage lies in its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The stage's name.
    pub name: String,
    /// Its target, in words.
    pub target: String,
    /// Its start, in seconds from the start of the run.
    pub start_seconds: f64,
    /// Its end, in seconds from the start of the run.
    pub end_seconds: f64,
}

/// Returns the rate over time of the stages of an open loop. Empty for stages of users.
fn segments(stages: &[Stage]) -> Vec<Segment> {
    let mut last = 0.0;
    let segment = |stage: &Stage| {
        let to = match stage.target {
            Target::Rate(rate) => rate,
            Target::Users { .. } => 0.0,
        };
        let from = if stage.ramp { last } else { to };
        last = to;
        Segment {
            duration: stage.duration,
            from,
            to,
        }
    };
    stages.iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            users: 10,
            spawn_rate: 4.0,
            run_time: Some(Duration::from_secs(10)),
            warm_up: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            model: Model::Closed(Pause::None),
            stages: Vec::new(),
            search: None,
            loads: Vec::new(),
            share: Share::WHOLE,
        }
    }

    #[test]
    fn users_that_pause_and_several_loads_are_no_matter_of_littles_law() {
        let with = |model| Plan { model, ..plan() };
        assert!(plan().has_only_waiting_users());
        let second = Duration::from_secs(1);
        let (least, most, seed) = (second, second, 1);
        let think = Pause::Think { least, most, seed };
        for pause in [think, Pause::Pace(second)] {
            assert!(!with(Model::Closed(pause)).has_only_waiting_users());
        }
        let open = Model::Open(OpenLoop {
            rate: 1.0,
            arrivals: Arrivals::Constant,
            max_in_flight: 10,
        });
        assert!(!with(open).has_only_waiting_users());
        let mut several = plan();
        several.loads.push(Load {
            name: "browse".to_owned(),
            kinds: vec![0],
            plan: plan(),
        });
        assert!(!several.has_only_waiting_users());
    }

    #[test]
    fn the_model_is_told_in_words() {
        let mut plan = plan();
        assert_eq!(plan.load_model(), "closed loop, no think time");
        plan.model = Model::Closed(Pause::Think {
            least: Duration::from_millis(50),
            most: Duration::from_millis(150),
            seed: 1,
        });
        assert_eq!(plan.load_model(), "closed loop, think time 50ms to 150ms");
        plan.model = Model::Open(OpenLoop {
            rate: 0.5,
            arrivals: Arrivals::Poisson { seed: 7 },
            max_in_flight: 10,
        });
        let expected = "open loop, 30/m, Poisson arrivals with seed 7";
        assert_eq!(plan.load_model(), expected);
        assert!(plan.schedule().next().is_some());
    }

    #[test]
    fn the_warm_up_must_leave_time_to_measure() {
        assert!(plan().validated().is_ok());
        let mut short = plan();
        short.run_time = Some(Duration::from_secs(2));
        assert_eq!(
            short.validated().unwrap_err().to_string(),
            "--warm-up 2s leaves nothing of --run-time 2s; the run time includes the warm-up"
        );
    }

    #[test]
    fn stages_follow_each_other() {
        let stage = |name: &str, seconds, rate, ramp| Stage {
            name: name.to_owned(),
            duration: Duration::from_secs(seconds),
            target: Target::Rate(rate),
            ramp,
        };
        let stages = vec![stage("up", 10, 50.0, true), stage("hold", 30, 50.0, false)];
        let plan = Plan { stages, ..plan() };
        let spans = plan.spans();
        assert_eq!(
            (&*spans[0].target, &*spans[1].target),
            ("ramp to 50/s", "50/s")
        );
        assert_eq!((spans[1].start_seconds, spans[1].end_seconds), (10.0, 40.0));
        let segments = segments(&plan.stages);
        assert_eq!((segments[0].from, segments[0].to), (0.0, 50.0));
        assert_eq!((segments[1].from, segments[1].to), (50.0, 50.0));
    }
}
