//! The command line: flags, variables, and the errors of a wrong use.

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
  order-service --http 127.0.0.1:8000 --log-format json --store-timeout 500ms
  order-service --profile nest,spring --reply-topics 'replies.*'
  order-service --on-failure retry --max-attempts 8 \\
    --dead-letter-topic orders.dlq
  order-service -X session.timeout.ms=6000 -X group.instance.id=orders-1
  order-service asyncapi --topic-prefix shop.

Each flag has a variable. The command line wins over variables.

SIGTERM, Ctrl-C or SIGHUP (not under nohup) stops the service: it finishes the
records in flight and commits. A second signal stops it at once.

Exit codes:
  0  stopped as asked
  1  failed
  2  the command line is wrong";

/// The feature `tasks` changes the default.
const DEFAULT_DISPATCH: Dispatch = if cfg!(feature = "tasks") {
    Dispatch::Tasks
} else {
    Dispatch::Serial
};

/// Flags whose value on the command line replaces the variable's, because one value is a whole list.
const LISTS: [&str; 2] = ["reply_topics", "profile"];

/// Creates, reads, updates and cancels orders over Kafka.
///
/// A record on the topic `createOrder` creates an order. The reply goes to the topic in the record's header `reply-to`.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_override_self = true)]
pub struct Cli {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Kafka brokers: `kafka://host:port`, or several, comma separated
    ///
    /// TLS: `kafka+ssl://host:port`. Password: `kafka+sasl://user:password@host:port`, in the variable or the file,
    /// because other users of the machine can read a command line.
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

