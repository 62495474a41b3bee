//! The part of `run`'s command line that says how the load is made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::args::loads::pause;
use crate::args::parse;
use crate::load::plan::{Model, OpenLoop, Pause, Plan, PlanError, Stage, Target};
use crate::load::shape::{self, Preset};
use crate::load::{Arrivals, Search};
use crate::measure::memory::MetricsUrl;
use crate::measure::threshold::Threshold;

pub(super) const DEFAULT_MAX_IN_FLIGHT: u32 = 100_000;
/// So many probes of one rate are in a run that searches for the highest one.
const PROBES: u32 = 20;
/// Fixed, so that two runs are given the same schedule unless they ask for different ones.
const DEFAULT_SEED: u64 = 1;

#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArguments {
    /// Open loop: send so many requests (500/s, 30/m), whatever the replies do
    #[arg(long, env = "LOAD_CLIENT_RATE", value_parser = parse::rate, conflicts_with_all = ["users", "spawn_rate"])]
    pub(crate) rate: Option<f64>,
    /// Open loop: spacing of the requests, constant or poisson (random, as independent customers come) [default: constant]
    #[arg(long, env = "LOAD_CLIENT_ARRIVALS", value_parser = ["constant", "poisson"])]
    pub(super) arrivals: Option<String>,
    /// Open loop: hold further requests back while so many are in flight; reported when it happens [default: 100000]
    #[arg(long, env = "LOAD_CLIENT_MAX_IN_FLIGHT", value_parser = clap::value_parser!(u32).range(1..), value_name = "REQUESTS")]
    pub(super) max_in_flight: Option<u32>,
    /// Closed loop: pause of a user between a reply and its next request: 100ms, or at random 50ms..150ms
    #[arg(long, env = "LOAD_CLIENT_THINK_TIME", value_parser = parse::times, value_name = "TIME[..TIME]", conflicts_with = "rate")]
    pub(super) think_time: Option<(Duration, Duration)>,
    /// Closed loop: each user starts a request once in this time, or at once after a reply that took longer
    #[arg(long, env = "LOAD_CLIENT_PACE", value_parser = parse::duration, value_name = "TIME", conflicts_with_all = ["rate", "think_time"])]
    pub(super) pace: Option<Duration>,
    /// Seed of random think times, Poisson arrivals, {random:...} and feeders in random order; the same seed gives the same load [default: 1]
    #[arg(long, env = "LOAD_CLIENT_SEED", value_name = "NUMBER")]
    seed: Option<u64>,
    /// Go through the stages of this TOML file; see below
    #[arg(long, env = "LOAD_CLIENT_SHAPE", value_name = "FILE", conflicts_with_all = ["users", "spawn_rate", "rate", "run_time", "preset"])]
    pub(super) shape: Option<PathBuf>,
    /// Stages that are ready: load, soak, stress or spike; capacity searches for the highest rate
    ///
    /// See below.
    #[arg(long, env = "LOAD_CLIENT_PRESET", value_parser = parse::preset)]
    pub(super) preset: Option<Preset>,
    /// End after the first stage that breaks this threshold, as of --fail-on, such as 'p95<50ms' or
    /// 'failures<1%'; one that is undecided breaks nothing; repeatable
    #[arg(
        long,
        env = "LOAD_CLIENT_UNTIL",
        value_delimiter = '\n',
        value_name = "THRESHOLD"
    )]
    pub(crate) until: Vec<Threshold>,
    /// Follow the service's memory: process_resident_memory_bytes at this address
    #[arg(long, env = "LOAD_CLIENT_METRICS_URL", value_name = "URL")]
    pub(crate) metrics_url: Option<MetricsUrl>,
}

/// What both load models have.
pub(crate) struct Basics {
    pub(crate) users: u32,
    pub(crate) spawn_rate: f64,
    pub(crate) run_time: Option<Duration>,
    pub(crate) warm_up: Duration,
    pub(crate) timeout: Duration,
}

impl LoadArguments {
    /// The file that the stages are read from.
    pub(crate) fn shape(&self) -> Option<&Path> {
        self.shape.as_deref()
    }

    /// The load that was typed.
    ///
    /// # Errors
    ///
    /// When settings contradict each other, or the shape file cannot be used.
    pub(crate) fn plan(&self, basics: Basics) -> Result<Plan, PlanError> {
        let stages = self.stages(&basics)?;
        let first = stages.first().map(|stage| stage.target);
        let is_open = self.rate.is_some() || matches!(first, Some(Target::Rate(_)));
        self.check_model(is_open, stages.is_empty())?;
        let whole: Duration = stages.iter().map(|stage| stage.duration).sum();
        let model = if is_open {
            Model::Open(self.open_loop())
        } else {
            Model::Closed(self.pause())
        };
        let has_users = !is_open && stages.is_empty();
        Plan {
            users: if has_users { basics.users } else { 0 },
            spawn_rate: basics.spawn_rate,
            run_time: if stages.is_empty() {
                basics.run_time
            } else {
                Some(whole)
            },
            warm_up: basics.warm_up,
            timeout: basics.timeout,
            model,
            stages,
            search: None,
            loads: Vec::new(),
        }
        .searching(self.search(self.rate, basics.run_time, basics.warm_up)?)
        .validated()
    }

