//! Reads the budgets, and reports costs that exceed them. Pure.

pub(crate) mod table;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The measured cost of a record.
pub(crate) struct Cost {
    pub(crate) allocations: f64,
    /// `None` if they cannot be counted.
    pub(crate) instructions: Option<f64>,
}

/// The allowed cost of a record, by row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budgets {
    slack: Slack,
    rows: BTreeMap<String, Budget>,
}

/// How far a cost may exceed its budget.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slack {
    /// Allocations per record.
    allocations: f64,
    /// Share of the budget, in per cent.
    instructions_percent: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    allocations: f64,
    instructions: f64,
}

impl Budgets {
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).context("budget.toml")
    }

    /// Fails unless each row has a budget, and each budget a row.
    pub(crate) fn check_names<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> anyhow::Result<()> {
        let names: Vec<_> = names.collect();
        for name in &names {
            ensure!(
                self.rows.contains_key(*name),
                "budget.toml has no budget for `{name}`"
            );
        }
        for name in self.rows.keys() {
            ensure!(
                names.contains(&name.as_str()),
                "budget.toml has a budget for `{name}`, which is not a row"
            );
        }
        Ok(())
    }

    pub(crate) fn line(&self, name: &str, cost: &Cost) -> String {
        let Budget {
            allocations,
            instructions,
        } = &self.rows[name];
        let counted = cost
            .instructions
            .map_or("-".to_owned(), |count| format!("{count:.0}"));
        format!(
            "{name:<26}{:>14.2}{allocations:>9}{counted:>14}{instructions:>9}",
            cost.allocations
        )
    }

    /// Returns a message for each exceeded budget.
    pub(crate) fn failures(&self, name: &str, cost: &Cost) -> Vec<String> {
        let Budget {
            allocations,
            instructions,
        } = &self.rows[name];
        let most = allocations + self.slack.allocations;
        let mut failures = Vec::new();
        if cost.allocations > most {
            failures.push(failure(
                name,
                "allocations",
                cost.allocations,
                *allocations,
                most,
            ));
        }
        let most = instructions * (1.0 + self.slack.instructions_percent / 100.0);
        if let Some(count) = cost.instructions.filter(|count| *count > most) {
            failures.push(failure(name, "instructions", count, *instructions, most));
        }
        failures
    }
}

fn failure(name: &str, what: &str, measured: f64, budget: f64, most: f64) -> String {
    format!(
        "over budget: a record of row `{name}` costs {measured:.2} {what}, the budget is {budget} \
         (with slack {most:.2}); make it cheaper, or raise the budget in \
         kafka-bridge/benches/budget.toml and say why"
    )
}
