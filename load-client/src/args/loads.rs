//! The plan of several loads at once, from the tables of a scenario.

use std::time::Duration;

use crate::args::load::{DEFAULT_MAX_IN_FLIGHT, LoadArguments};
use crate::load::Arrivals;
use crate::load::plan::{Load, Model, OpenLoop, Pause, Plan, PlanError, Target};
use crate::scenario::LoadTable;

impl LoadArguments {
    /// Checks that no flag speaks of a load, as the scenario has several. `more` are flags, and whether they are given.
    ///
    /// # Errors
    ///
    /// When one does.
    pub(crate) fn refuse_beside_loads(
        &self,
        more: &[(&'static str, bool)],
    ) -> Result<(), PlanError> {
        let own = [
            ("--rate", self.rate.is_some()),
            ("--arrivals", self.arrivals.is_some()),
            ("--max-in-flight", self.max_in_flight.is_some()),
            ("--think-time", self.think_time.is_some()),
            ("--pace", self.pace.is_some()),
            ("--shape", self.shape.is_some()),
            ("--preset", self.preset.is_some()),
        ];
        let mut given = more.iter().chain(&own).filter(|(_, is_given)| *is_given);
        let refused = |(flag, _): &(&'static str, bool)| Err(PlanError::BesideLoads { flag });
        given.next().map_or(Ok(()), refused)
    }

    /// The plan of several loads, each by its table; `kinds` are the names of all kinds of request. A load without
    /// stages goes on for the run time.
    ///
    /// # Errors
    ///
    /// When the warm-up takes all of a load's time.
    pub(crate) fn of_tables(
        &self,
        plan: Plan,
        tables: Vec<LoadTable>,
        kinds: &[String],
        run_time: Option<Duration>,
    ) -> Result<Plan, PlanError> {
        let numbered = || (0_u16..).zip(kinds);
        let loads = tables.into_iter().map(|table| {
            let is_own = |(_, name): &(u16, &String)| table.kinds.contains(name);
            let kinds = numbered()
                .filter(is_own)
                .map(|(number, _)| number)
                .collect();
            Ok(Load {
                kinds,
                plan: self.of_table(&plan, &table, run_time).validated()?,
                name: table.name,
            })
        });
        let loads = loads.collect::<Result<Vec<_>, PlanError>>()?;
        let ends = loads.iter().map(|load| load.plan.run_time);
        let is_open = |load: &&Load| matches!(load.plan.model, Model::Open(_));
        let open = loads.iter().find(is_open).or(loads.first());
        Ok(Plan {
            users: 0,
            run_time: ends
                .collect::<Option<Vec<_>>>()
                .and_then(|ends| ends.into_iter().max()),
            model: open.map_or(plan.model, |load| load.plan.model.clone()),
            loads,
            ..plan
        })
    }

    fn of_table(&self, plan: &Plan, table: &LoadTable, run_time: Option<Duration>) -> Plan {
        let seed = self.seed();
        let stages = table.stages.clone();
        let target = stages.is_empty().then_some(table.target);
        let whole = stages.iter().map(|stage| stage.duration).sum();
        let (users, spawn_rate) = match target {
            Some(Target::Users { users, spawn_rate }) => (users, spawn_rate),
            _ => (0, plan.spawn_rate),
        };
        let model = if table.is_open() {
            Model::Open(OpenLoop {
                rate: match target {
                    Some(Target::Rate(rate)) => rate,
                    _ => 0.0,
                },
                arrivals: match table.is_poisson {
                    true => Arrivals::Poisson { seed },
                    false => Arrivals::Constant,
                },
                max_in_flight: table.max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT) as usize,
            })
        } else {
            Model::Closed(pause(table.think_time, table.pace, seed))
        };
        Plan {
            users,
            spawn_rate,
            run_time: if stages.is_empty() {
                run_time
            } else {
                Some(whole)
            },
            model,
            stages,
            ..plan.clone()
        }
    }
}

/// What a user does between a reply and its next request.
pub(super) fn pause(
    think_time: Option<(Duration, Duration)>,
    pace: Option<Duration>,
    seed: u64,
) -> Pause {
    match (think_time, pace) {
        (Some((least, most)), _) => Pause::Think { least, most, seed },
        (None, Some(pace)) => Pause::Pace(pace),
        (None, None) => Pause::None,
    }
}
