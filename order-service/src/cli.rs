//! The command line: what may be typed, and what a wrong use is told.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use flags_and_variables::{Origins, Quietly};
use kafka_bridge::{Dispatch, ReplyProfile, WithoutReplyTo};
use kafka_cluster_url::{ClusterUrl, UrlError};
use program_shell::manual::Shell;

use crate::asyncapi::Deployment;
use crate::failure_flags::{FailureFlags, OnFailure};
use crate::parse;
use crate::secrets::{self, Secret};
use crate::telemetry::LogFormat;

const EXAMPLES: &str = "\
Examples:
  order-service --kafka kafka://localhost:9092 --store redis://localhost:6666
  order-service --dispatch tasks --max-in-flight 256 --admin 127.0.0.1:9464
  order-service --http 127.0.0.1:8000          # the same application over HTTP, too
  order-service --log-format json --store-timeout 500ms
  order-service asyncapi --topic-prefix shop.  # describes the topics, starts nothing
  order-service --profile nest,spring --reply-topics 'replies.*'   # other requesters, too
  order-service --on-failure retry --max-attempts 8 --dead-letter-topic orders.dlq
  order-service -X session.timeout.ms=6000 -X group.instance.id=orders-1

Stops in order on SIGTERM, Ctrl-C and SIGHUP (not under nohup), and at once on a second one.

Exit codes: 0 stopped as asked, 1 failed, 2 wrong arguments.";

/// What the feature `tasks` changes: a build that does not say how it handles records.
const DEFAULT_DISPATCH: Dispatch = if cfg!(feature = "tasks") {
    Dispatch::Tasks
} else {
    Dispatch::Serial
};

/// The flags of which one value is a whole list: the command line's replaces the variable's.
const LISTS: [&str; 2] = ["reply_topics", "profile"];

