//! The two commands. Each answers its exit code.

mod beside;
mod compare;
mod compare_files;
mod cpu;
mod exit;
mod files;
mod outputs;
mod report;
mod run;
mod session;
mod signals;
mod stillness;
mod text;
mod watch;
mod web;

pub(crate) use compare::compare;
pub(crate) use run::run;

use crate::export::Collision;
use crate::plan::PlanError;
use crate::transport::kafka::KafkaTransportError;
use compare_files::GivenTwice;

use crate::args::{NotAllowed, OutputError, ServiceError};

/// Whether the command line is at fault, rather than the world.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    let by_setting = error.downcast_ref::<KafkaTransportError>();
    error.is::<PlanError>()
        || error.is::<GivenTwice>()
        || error.is::<Collision>()
        || error.is::<ServiceError>()
        || error.is::<OutputError>()
        || error.is::<NotAllowed>()
        || by_setting.is_some_and(KafkaTransportError::is_usage)
}
