//! The two commands. Each answers its exit code.

mod compare;
mod compare_files;
mod run;
mod web;

pub(crate) use compare::compare;
pub(crate) use run::run;

use crate::load::plan::PlanError;
use crate::report::Collision;
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