/// Creates, reads, updates and cancels orders, served from Kafka: a record on `createOrder` is
/// answered on the topic that its `reply-to` header names.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_override_self = true)]
pub struct Cli {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The Kafka brokers, `kafka://host:port[,host:port]`, `kafka+ssl://...` or `kafka+sasl://...`; give a URL
    /// with a password by the variable or the file
    #[arg(
        long,
        global = true,
        env = "ORDER_SERVICE_KAFKA",
        hide_env_values = true,
        default_value = "kafka://localhost:9092",
        value_parser = Quietly(secrets::kafka_url),
        value_name = "URL"
    )]
    pub kafka: Secret,

    /// A file with that URL, such as `kafka+sasl://user:password@host:port?mechanism=PLAIN&ca=ca.pem`
    #[arg(
        long,
        env = "ORDER_SERVICE_KAFKA_FILE",
        conflicts_with = "kafka",
        value_name = "FILE"
    )]
    pub kafka_file: Option<PathBuf>,

    /// The store: Kvrocks, Redis or Valkey, one server to its clients; `rediss://...` with TLS. Give a URL with a
    /// password by the variable. Its user may run EVAL, GET and SET on `order:*`, with JSON documents DEL, EXISTS,
    /// JSON.GET, JSON.SET and RENAME too
    #[arg(
        long,
        env = "ORDER_SERVICE_STORE",
        hide_env_values = true,
        default_value = "redis://localhost:6666",
        value_name = "URL"
    )]
    pub store: String,

    /// A file with that URL, such as `rediss://user:password@host:port`
    #[arg(
        long,
        env = "ORDER_SERVICE_STORE_FILE",
        conflicts_with = "store",
        value_name = "FILE"
    )]
    pub store_file: Option<PathBuf>,

    /// How long a command to the store may take. Half of it is for the first try, the rest for a second one; then the
    /// answer is 503. Choose it below --request-timeout
    #[arg(long, env = "ORDER_SERVICE_STORE_TIMEOUT", default_value = "2s", value_parser = parse::duration, value_name = "TIME")]
    pub store_timeout: Duration,

    /// How records are handled: one at a time, each in its own task, or in tasks that keep the
    /// order of a key (keyed) or of a partition (partition)
    #[arg(long, env = "ORDER_SERVICE_DISPATCH", default_value_t = DEFAULT_DISPATCH, value_parser = parse::dispatch(), value_name = "MODE")]
    pub dispatch: Dispatch,

    /// How many records may be in flight
    #[arg(long, env = "ORDER_SERVICE_MAX_IN_FLIGHT", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_in_flight: u32,

    /// How large a request may be, in bytes, before it is answered with 413
    #[arg(long, env = "ORDER_SERVICE_MAX_REQUEST_BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "BYTES")]
    pub max_request_bytes: u32,

    /// The consumer group
    #[arg(
        long,
        global = true,
        env = "ORDER_SERVICE_GROUP_ID",
        default_value = "order-service",
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub group_id: String,

    /// Put before the name of each topic that is served
    #[arg(
        long,
        global = true,
        env = "ORDER_SERVICE_TOPIC_PREFIX",
        default_value = "",
        value_parser = parse::topic_prefix,
        value_name = "PREFIX"
    )]
    pub topic_prefix: String,

    /// Serve the same application over HTTP as well; a connection that asks for nothing is closed after 30 s
    #[arg(long, env = "ORDER_SERVICE_HTTP", value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,

    /// Serve /metrics, /healthz and /readyz
    #[arg(long, env = "ORDER_SERVICE_ADMIN", value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,

    /// Topics that replies may go to, exact or ending in `*`; by default `<topic>.reply` and `<topic>.reply.*`.
    /// One that is named exactly is waited for when it is missing or takes nothing
    #[arg(
        long,
        env = "ORDER_SERVICE_REPLY_TOPICS",
        value_delimiter = ',',
        value_parser = parse::topic_pattern,
        value_name = "TOPICS"
    )]
    pub reply_topics: Option<Vec<String>>,

    /// Where records go that cannot be answered, also those that --without-reply-to skips; without it they are
    /// counted and logged. /readyz is red until it exists
    #[arg(long, env = "ORDER_SERVICE_DEAD_LETTER_TOPIC", value_parser = parse::topic, value_name = "TOPIC")]
    pub dead_letter_topic: Option<String>,

    /// What to do with a record that has no reply-to header: skip it (it goes to --dead-letter-topic if there is
    /// one), or process it and drop the answer
    #[arg(long, env = "ORDER_SERVICE_WITHOUT_REPLY_TO", default_value = "skip", value_parser = parse::without_reply_to(), value_name = "skip|process")]
    pub without_reply_to: WithoutReplyTo,

    #[command(flatten)]
    #[allow(missing_docs, reason = "its flags are documented one by one")]
    pub failure: FailureFlags,

    /// Which requesters are served beside the reference one, in order of preference
    #[arg(
        long,
        env = "ORDER_SERVICE_PROFILE",
        default_value = "reference",
        value_delimiter = ',',
        value_parser = parse::profile(),
        value_name = "NAMES"
    )]
    pub profile: Vec<ReplyProfile>,

    /// How long a record may be unfinished, or a partition unreadable, before /healthz turns red; above what all
    /// attempts may take, and by default longer than that by --request-timeout, or by 30s if that is more
    #[arg(long, env = "ORDER_SERVICE_STUCK_AFTER", value_parser = parse::duration, value_name = "TIME")]
    pub stuck_after: Option<Duration>,

    /// Send replies without their request's key
    #[arg(long, env = "ORDER_SERVICE_NO_REPLY_KEY")]
    pub no_reply_key: bool,

    /// How long a request may take before it is answered with 504
    #[arg(long, env = "ORDER_SERVICE_REQUEST_TIMEOUT", default_value = "30s", value_parser = parse::duration, value_name = "TIME")]
    pub request_timeout: Duration,

    /// The record header by which a requester tells, in milliseconds from the record's timestamp, how long it waits,
    /// such as x-request-timeout-ms; what is past it is answered with 504 and not run
    #[arg(long, env = "ORDER_SERVICE_DEADLINE_HEADER", value_name = "NAME")]
    pub deadline_header: Option<HeaderName>,

    /// How long a stop waits for requests in flight
    #[arg(long, env = "ORDER_SERVICE_DRAIN_TIMEOUT", default_value = "10s", value_parser = parse::duration, value_name = "TIME")]
    pub drain_timeout: Duration,

    /// How long a partition that goes to another instance waits for its requests in flight; meanwhile no request
    /// comes from any partition, and what is not finished is handled again there
    #[arg(long, env = "ORDER_SERVICE_REVOKE_TIMEOUT", default_value = "3s", value_parser = parse::duration, value_name = "TIME")]
    pub revoke_timeout: Duration,

    /// A librdkafka property for both clients, applied last; repeat for more (in the variable: one per line, the
    /// place for secrets; those of the command line come after them)
    #[arg(short = 'X', env = "ORDER_SERVICE_PROPERTIES", hide_env_values = true, value_delimiter = '\n', value_parser = Quietly(parse::property), value_name = "KEY=VALUE")]
    pub property: Vec<(String, String)>,

    /// What is logged, such as info,kafka_bridge=debug
    #[arg(
        long,
        env = "ORDER_SERVICE_LOG",
        default_value = "info",
        value_parser = parse::log_filter,
        value_name = "FILTER"
    )]
    pub log: String,

    /// How log lines are written: for people or as JSON
    #[arg(
        long,
        env = "ORDER_SERVICE_LOG_FORMAT",
        default_value = "text",
        value_enum,
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

