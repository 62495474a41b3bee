//! The two commands. `run` answers whether its exit code is 0, `compare` the code itself.

mod compare;
mod compare_files;
mod run;

pub(crate) use compare::compare;
pub(crate) use run::run;

use compare_files::GivenTwice;
use load_client::plan::PlanError;
use load_client::transport::kafka::KafkaTransportError;

/// Whether the command line is at fault, rather than the world.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    let by_setting = error.downcast_ref::<KafkaTransportError>();
    error.is::<PlanError>()
        || error.is::<GivenTwice>()
        || by_setting.is_some_and(KafkaTransportError::is_usage)
}
