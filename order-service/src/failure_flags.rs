//! The flags that say what becomes of requests that fail on the service's side.

use std::time::Duration;

use clap::{Args, ValueEnum};
use kafka_bridge::{FailurePolicy, Retry};

use crate::parse;

/// What `--on-failure` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnFailure {
    /// The failure is the answer
    Reply,
    /// The request is made again; what fails to the end goes to --dead-letter-topic
    Retry,
}

/// What becomes of requests that fail on the service's side.
#[derive(Clone, Copy, Debug, Args)]
pub struct FailureFlags {
    /// What becomes of a request that fails with a status of 500 and above
    #[arg(
        long,
        env = "ORDER_SERVICE_ON_FAILURE",
        default_value = "reply",
        value_enum,
        value_name = "POLICY"
    )]
    pub on_failure: OnFailure,

    /// How often a request is made in all, with --on-failure retry
    #[arg(long, env = "ORDER_SERVICE_MAX_ATTEMPTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_attempts: u32,

    /// How long to wait before the second attempt; the waits double from there
    #[arg(long, env = "ORDER_SERVICE_RETRY_BACKOFF", default_value = "100ms", value_parser = parse::duration, value_name = "TIME")]
    pub retry_backoff: Duration,

    /// The longest wait between two attempts
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