/// What to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print what can be asked over Kafka, as an AsyncAPI 3 document
    Asyncapi,
    /// Print what can be asked over HTTP, as an OpenAPI document
    Openapi,
    /// Print the script that completes commands and flags in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
}

/// A wrong use that shows only when the parts are put together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl Cli {
    /// Reads a command line and the variables, which stand for flags; a wrong use is told in one line.
    ///
    /// # Errors
    ///
    /// Fails with clap's own error, also for `--help` and `--version`.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(Self, Origins), clap::Error> {
        let mut command = Self::command();
        let arguments = arguments.into_iter().collect();
        let given = flags_and_variables::read(command.clone(), arguments, &LISTS)?;
        let mut cli =
            Self::from_arg_matches(&given.matches).map_err(|error| error.format(&mut command))?;
        let mut wrong = |message: String| {
            command.error(ErrorKind::ValueValidation, given.origins.name(&message))
        };
        secrets::check(&given.typed).map_err(&mut wrong)?;
        if cli.failure.on_failure == OnFailure::Retry && cli.dead_letter_topic.is_none() {
            let nowhere = "--on-failure retry needs --dead-letter-topic for what keeps failing";
            return Err(wrong(nowhere.to_owned()));
        }
        if let Some(file) = &cli.kafka_file {
            let url = secrets::url_in("--kafka-file", file).map_err(&mut wrong)?;
            let named = |reason| format!("--kafka-file {}: {reason}", file.display());
            cli.kafka = secrets::kafka_url(&url)
                .map_err(named)
                .map_err(&mut wrong)?;
        }
        if let Some(file) = &cli.store_file {
            cli.store = secrets::url_in("--store-file", file).map_err(wrong)?;
        }
        Ok((cli, given.origins))
    }

    /// Returns the profiles to be served; the reference one is always among them, last unless it was
    /// given a place.
    #[must_use]
    pub fn profiles(&self) -> Vec<ReplyProfile> {
        let reference = ReplyProfile::reference();
        let typed = self.profile.iter().cloned();
        let missing = !self.profile.contains(&reference);
        typed.chain(missing.then_some(reference)).collect()
    }

    /// Returns what the service's description says of this deployment.
    ///
    /// # Errors
    ///
    /// Fails on a URL of the brokers that [`Cli::read`] would not have taken.
    pub fn deployment(&self) -> Result<Deployment, UrlError> {
        let kafka = ClusterUrl::parse(&self.kafka)?;
        Ok(Deployment::new(&kafka, &self.topic_prefix, &self.group_id))
    }
}

/// Names the flag behind a setting that the bridge refuses.
#[must_use]
pub fn explain(error: kafka_bridge::Error) -> anyhow::Error {
    let flag = match &error {
        kafka_bridge::Error::Url(_) | kafka_bridge::Error::WithoutTls(_) => "--kafka",
        kafka_bridge::Error::DeadLetterTopic(_) | kafka_bridge::Error::RetryWithoutDeadLetter => {
            "--dead-letter-topic"
        }
        kafka_bridge::Error::RevocationTimeout { .. } => "--revoke-timeout",
        kafka_bridge::Error::StuckAfter { .. } => "--stuck-after",
        kafka_bridge::Error::Backoff { .. } => "--retry-backoff and --max-retry-backoff",
        other if other.is_configuration() => "-X",
        _ => return anyhow::Error::new(error).context("--kafka"),
    };
    UsageError(format!("{flag}: {:#}", anyhow::Error::new(error))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_reference_is_served_whatever_else_is() {
        let names = |arguments: &[&str]| {
            let cli = Cli::parse_from([&["order-service"], arguments].concat());
            let names = cli.profiles().into_iter().map(|profile| profile.name);
            names.collect::<Vec<_>>().join(",")
        };
        assert_eq!(names(&[]), "reference");
        assert_eq!(
            names(&["--profile", "spring,nest"]),
            "spring,nest,reference"
        );
        assert_eq!(names(&["--profile", "reference,nest"]), "reference,nest");
    }
}
