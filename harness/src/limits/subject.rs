//! The subjects that answer the load: the bare loops, the bridge without work, the service with its store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

use super::place::Place;
use crate::service::{Service, ServiceOptions};
use crate::stack::Stack;
use crate::system::{Probe, Start, System};
use crate::{hand_over, programs};

/// More than any load has in flight, so that this limit slows no subject.
pub(super) const MAX_IN_FLIGHT: usize = 16_384;

/// A subject of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Bare rdkafka loop, one record at a time: the floor of the serial subjects
    EchoSerial,
    /// Bare rdkafka loop that does not wait for delivery reports: the floor of all others
    EchoPipelined,
    /// The bridge with an empty handler, one record at a time
    BridgeSerial,
    /// The same, one task per record
    BridgeTasks,
    /// The same, in order per key
    BridgeKeyed,
    /// order-service with its store, one record at a time
    OrdersSerial,
    /// The same, one task per record
    OrdersTasks,
    /// The same, in order per key
    OrdersKeyed,
    /// Bare loop in Go over franz-go, like echo-pipelined; needs Go
    FranzGo,
}

impl Subject {
    /// All of them, floors first.
    pub const ALL: [Self; 9] = [
        Self::EchoSerial,
        Self::EchoPipelined,
        Self::BridgeSerial,
        Self::BridgeTasks,
        Self::BridgeKeyed,
        Self::OrdersSerial,
        Self::OrdersTasks,
        Self::OrdersKeyed,
        Self::FranzGo,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EchoSerial => "echo-serial",
            Self::EchoPipelined => "echo-pipelined",
            Self::BridgeSerial => "bridge-serial",
            Self::BridgeTasks => "bridge-tasks",
            Self::BridgeKeyed => "bridge-keyed",
            Self::OrdersSerial => "orders-serial",
            Self::OrdersTasks => "orders-tasks",
            Self::OrdersKeyed => "orders-keyed",
            Self::FranzGo => "franz-go",
        }
    }

    /// The bare loop that does the same work in the same order. A floor is its own floor.
    #[must_use]
    pub fn floor(self) -> Self {
        match self {
            Self::EchoSerial | Self::BridgeSerial | Self::OrdersSerial => Self::EchoSerial,
            _ => Self::EchoPipelined,
        }
    }

    /// The flags of the subject's mode.
    fn way(self) -> &'static [&'static str] {
        match self {
            Self::FranzGo => &[],
            Self::EchoSerial => &["--mode", "serial"],
            Self::EchoPipelined => &["--mode", "pipelined"],
            Self::BridgeSerial | Self::OrdersSerial => &["--dispatch", "serial"],
            Self::BridgeTasks | Self::OrdersTasks => &["--dispatch", "tasks"],
            Self::BridgeKeyed | Self::OrdersKeyed => &["--dispatch", "keyed"],
        }
    }
}

/// The executables of all subjects.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) echo: PathBuf,
    pub(super) no_op: PathBuf,
    /// `None` if it is not built, for example without Go.
    pub(super) franz_go: Option<PathBuf>,
    pub(super) order_service: Option<PathBuf>,
    pub(super) load_client: PathBuf,
}

impl Programs {
    /// Looks for all of them, so that a missing one is an error before anything starts.
    pub(super) fn find(
        only: &[Subject],
        order_service: Option<&Path>,
        load_client: Option<&Path>,
    ) -> Result<Self> {
        programs::own("order-service", "--order-service", order_service)?;
        let franz_go = programs::example("franz_go");
        if only.contains(&Subject::FranzGo)
            && let Err(missing) = franz_go
        {
            return Err(missing.context(
                "franz-go is a Go program: install Go and run `make limits`, which builds it",
            ));
        }
        Ok(Self {
            echo: programs::example("echo")?,
            no_op: programs::example("no_op")?,
            franz_go: franz_go.ok(),
            order_service: order_service.map(Path::to_owned),
            load_client: programs::own("load-client", "--load-client", load_client)?,
        })
    }
}

/// Starts a subject, but does not wait. `work` is how long the bridge's handler takes.
pub(super) fn spawn(
    subject: Subject,
    stack: &Stack,
    place: &Place,
    programs: &Programs,
    work: Duration,
) -> Result<System> {
    let own = |flags: &[&str]| flags.iter().map(|&flag| flag.to_owned()).collect();
    let bound = MAX_IN_FLIGHT.to_string();
    let mut flags: Vec<String> = own(subject.way());
    let (name, program) = match subject {
        Subject::EchoSerial | Subject::EchoPipelined => ("echo", &programs.echo),
        Subject::FranzGo => {
            let program = programs.franz_go.as_ref();
            (
                "franz_go",
                program.context("the example franz_go is not built")?,
            )
        }
        Subject::BridgeSerial | Subject::BridgeTasks | Subject::BridgeKeyed => {
            let work = work.as_millis().to_string();
            flags.extend::<Vec<_>>(own(&["--max-in-flight", &bound, "--work", &work]));
            ("no_op", &programs.no_op)
        }
        Subject::OrdersSerial | Subject::OrdersTasks | Subject::OrdersKeyed => {
            flags.extend::<Vec<_>>(own(&["--max-in-flight", &bound]));
            let options = ServiceOptions {
                program: programs.order_service.clone(),
                group_id: Some(place.group.clone()),
                topic_prefix: place.prefix.clone(),
                arguments: flags,
                log: Some(place.log("order-service")),
                ..ServiceOptions::default()
            };
            return Ok(Service::spawn(stack, &options)?.into_system());
        }
    };
    let (properties, variables) =
        hand_over::properties(&stack.client_properties(), "LIMITS_PROPERTIES");
    let (group, topic) = (place.group.as_str(), place.topic());
    flags.extend::<Vec<_>>(own(&["--kafka", stack.kafka_url(), "--group-id", group]));
    flags.extend::<Vec<_>>(own(&["--topic", &topic]));
    flags.extend(properties);
    System::spawn(Start {
        name,
        program,
        arguments: &flags,
        variables,
        folder: None,
        log: &place.log(name),
        probe: Probe::Line("ready".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_has_a_floor_that_is_its_own() {
        for subject in Subject::ALL {
            let floor = subject.floor();
            assert_eq!(floor.floor(), floor);
            assert!(floor.name().starts_with("echo-"), "{}", floor.name());
            let serial = subject.name().ends_with("serial");
            assert_eq!(serial, floor == Subject::EchoSerial, "{}", subject.name());
        }
    }
}