    /// A plan with stages as another load: a preset's stages are shares of it. A shape file says all by itself.
    ///
    /// # Errors
    ///
    /// When a preset has no run time to divide.
    pub(crate) fn staged_as(
        &self,
        plan: Plan,
        (users, spawn_rate): (u32, f64),
        run_time: Option<Duration>,
        rate: Option<f64>,
    ) -> Result<Plan, PlanError> {
        let Some(preset) = self.preset else {
            return Ok(plan);
        };
        let run_time = run_time.ok_or_else(|| without_run_time(preset))?;
        let target = rate.map_or(Target::Users { users, spawn_rate }, Target::Rate);
        let model = match (rate, plan.model) {
            (Some(_), Model::Closed(_)) => Model::Open(self.open_loop()),
            (None, Model::Open(_)) => Model::Closed(self.pause()),
            (_, same) => same,
        };
        Ok(Plan {
            spawn_rate,
            run_time: Some(run_time),
            model,
            stages: preset.stages(target, run_time),
            ..plan
        })
    }

    /// What `--preset capacity` searches.
    ///
    /// # Errors
    ///
    /// When it has no bounds.
    pub(crate) fn search(
        &self,
        rate: Option<f64>,
        run_time: Option<Duration>,
        warm_up: Duration,
    ) -> Result<Option<Search>, PlanError> {
        if self.preset != Some(Preset::Capacity) {
            return Ok(None);
        }
        let without = |what: &str| PlanError(format!("--preset capacity needs {what}"));
        let highest = rate.ok_or_else(|| without("--rate, the highest rate to try"))?;
        let probed = "--run-time, which its probes are parts of";
        let run_time = run_time.ok_or_else(|| without(probed))?;
        if self.until.is_empty() {
            return Err(without("--until, what a rate must hold"));
        }
        let cycle = run_time.saturating_sub(warm_up) / PROBES;
        Ok(Some(Search { highest, cycle }))
    }

    fn stages(&self, basics: &Basics) -> Result<Vec<Stage>, PlanError> {
        if let Some(path) = &self.shape {
            return read_shape(path);
        }
        let Some(preset) = self.preset else {
            return Ok(Vec::new());
        };
        let run_time = basics.run_time.ok_or_else(|| without_run_time(preset))?;
        let users = Target::Users {
            users: basics.users,
            spawn_rate: basics.spawn_rate,
        };
        Ok(preset.stages(self.rate.map_or(users, Target::Rate), run_time))
    }

    /// What clap cannot know, as a shape file decides it.
    fn check_model(&self, is_open: bool, is_plain: bool) -> Result<(), PlanError> {
        let open = "an open loop: --rate, or a --shape with rates";
        let closed = "a closed loop: --users, or a --shape with users";
        let stages = "a run with stages: --preset or --shape";
        let wrong = [
            ("--arrivals", self.arrivals.is_some() && !is_open, open),
            (
                "--max-in-flight",
                self.max_in_flight.is_some() && !is_open,
                open,
            ),
            ("--think-time", self.think_time.is_some() && is_open, closed),
            ("--pace", self.pace.is_some() && is_open, closed),
            (
                "--until",
                !self.until.is_empty() && is_plain && self.preset.is_none(),
                stages,
            ),
        ];
        match wrong.into_iter().find(|(_, is_wrong, _)| *is_wrong) {
            Some((flag, _, model)) => Err(PlanError(format!("{flag} is for {model}"))),
            None => Ok(()),
        }
    }

    fn open_loop(&self) -> OpenLoop {
        OpenLoop {
            rate: self.rate.unwrap_or(0.0),
            arrivals: match self.arrivals.as_deref() {
                Some("poisson") => Arrivals::Poisson { seed: self.seed() },
                _ => Arrivals::Constant,
            },
            max_in_flight: self.max_in_flight(),
        }
    }

    fn pause(&self) -> Pause {
        pause(self.think_time, self.pace, self.seed())
    }

    /// Requests in flight that hold back further ones of an open loop.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT) as usize
    }

    /// The seed, or its default.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(DEFAULT_SEED)
    }
}

fn without_run_time(preset: Preset) -> PlanError {
    let name = preset.name();
    PlanError(format!(
        "--preset {name} needs --run-time, which its stages are parts of"
    ))
}

