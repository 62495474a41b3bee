//! Ready-made shapes, built from a target and a run time.

use std::time::Duration;

use super::{Stage, Target};

/// A shape with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    /// Ramps up for a tenth of the run time, holds, ramps down for a tenth.
    Load,
    /// Ramps up for a twentieth, then holds: for a drift over hours.
    Soak,
    /// Ten steps of equal length, each a tenth of the target more: for the step that breaks.
    Stress,
    /// A tenth of the target for two fifths of the run time, the target for one, a tenth for the last
    /// two: for the time to recover.
    Spike,
}

/// The stage of [`Preset::Spike`] that is the spike; also the name that a shape file gives it.
pub(crate) const SPIKE: &str = "spike";

impl Preset {
    /// The preset of this name.
    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [Self::Load, Self::Soak, Self::Stress, Self::Spike];
        all.into_iter().find(|preset| preset.name() == name)
    }

    /// Its name.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Soak => "soak",
            Self::Stress => "stress",
            Self::Spike => SPIKE,
        }
    }

    /// Its stages.
    #[must_use]
    pub(crate) fn stages(self, target: Target, run_time: Duration) -> Vec<Stage> {
        let part = |twentieths: u32| run_time * twentieths / 20;
        let stage = |name: &str, twentieths, tenths, ramp| Stage {
            name: name.to_owned(),
            duration: part(twentieths),
            target: scaled(target, tenths),
            ramp,
        };
        match self {
            Self::Load => vec![
                stage("ramp up", 2, 10, true),
                stage("hold", 16, 10, false),
                stage("ramp down", 2, 0, true),
            ],
            Self::Soak => vec![stage("ramp up", 1, 10, true), stage("hold", 19, 10, false)],
            Self::Stress => (1..=10)
                .map(|step| stage(&format!("step {step}"), 2, step, false))
                .collect(),
            Self::Spike => vec![
                stage("base", 8, 1, false),
                stage(SPIKE, 4, 10, false),
                stage("recovery", 8, 1, false),
            ],
        }
    }
}

/// So many tenths of a target; of users at least one, unless none are wanted.
fn scaled(target: Target, tenths: u32) -> Target {
    match target {
        Target::Rate(rate) => Target::Rate(rate * f64::from(tenths) / 10.0),
        Target::Users { users, spawn_rate } => Target::Users {
            users: u32::try_from((u64::from(users) * u64::from(tenths)).div_ceil(10))
                .unwrap_or(u32::MAX),
            spawn_rate,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_fill_the_run_time() {
        for preset in [Preset::Load, Preset::Soak, Preset::Stress, Preset::Spike] {
            let stages = preset.stages(Target::Rate(100.0), Duration::from_secs(100));
            let total: Duration = stages.iter().map(|stage| stage.duration).sum();
            assert_eq!(total, Duration::from_secs(100), "{}", preset.name());
            assert_eq!(Preset::named(preset.name()), Some(preset));
            let most = stages.iter().map(|stage| match stage.target {
                Target::Rate(rate) => rate,
                Target::Users { .. } => 0.0,
            });
            assert_eq!(most.fold(0.0, f64::max), 100.0);
        }
    }

    #[test]
    fn a_tenth_of_few_users_is_one() {
        let target = Target::Users {
            users: 4,
            spawn_rate: 1.0,
        };
        let users: Vec<_> = Preset::Spike
            .stages(target, Duration::from_secs(10))
            .iter()
            .map(|stage| stage.target.to_string())
            .collect();
        assert_eq!(users, ["1 user(s)", "4 user(s)", "1 user(s)"]);
    }
}
