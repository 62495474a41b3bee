//! The load of a subject. Pure.

use serde::Serialize;

/// The load of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Load {
    /// The requests.
    pub pressure: Pressure,
    /// Partitions of the request topic.
    pub partitions: i32,
    /// Instances of the subject, in one consumer group.
    pub instances: usize,
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pressure {
    /// A closed loop with this number of users, each with one request at a time.
    Users(u32),
    /// An open loop at half of the best throughput of the slowest subject with the same floor.
    HalfOfSlowest,
}

impl Load {
    /// A closed loop with one partition and one instance.
    #[must_use]
    pub fn users(users: u32) -> Self {
        Self::alone(Pressure::Users(users))
    }

    /// These requests with one partition and one instance.
    #[must_use]
    pub fn alone(pressure: Pressure) -> Self {
        Self {
            pressure,
            partitions: 1,
            instances: 1,
        }
    }

    /// In words.
    #[must_use]
    pub fn name(self) -> String {
        let pressure = match self.pressure {
            Pressure::Users(1) => "1 user".to_owned(),
            Pressure::Users(count) => format!("{count} users"),
            Pressure::HalfOfSlowest => "open loop at half of the slowest's rate".to_owned(),
        };
        match (self.partitions, self.instances) {
            (1, 1) => pressure,
            (partitions, 1) => format!("{pressure}, {partitions} partitions"),
            (partitions, instances) => {
                format!("{pressure}, {partitions} partitions, {instances} instances")
            }
        }
    }
}