fn read_shape(path: &Path) -> Result<Vec<Stage>, PlanError> {
    let wrong = |cause: String| PlanError(format!("--shape {}: {cause}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    shape::parse(&text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use flags_and_variables::wrong_use;

    use super::*;
    use crate::args::{self, Command};

    fn plan(arguments: &str) -> Result<Plan, String> {
        let all = format!("load-client run --host kafka://a:1 {arguments}");
        let words = all.split_whitespace().map(OsString::from);
        let cli = args::read(words).map_err(|error| wrong_use(&error))?.0;
        let Command::Run(arguments) = cli.command else {
            panic!("not a run");
        };
        let validated = arguments.validated("id".to_owned());
        Ok(validated.map_err(|error| error.to_string())?.0)
    }

    #[test]
    fn limits_in_the_variable_stand_on_lines_of_their_own() {
        let typed = |limits: &str| {
            let words = ["--host", "kafka://a:1", "--preset", "stress", "-t", "60s"];
            let words = ["load-client", "run"].into_iter().chain(words);
            let words = words.chain(["--until", limits, "--until", "rps>1"]);
            let Command::Run(arguments) = args::read(words.map(OsString::from)).unwrap().0.command
            else {
                panic!("not a run");
            };
            let until = arguments.load.until.iter().map(ToString::to_string);
            until.collect::<Vec<_>>()
        };
        assert_eq!(
            typed("p95<1s\na,b:failures<1%"),
            ["p95<1s", "a,b:failures<1%", "rps>1"]
        );
    }

    #[test]
    fn both_models() {
        let closed = plan("-u 3 --think-time 50ms..150ms").unwrap();
        assert_eq!(closed.load_model(), "closed loop, think time 50ms to 150ms");
        let open = plan("--rate 500/s --arrivals poisson --seed 7").unwrap();
        let expected = "open loop, 500/s, Poisson arrivals with seed 7";
        assert_eq!((&*open.load_model(), open.users), (expected, 0));
        let preset = plan("--rate 500/s --preset spike -t 100s").unwrap();
        assert_eq!(
            (preset.stages.len(), preset.schedule().count()),
            (3, 14_000)
        );
    }

    #[test]
    fn wrong_values_give_one_line_that_names_the_flag() {
        for (arguments, flag) in [
            ("--rate fast", "--rate"),
            ("--rate 0/s", "--rate"),
            ("--rate 5/s --users 3", "--users"),
            ("--rate 5/s -r 3", "--spawn-rate"),
            ("--rate 5/s --think-time 1s", "--think-time"),
            ("--rate 5/s --pace 1s", "--pace"),
            ("--rate 5/s --arrivals bursty", "--arrivals"),
            ("--rate 5/s --max-in-flight 0", "--max-in-flight"),
            ("--rate 5/s --arrivals poisson --seed x", "--seed"),
            ("--arrivals poisson", "--arrivals is for an open loop"),
            ("--max-in-flight 5", "--max-in-flight is for an open loop"),
            ("--think-time 2s..1s", "--think-time"),
            ("--think-time 1s --pace 1s", "--pace"),
            ("--pace 0s", "--pace"),
            ("--preset peak -t 1m", "--preset"),
            ("--preset load", "--preset load needs --run-time"),
            (
                "--preset capacity --rate 5/s -t 1m",
                "--preset capacity needs --until",
            ),
            (
                "--preset capacity -t 1m --until p95<1s",
                "--preset capacity needs --rate",
            ),
            ("--preset stress -t 1m --until p95", "--until"),
            ("--until p95<1s", "--until is for a run with stages"),
            ("--metrics-url localhost", "--metrics-url"),
            ("--shape x.toml -u 3", "--shape"),
            ("--shape no-such.toml", "--shape no-such.toml: "),
        ] {
            let message = plan(arguments).unwrap_err();
            assert!(message.contains(flag), "{arguments}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_shape_file_decides_model_and_run_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shape.toml");
        let flag = format!("--shape {}", path.display());
        std::fs::write(&path, "[[stage]]\nduration = \"30s\"\nrate = \"5/s\"\n").unwrap();
        let open = plan(&flag).unwrap();
        assert_eq!(open.run_time, Some(Duration::from_secs(30)));
        assert!(matches!(open.model, Model::Open(_)));
        let refused = plan(&format!("{flag} --pace 1s")).unwrap_err();
        assert!(
            refused.starts_with("--pace is for a closed loop"),
            "{refused}"
        );
        let warm_up = plan(&format!("{flag} --warm-up 30s")).unwrap_err();
        assert!(warm_up.contains("--warm-up"), "{warm_up}");
        std::fs::write(&path, "[[stage]]\nduration = 30\n").unwrap();
        let wrong = plan(&flag).unwrap_err();
        assert!(wrong.contains("shape.toml: line 2, column 12: "), "{wrong}");
    }
}
