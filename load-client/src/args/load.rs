//! The flags of `run` that shape the load, and the plan that they describe.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use clap::Args;

use crate::args::{Misuse, values};
use crate::load::plan::{Load, Model, OpenLoop, Pause, Plan, PlanError, Stage, Target};
use crate::load::shape::{self, Preset};
use crate::load::{Arrivals, Search, Share};
use crate::measure::memory::metrics_url;
use crate::measure::threshold::Threshold;
use crate::scenario::LoadTable;

const DEFAULT_MAX_IN_FLIGHT: u32 = 100_000;
/// Probes of the usual length that fit into the run time of a search for the highest rate.
const PROBES: u32 = 20;
/// Fixed, so that two runs have the same schedule unless they ask for different ones.
const DEFAULT_SEED: u64 = 1;

#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArguments {
    /// Open loop: send at this rate, such as 500/s or 30/m
    #[arg(long, value_parser = values::rate, conflicts_with_all = ["users", "spawn_rate"])]
    pub(crate) rate: Option<f64>,
    /// Open loop: spacing of the requests; poisson is random, like independent customers [default: constant]
    #[arg(long, value_parser = ["constant", "poisson"])]
    arrivals: Option<String>,
    /// Open loop: limit of requests in flight; further requests wait, and the report says so [default: 100000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "REQUESTS")]
    max_in_flight: Option<u32>,
    /// Closed loop: pause between a reply and the user's next request: 100ms, or a random 50ms..150ms [default: none]
    #[arg(long, value_parser = values::times, value_name = "TIME[..TIME]", conflicts_with = "rate")]
    think_time: Option<(Duration, Duration)>,
    /// Closed loop: time from one request of a user to its next one [default: none]
    ///
    /// If the reply takes longer, the next request follows at once.
    #[arg(long, value_parser = values::duration, value_name = "TIME", conflicts_with_all = ["rate", "think_time"])]
    pace: Option<Duration>,
    /// Seed of all random values; the same seed gives the same load [default: 1]
    ///
    /// These are think times, Poisson arrivals, {random:...} and feeders in random order.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Send only this part of the load, such as 1/3
    ///
    /// Other clients with the same flags send the other parts. Merge their --hdr files with `load-client merge`.
    #[arg(long, value_name = "PART/OF")]
    segment: Option<Share>,
    /// Run the stages of this TOML file; see below
    #[arg(long, value_name = "FILE", conflicts_with_all = ["users", "spawn_rate", "rate", "run_time", "preset"])]
    pub(super) shape: Option<PathBuf>,
    /// Ready-made stages: load, soak, stress or spike; capacity searches for the highest rate
    ///
    /// See below.
    #[arg(long, value_parser = values::preset)]
    preset: Option<Preset>,
    /// End the run after the first stage that breaks this threshold, such as 'p95<50ms'; repeatable
    ///
    /// It has the form of --fail-on. An undecided threshold does not end the run.
    #[arg(long, value_delimiter = '\n', value_name = "THRESHOLD")]
    pub(crate) until: Vec<Threshold>,
    /// Record the service's memory: process_resident_memory_bytes at this URL, every 5 s
    #[arg(long, value_parser = metrics_url, value_name = "URL")]
    pub(crate) metrics_url: Option<Uri>,
}

/// How much is sent, and for how long. The form of the live page asks for the same.
pub(crate) struct Amount {
    pub(crate) users: u32,
    pub(crate) spawn_rate: f64,
    pub(crate) run_time: Option<Duration>,
    /// Requests per second of an open loop; `None` in a closed loop.
    pub(crate) rate: Option<f64>,
}

