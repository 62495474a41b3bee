//! The command line: what was typed, with value parsers that say what they take.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use clap::builder::TypedValueParser;
use kafka_bridge::{Dispatch, WithoutReplyTo};

const EXAMPLES: &str = "\
Examples:
  order-service --kafka kafka://localhost:9092 --store redis://localhost:6666
  order-service --dispatch tasks --max-in-flight 256 --admin 127.0.0.1:9464
  order-service --http 127.0.0.1:8000          # the same application over HTTP, too
  order-service -X session.timeout.ms=6000 -X group.instance.id=orders-1

Exit codes: 0 stopped as asked, 1 failed, 2 wrong arguments.";

/// Creates and reads orders, served from Kafka: a record on `createOrder` is answered on the
/// topic that its `reply-to` header names.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_override_self = true)]
pub struct Cli {
    /// The Kafka brokers, `kafka://host:port[,host:port]`
    #[arg(
        long,
        env = "ORDER_SERVICE_KAFKA",
        default_value = "kafka://localhost:9092",
        value_name = "URL"
    )]
    pub kafka: String,

    /// The store: Kvrocks, Redis or Valkey; give a URL with a password by the variable
    #[arg(
        long,
        env = "ORDER_SERVICE_STORE",
        hide_env_values = true,
        default_value = "redis://localhost:6666",
        value_name = "URL"
    )]
    pub store: String,

    /// How records are handled: one at a time, or each in its own task
    #[arg(long, env = "ORDER_SERVICE_DISPATCH", default_value_t, value_parser = dispatch(), value_name = "MODE")]
    pub dispatch: Dispatch,

    /// How many records may be in flight
    #[arg(long, env = "ORDER_SERVICE_MAX_IN_FLIGHT", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_in_flight: u32,

    /// The consumer group
    #[arg(
        long,
        env = "ORDER_SERVICE_GROUP_ID",
        default_value = "order-service",
        value_name = "NAME"
    )]
    pub group_id: String,

    /// Put before the name of each topic that is served
    #[arg(
        long,
        env = "ORDER_SERVICE_TOPIC_PREFIX",
        default_value = "",
        value_name = "PREFIX"
    )]
    pub topic_prefix: String,

    /// Serve the same application over HTTP as well
    #[arg(long, env = "ORDER_SERVICE_HTTP", value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,

    /// Serve /metrics, /healthz and /readyz
    #[arg(long, env = "ORDER_SERVICE_ADMIN", value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,

    /// Topics that replies may go to, exact or ending in `*`; by default `<topic>.reply` and `<topic>.reply.*`
    #[arg(
        long,
        env = "ORDER_SERVICE_REPLY_TOPICS",
        value_delimiter = ',',
        value_name = "TOPICS"
    )]
    pub reply_topics: Option<Vec<String>>,

    /// Where records go that cannot be answered; without it they are counted and logged
    #[arg(long, env = "ORDER_SERVICE_DEAD_LETTER_TOPIC", value_name = "TOPIC")]
    pub dead_letter_topic: Option<String>,

    /// What to do with a record that has no reply-to header: skip, or process and drop the answer
    #[arg(long, env = "ORDER_SERVICE_WITHOUT_REPLY_TO", default_value = "skip", value_parser = without_reply_to(), value_name = "skip|process")]
    pub without_reply_to: WithoutReplyTo,

    /// Send replies without their request's key
    #[arg(long, env = "ORDER_SERVICE_NO_REPLY_KEY")]
    pub no_reply_key: bool,

    /// How long a request may take before it is answered with 504
    #[arg(long, env = "ORDER_SERVICE_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub request_timeout: Duration,

    /// How long a stop waits for requests in flight
    #[arg(long, env = "ORDER_SERVICE_DRAIN_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "TIME")]
    pub drain_timeout: Duration,

    /// A librdkafka property for both clients, applied last; repeat for more
    #[arg(short = 'X', env = "ORDER_SERVICE_PROPERTIES", hide_env_values = true, value_delimiter = '\n', value_parser = property, value_name = "KEY=VALUE")]
    pub property: Vec<(String, String)>,

    /// What is logged, such as info,kafka_bridge=debug
    #[arg(
        long,
        env = "ORDER_SERVICE_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
}

fn dispatch() -> impl TypedValueParser<Value = Dispatch> {
    clap::builder::PossibleValuesParser::new(["serial", "tasks"]).try_map(|mode| mode.parse())
}

fn without_reply_to() -> impl TypedValueParser<Value = WithoutReplyTo> {
    clap::builder::PossibleValuesParser::new(["skip", "process"]).map(|word| match &*word {
        "process" => WithoutReplyTo::Process,
        _ => WithoutReplyTo::Skip,
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed =
        humantime::parse_duration(text).map_err(|_| "takes a time such as 30s or 500ms")?;
    if parsed.is_zero() {
        Err("must be above zero".to_owned())
    } else {
        Ok(parsed)
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("takes key=value, such as linger.ms=0")?;
    Ok((name.trim().to_owned(), value.to_owned()))
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
    fn reads_times_and_properties() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert!(duration("soon").is_err());
        assert!(duration("0s").is_err());
        assert_eq!(
            property("a.b=c=d"),
            Ok(("a.b".to_owned(), "c=d".to_owned()))
        );
        assert!(property("a.b").is_err());
    }

    #[test]
    fn the_default_dispatch_follows_the_feature() {
        let cli = Cli::parse_from(["order-service"]);
        let expected = if cfg!(feature = "tasks") {
            Dispatch::Tasks
        } else {
            Dispatch::Serial
        };
        assert_eq!(cli.dispatch, expected);
    }
}
