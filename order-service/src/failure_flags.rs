//! The flags for requests that fail on the service's side.

use std::time::Duration;

use clap::{Args, ValueEnum};
use kafka_bridge::{FailurePolicy, Retry};

use crate::parse;

/// The values of `--on-failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnFailure {
    /// Send the failure as the reply
    Reply,
    /// Try again; after the last attempt the record goes to --dead-letter-topic
    Retry,
}

/// What happens to requests that fail on the service's side.
#[derive(Clone, Copy, Debug, Args)]
pub struct FailureFlags {
    /// What to do with a request that fails with a status of 500 or above
    #[arg(
        long,
        env = "ORDER_SERVICE_ON_FAILURE",
        default_value = "reply",
        value_enum,
        value_name = "POLICY"
    )]
    pub on_failure: OnFailure,

    /// With --on-failure retry: most attempts of a request, the first one included
    #[arg(long, env = "ORDER_SERVICE_MAX_ATTEMPTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_attempts: u32,

    /// With --on-failure retry: wait before the second attempt; each further wait doubles
    #[arg(long, env = "ORDER_SERVICE_RETRY_BACKOFF", default_value = "100ms", value_parser = parse::duration, value_name = "TIME")]
    pub retry_backoff: Duration,

    /// With --on-failure retry: longest wait between two attempts
    #[arg(long, env = "ORDER_SERVICE_MAX_RETRY_BACKOFF", default_value = "5s", value_parser = parse::duration, value_name = "TIME")]
    pub max_retry_backoff: Duration,
}

impl FailureFlags {
    /// Returns the policy that the flags ask for.
    #[must_use]
    pub fn policy(&self) -> FailurePolicy {
        match self.on_failure {
            OnFailure::Reply => FailurePolicy::Reply,
            OnFailure::Retry => FailurePolicy::Retry(Retry {
                max_attempts: self.max_attempts,
                first_backoff: self.retry_backoff,
                max_backoff: self.max_retry_backoff,
            }),
        }
    }
}