impl LoadArguments {
    /// Returns the plan of the one load that the flags describe, with this amount. Fails when a shape file cannot be
    /// used, or when a preset lacks a flag.
    pub(super) fn plan(
        &self,
        amount: &Amount,
        warm_up: Duration,
        timeout: Duration,
    ) -> Result<Plan, Misuse> {
        let (users, spawn_rate) = (amount.users, amount.spawn_rate);
        let target = Target::Users { users, spawn_rate };
        let target = amount.rate.map_or(target, Target::Rate);
        let stages = match (&self.shape, self.preset) {
            (Some(path), _) => read_shape(path)?,
            (None, None | Some(Preset::Capacity)) => Vec::new(),
            (None, Some(preset)) => {
                let (name, what) = (preset.name(), "--run-time, the time of all its stages");
                let missing = || Misuse(format!("--preset {name} needs {what}"));
                preset.stages(target, amount.run_time.ok_or_else(missing)?)
            }
        };
        let table = LoadTable {
            name: String::new(),
            kinds: Vec::new(),
            target: stages.first().map_or(target, |stage| stage.target),
            stages,
            is_poisson: self.arrivals.as_deref() == Some("poisson"),
            max_in_flight: self.max_in_flight,
            think_time: self.think_time,
            pace: self.pace,
        };
        let frame = Plan {
            users: 0,
            spawn_rate,
            run_time: amount.run_time,
            warm_up,
            timeout,
            model: Model::Closed(Pause::None),
            stages: Vec::new(),
            search: None,
            loads: Vec::new(),
            share: self.segment.unwrap_or(Share::WHOLE),
        };
        let search = self.search(amount, warm_up)?;
        Ok(self.of_table(&frame, &table).searching(search))
    }

    /// Returns the search of `--preset capacity`.
    fn search(&self, amount: &Amount, warm_up: Duration) -> Result<Option<Search>, Misuse> {
        if self.preset != Some(Preset::Capacity) {
            return Ok(None);
        }
        if self.segment.is_some_and(|segment| !segment.is_whole()) {
            let reason = "a search uses the measurements of one client; leave --segment out";
            return Err(Misuse(format!(
                "--segment with --preset capacity: {reason}"
            )));
        }
        let missing = |what: &str| Misuse(format!("--preset capacity needs {what}"));
        let highest = amount.rate;
        let highest = highest.ok_or_else(|| missing("--rate, the highest rate to try"))?;
        let run_time = amount.run_time;
        let run_time = run_time.ok_or_else(|| missing("--run-time, the time of all its probes"))?;
        if self.until.is_empty() {
            return Err(missing("--until, a threshold that a rate must hold"));
        }
        let cycle = run_time.saturating_sub(warm_up) / PROBES;
        Ok(Some(Search { highest, cycle }))
    }

    /// Returns the plan of several loads at once, one for each table. `kinds` are the names of all kinds of request. A
    /// load without stages goes on for the run time of the frame. Fails when the warm-up leaves nothing of a load.
    pub(super) fn of_tables(
        &self,
        frame: Plan,
        tables: Vec<LoadTable>,
        kinds: &[String],
    ) -> Result<Plan, PlanError> {
        let load = |table: LoadTable| {
            let numbered = (0_u16..).zip(kinds);
            let own = numbered.filter(|(_, name)| table.kinds.contains(name));
            Ok(Load {
                kinds: own.map(|(number, _)| number).collect(),
                plan: self.of_table(&frame, &table).validated()?,
                name: table.name,
            })
        };
        let loads: Vec<Load> = tables.into_iter().map(load).collect::<Result<_, _>>()?;
        let ends: Option<Vec<Duration>> = loads.iter().map(|load| load.plan.run_time).collect();
        let is_open = |load: &&Load| matches!(load.plan.model, Model::Open(_));
        let open = loads.iter().find(is_open).or(loads.first());
        Ok(Plan {
            users: 0,
            run_time: ends.and_then(|ends| ends.into_iter().max()),
            model: open.map_or(frame.model, |load| load.plan.model.clone()),
            loads,
            ..frame
        })
    }