    /// File with the URL of the brokers
    ///
    /// For example `kafka+sasl://user:password@host:port?mechanism=PLAIN&ca=ca.pem`.
    #[arg(
        long,
        env = "ORDER_SERVICE_KAFKA_FILE",
        conflicts_with = "kafka",
        value_name = "FILE"
    )]
    pub kafka_file: Option<PathBuf>,

    /// Store: a Kvrocks, Redis or Valkey server
    ///
    /// TLS: `rediss://host:port`. Give a URL with a password in the variable or the file. A cluster of several shards
    /// is refused. The store's user needs EVAL, GET and SET on `order:*`. With JSON documents, the user also needs DEL,
    /// EXISTS, JSON.GET, JSON.SET and RENAME.
    #[arg(
        long,
        env = "ORDER_SERVICE_STORE",
        hide_env_values = true,
        default_value = "redis://localhost:6666",
        value_name = "URL"
    )]
    pub store: String,

    /// File with the URL of the store, such as `rediss://user:password@host:port`
    #[arg(
        long,
        env = "ORDER_SERVICE_STORE_FILE",
        conflicts_with = "store",
        value_name = "FILE"
    )]
    pub store_file: Option<PathBuf>,

    /// How long a command to the store may take; then the request gets 503
    ///
    /// Half of the time is for the first try, the rest for a second one. Set it below --request-timeout.
    #[arg(long, env = "ORDER_SERVICE_STORE_TIMEOUT", default_value = "2s", value_parser = parse::duration, value_name = "TIME")]
    pub store_timeout: Duration,

    /// How records are handled: one at a time, or in concurrent tasks
    ///
    /// serial: one record at a time. tasks: one task per record, in no order. keyed: records with the same key keep
    /// their order. partition: records of the same partition keep their order.
    #[arg(long, env = "ORDER_SERVICE_DISPATCH", default_value_t = DEFAULT_DISPATCH, value_parser = parse::dispatch(), value_name = "MODE")]
    pub dispatch: Dispatch,

    /// Most records in flight; at this limit the service takes no further record
    #[arg(long, env = "ORDER_SERVICE_MAX_IN_FLIGHT", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_in_flight: u32,

    /// Largest request, in bytes; a larger one gets 413
    #[arg(long, env = "ORDER_SERVICE_MAX_REQUEST_BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "BYTES")]
    pub max_request_bytes: u32,

    /// Consumer group
    #[arg(
        long,
        global = true,
        env = "ORDER_SERVICE_GROUP_ID",
        default_value = "order-service",
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub group_id: String,

    /// Prefix of all request topics, such as `shop.` for `shop.createOrder`
    #[arg(
        long,
        global = true,
        env = "ORDER_SERVICE_TOPIC_PREFIX",
        default_value = "",
        value_parser = parse::topic_prefix,
        value_name = "PREFIX"
    )]
    pub topic_prefix: String,

    /// Serve orders over HTTP too, at this address, such as 127.0.0.1:8000
    ///
    /// The service closes a connection that sends no request for 30 s.
    #[arg(long, env = "ORDER_SERVICE_HTTP", value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,

    /// Serve /metrics, /healthz and /readyz at this address, such as 127.0.0.1:9464
    #[arg(long, env = "ORDER_SERVICE_ADMIN", value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,

    /// Topics that may get replies, comma separated; a `*` at the end allows a prefix
    ///
    /// By default these are `<topic>.reply`, `<topic>.reply.*` and those of the profiles. While a topic with an exact
    /// name is missing or refuses replies, its replies wait.
    #[arg(
        long,
        env = "ORDER_SERVICE_REPLY_TOPICS",
        value_delimiter = ',',
        value_parser = parse::topic_pattern,
        value_name = "TOPICS"
    )]
    pub reply_topics: Option<Vec<String>>,

    /// Topic for records that the service cannot answer [default: count and log them]
    ///
    /// Records that --without-reply-to skips go there too. /readyz is red until the topic exists.
    #[arg(long, env = "ORDER_SERVICE_DEAD_LETTER_TOPIC", value_parser = parse::topic, value_name = "TOPIC")]
    pub dead_letter_topic: Option<String>,

    /// What to do with a record without a reply-to header: skip it, or process it and drop the reply
    ///
    /// A skipped record goes to --dead-letter-topic if there is one.
    #[arg(long, env = "ORDER_SERVICE_WITHOUT_REPLY_TO", default_value = "skip", value_parser = parse::without_reply_to(), value_name = "skip|process")]
    pub without_reply_to: WithoutReplyTo,

    #[command(flatten)]
    #[allow(missing_docs, reason = "its flags are documented one by one")]
    pub failure: FailureFlags,

    /// Conventions of requesters to serve, comma separated, the preferred one first
    ///
    /// The reference is always served: as the last one, unless the list has it.
    #[arg(
        long,
        env = "ORDER_SERVICE_PROFILE",
        default_value = "reference",
        value_delimiter = ',',
        value_parser = parse::profile(),
        value_name = "NAMES"
    )]
    pub profile: Vec<ReplyProfile>,

    /// How long a record may be unfinished before /healthz turns red [default: 60s; longer with retries]
    ///
    /// The same limit holds for a partition, topic or group that is held up. It must be longer than all attempts of a
    /// record. The default is longer than these by --request-timeout, or by 30s if that is more.
    #[arg(long, env = "ORDER_SERVICE_STUCK_AFTER", value_parser = parse::duration, value_name = "TIME")]
    pub stuck_after: Option<Duration>,

    /// Send replies without the key of their request
    #[arg(long, env = "ORDER_SERVICE_NO_REPLY_KEY")]
    pub no_reply_key: bool,

    /// How long a request may take; then it gets 504
    #[arg(long, env = "ORDER_SERVICE_REQUEST_TIMEOUT", default_value = "30s", value_parser = parse::duration, value_name = "TIME")]
    pub request_timeout: Duration,

    /// Record header with the requester's own time limit, such as x-request-timeout-ms [default: ignored]
    ///
    /// The value is in milliseconds from the record's timestamp. A request past it gets 504 and does not run.
    #[arg(long, env = "ORDER_SERVICE_DEADLINE_HEADER", value_name = "NAME")]
    pub deadline_header: Option<HeaderName>,

    /// How long a stop waits for records in flight
    #[arg(long, env = "ORDER_SERVICE_DRAIN_TIMEOUT", default_value = "10s", value_parser = parse::duration, value_name = "TIME")]
    pub drain_timeout: Duration,

    /// How long a partition that moves to another instance waits for its records in flight
    ///
    /// During the wait the service takes no record of any partition. The other instance handles unfinished records
    /// again.
    #[arg(long, env = "ORDER_SERVICE_REVOKE_TIMEOUT", default_value = "3s", value_parser = parse::duration, value_name = "TIME")]
    pub revoke_timeout: Duration,

    /// librdkafka property for both clients; repeatable
    ///
    /// It wins over all other settings. The variable has one property a line. Give secrets there.
    #[arg(short = 'X', env = "ORDER_SERVICE_PROPERTIES", hide_env_values = true, value_delimiter = '\n', value_parser = Quietly(parse::property), value_name = "KEY=VALUE")]
    pub property: Vec<(String, String)>,

    /// Which log lines to write, such as info,kafka_bridge=debug
    #[arg(
        long,
        env = "ORDER_SERVICE_LOG",
        default_value = "info",
        value_parser = parse::log_filter,
        value_name = "FILTER"
    )]
    pub log: String,

    /// Format of the log
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
    /// Prints the interface over Kafka as an AsyncAPI 3 document
    Asyncapi,
    /// Prints the interface over HTTP as an OpenAPI document
    Openapi,
    /// Prints the script that completes commands and flags in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Writes the man pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
}

/// A wrong use that shows only when the bridge is built.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl Cli {
    /// Reads a command line, and the variables of its flags. The error of a wrong use is one line.
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
            let nowhere =
                "--on-failure retry needs --dead-letter-topic for records that keep failing";
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

    /// Returns the profiles to serve. The reference is always one of them: the last, unless the flag names it.
    #[must_use]
    pub fn profiles(&self) -> Vec<ReplyProfile> {
        let reference = ReplyProfile::reference();
        let typed = self.profile.iter().cloned();
        let missing = !self.profile.contains(&reference);
        typed.chain(missing.then_some(reference)).collect()
    }

    /// Returns what the service's description says about this deployment.
    ///
    /// # Errors
    ///
    /// Fails on a URL of the brokers that [`Cli::read`] refuses.
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
