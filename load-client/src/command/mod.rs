//! The two commands. Each answers whether its exit code is 0.

mod compare;
mod run;
mod web;

pub(crate) use compare::compare;
pub(crate) use run::run;

use load_client::plan::PlanError;
use load_client::transport::kafka::KafkaTransportError;

use crate::cli::NotAllowed;

/// Whether the command line is at fault, rather than the world.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    let by_setting = error.downcast_ref::<KafkaTransportError>();
    error.is::<PlanError>()
        || error.is::<NotAllowed>()
        || by_setting.is_some_and(KafkaTransportError::is_usage)
}