    /// Returns the plan of one load. The frame has the values that the table lacks.
    fn of_table(&self, frame: &Plan, table: &LoadTable) -> Plan {
        let seed = self.seed();
        let stages = &table.stages;
        let (users, spawn_rate, rate) = match table.target {
            _ if !stages.is_empty() => (0, frame.spawn_rate, 0.0),
            Target::Users { users, spawn_rate } => (users, spawn_rate, 0.0),
            Target::Rate(rate) => (0, frame.spawn_rate, rate),
        };
        let whole: Duration = stages.iter().map(|stage| stage.duration).sum();
        let model = if table.is_open() {
            Model::Open(OpenLoop {
                rate,
                arrivals: match table.is_poisson {
                    true => Arrivals::Poisson { seed },
                    false => Arrivals::Constant,
                },
                max_in_flight: table.max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT) as usize,
            })
        } else {
            Model::Closed(match (table.think_time, table.pace) {
                (Some((least, most)), _) => Pause::Think { least, most, seed },
                (None, Some(pace)) => Pause::Pace(pace),
                (None, None) => Pause::None,
            })
        };
        Plan {
            users,
            spawn_rate,
            run_time: match stages.is_empty() {
                true => frame.run_time,
                false => Some(whole),
            },
            model,
            stages: stages.clone(),
            ..frame.clone()
        }
    }

    /// Checks that each flag fits the plan's load. clap cannot check this, because a file may decide the kind of load.
    /// `more` are further flags of a run with one load, and whether they are given.
    pub(super) fn check(&self, plan: &Plan, more: &[(&'static str, bool)]) -> Result<(), Misuse> {
        let has_one = plan.loads.is_empty();
        let is_open = has_one && matches!(plan.model, Model::Open(_));
        let is_closed = has_one && !is_open;
        let has_stages = !plan.stages.is_empty() || self.preset.is_some();
        let one = "a run with one load; here the [[load]] tables of --scenario set the load: leave the flag out";
        let (open, closed) = match has_one {
            true => (
                "an open loop: --rate, or a --shape with rates",
                "a closed loop: --users, or a --shape with users",
            ),
            false => (one, one),
        };
        let staged = "a run with stages: --preset or --shape";
        let own = [
            ("--rate", self.rate.is_some(), has_one, one),
            ("--shape", self.shape.is_some(), has_one, one),
            ("--preset", self.preset.is_some(), has_one, one),
            ("--arrivals", self.arrivals.is_some(), is_open, open),
            (
                "--max-in-flight",
                self.max_in_flight.is_some(),
                is_open,
                open,
            ),
            ("--think-time", self.think_time.is_some(), is_closed, closed),
            ("--pace", self.pace.is_some(), is_closed, closed),
            ("--until", !self.until.is_empty(), has_stages, staged),
        ];
        let more = more
            .iter()
            .map(|(flag, is_given)| (*flag, *is_given, has_one, one));
        let mut wrong = more
            .chain(own)
            .filter(|(_, is_given, fits, _)| *is_given && !fits);
        let refused = |(flag, _, _, of)| Err(Misuse(format!("{flag} is for {of}")));
        wrong.next().map_or(Ok(()), refused)
    }

    /// Returns the seed, or its default.
    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or(DEFAULT_SEED)
    }
}

fn read_shape(path: &Path) -> Result<Vec<Stage>, Misuse> {
    let wrong = |cause: String| Misuse(format!("--shape {}: {cause}", path.display()));
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
        let prepared = arguments.prepared("id".to_owned());
        Ok(prepared.map_err(|error| error.to_string())?.0)
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
            (
                "--arrivals poisson --body-lines no/such",
                "--arrivals is for an open loop",
            ),
            (
                "--warm-up 2s -t 1s --body-lines no/such",
                "--warm-up 2s leaves nothing",
            ),
            ("--max-in-flight 5", "--max-in-flight is for an open loop"),
            ("--think-time 2s..1s", "--think-time"),
            ("--think-time 1s --pace 1s", "--pace"),
            ("--pace 0s", "--pace"),
            ("--segment 0/2", "--segment"),
            (
                "--preset capacity --rate 5/s -t 1m --until p95<1s --segment 1/2",
                "--segment with --preset capacity",
            ),
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
