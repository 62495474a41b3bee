//! The flags for runs of several clients: where their common log is, and the terms of a run.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use flags_and_variables::Quietly;
use kafka_cluster_url::{ClusterUrl, is_secret};

use crate::args::merge::MergedOutputs;
use crate::args::{Misuse, values};
use crate::distributed::Terms;
use crate::transport::kafka::LogSettings;

/// Flags of `run` with `--workers`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several clients")]
pub(crate) struct SeveralArguments {
    /// Let this many `load-client worker` send the load, and send nothing here
    #[arg(long, group = "coordinates", value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N", conflicts_with_all = ["segment", "hdr", "requests_record_file"])]
    pub(crate) workers: Option<u32>,
    /// Take over a run whose coordinator is gone
    ///
    /// The load comes from the log. Outputs and thresholds come from this command.
    #[arg(long, group = "coordinates", value_parser = name, value_name = "RUN", conflicts_with_all = ["run", "segment", "hdr", "requests_record_file"])]
    pub(crate) resume: Option<String>,
    /// With --workers: name of the run [default: a UUID]
    #[arg(long, value_parser = name, value_name = "RUN", requires = "workers")]
    pub(crate) run: Option<String>,
    /// With --workers: longest time between the starts of two workers
    ///
    /// A run that exceeds it ends before it sends a request.
    #[arg(long, default_value = "100ms", value_parser = values::duration, value_name = "TIME")]
    pub(crate) max_skew: Duration,
    /// With --workers: time from the start order to the first request
    #[arg(long, default_value = "2s", value_parser = delay, value_name = "TIME")]
    pub(crate) start_delay: Duration,
    /// With --workers: what to do when a worker is lost
    #[arg(long, value_enum, default_value = "abort", value_name = "RULE")]
    pub(crate) on_worker_loss: OnWorkerLoss,
    /// With --workers: how often each worker reports, 1 to 60 whole seconds
    #[arg(long, default_value = "1s", value_parser = whole_seconds, value_name = "TIME")]
    pub(crate) live_interval: u64,
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

impl SeveralArguments {
    /// Returns whether workers send the load.
    pub(crate) fn coordinates(&self) -> bool {
        self.workers.is_some() || self.resume.is_some()
    }

    /// Returns how long it takes until a measurement arrives here. Without workers it is there at once.
    pub(crate) fn lateness(&self) -> Duration {
        match self.coordinates() {
            true => Duration::from_secs(self.live_interval) + ON_ITS_WAY,
            false => Duration::ZERO,
        }
    }

    /// Checks that the start delay leaves enough time to find out whether the workers begin together.
    pub(crate) fn validated(&self) -> Result<(), Misuse> {
        let (skew, delay) = (self.max_skew, self.start_delay);
        if self.coordinates() && skew > delay / 2 {
            let [skew, delay] = [skew, delay].map(humantime::format_duration);
            return Err(Misuse(format!(
                "--max-skew {skew} is more than half of --start-delay {delay}; choose a longer delay"
            )));
        }
        Ok(())
    }

    /// Returns the terms of the run.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            workers: self.workers.unwrap_or(0),
            patience: self.log.patience,
            delay: self.start_delay,
            max_skew: self.max_skew,
            continues: self.on_worker_loss == OnWorkerLoss::Continue,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnWorkerLoss {
    /// End the run; it is INVALID
    Abort,
    /// Go on without the worker, and report what is missing
    Continue,
}

/// Topics of the log that several clients share.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArguments {
    /// Kafka cluster of the log that coordinator and workers share [default of run: --host]
    #[arg(long, value_parser = Quietly(values::cluster_url), value_name = "URL")]
    pub(crate) control: Option<ClusterUrl>,
    /// Topic of plans and orders, with one partition
    ///
    /// It is created if it is missing and the client may create topics.
    #[arg(long, default_value = "load-client.control", value_parser = values::topic, value_name = "TOPIC")]
    pub(crate) control_topic: String,
    /// Topic of the workers' measurements
    ///
    /// It is created if it is missing and the client may create topics.
    #[arg(long, default_value = "load-client.results", value_parser = values::topic, value_name = "TOPIC")]
    pub(crate) results_topic: String,
    /// How long to wait for workers, for a coordinator, and for a log that does not answer
    #[arg(long, default_value = "60s", value_parser = values::duration, value_name = "TIME")]
    pub(crate) patience: Duration,
}

impl LogArguments {
    /// Returns where the log is. `host` is the cluster under test, with further properties.
    pub(crate) fn settings(
        &self,
        host: Option<&ClusterUrl>,
        properties: &[(String, String)],
    ) -> Result<LogSettings, Misuse> {
        let missing =
            || Misuse("--control is missing; name the cluster whose log has the run".to_owned());
        let url = self.control.as_ref().or(host).ok_or_else(missing)?;
        if self.control_topic == self.results_topic {
            let topic = &self.control_topic;
            let wrong =
                format!("--control-topic and --results-topic are both {topic}; name two topics");
            return Err(Misuse(wrong));
        }
        Ok(LogSettings {
            brokers: url.brokers.clone(),
            properties: self.properties(url, properties),
            control: self.control_topic.clone(),
            results: self.results_topic.clone(),
        })
    }
}

impl LogArguments {
    /// Joins the properties; those of the URL come last. With `--control`, secrets among the others are left out: they
    /// are for the cluster under test.
    fn properties(&self, url: &ClusterUrl, more: &[(String, String)]) -> Vec<(String, String)> {
        let is_elsewhere = self.control.is_some();
        let more = more
            .iter()
            .filter(|(key, _)| !(is_elsewhere && is_secret(key)));
        more.chain(url.properties.iter()).cloned().collect()
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Cluster under test, if its address is not the one of --control
    ///
    /// It must be the address that the coordinator uses. A worker sends only to clusters that its own command line
    /// names.
    #[arg(long, value_parser = Quietly(values::cluster_url), value_name = "URL")]
    pub(crate) host: Option<ClusterUrl>,
    /// Take part in this run only [default: any run]
    #[arg(long, value_parser = name, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Take this part of the load, counted from 0 [default: any part]
    ///
    /// In an Indexed Job, Kubernetes sets the variable JOB_COMPLETION_INDEX.
    #[arg(long, env = "JOB_COMPLETION_INDEX", value_name = "INDEX")]
    pub(crate) index: Option<u32>,
    /// Name of this worker in reports [default: host name and process id]
    #[arg(long, env = "LOAD_CLIENT_WORKER_NAME", value_parser = name, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Write every request of this worker's part to this CSV file
    #[arg(
        long,
        env = "LOAD_CLIENT_WORKER_REQUESTS_RECORD_FILE",
        value_name = "FILE"
    )]
    pub(crate) requests_record_file: Option<PathBuf>,
    /// Set a librdkafka property of this worker's clients, such as ssl.ca.location; repeatable
    #[arg(short = 'X', value_parser = Quietly(values::pair), value_delimiter = '\n', value_name = "KEY=VALUE")]
    pub(crate) properties: Vec<(String, String)>,
}

/// The run to look at, and its log.
#[derive(Debug, Args)]
pub(crate) struct LookArguments {
    /// Name of the run
    #[arg(value_parser = name, value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Set a librdkafka property of the client, such as ssl.ca.location; repeatable
    #[arg(short = 'X', value_parser = Quietly(values::pair), value_delimiter = '\n', value_name = "KEY=VALUE")]
    pub(crate) properties: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) look: LookArguments,
    #[command(flatten)]
    pub(crate) outputs: MergedOutputs,
}

/// Time for a worker to finish a second, and for the log to deliver it.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Parses the start delay. It leaves time to see which workers have read the order.
fn delay(text: &str) -> Result<Duration, String> {
    let delay = values::duration(text)?;
    let is_sound = (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&delay);
    let delay = is_sound.then_some(delay);
    delay.ok_or_else(|| "takes 1s to 1h".to_owned())
}

/// Parses the name of a run or a worker. Such a name is safe in a terminal and in a table.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let is_name = (1..=MOST_LETTERS).contains(&text.len()) && text.chars().all(legal);
    let name = is_name.then(|| text.to_owned());
    name.ok_or_else(|| format!("takes up to {MOST_LETTERS} letters, digits, '.', '_' or '-'"))
}

const MOST_LETTERS: usize = 100;

fn whole_seconds(text: &str) -> Result<u64, String> {
    let duration = values::duration(text)?;
    let seconds = duration.as_secs();
    let is_whole = duration.subsec_nanos() == 0 && (1..=60).contains(&seconds);
    let seconds = is_whole.then_some(seconds);
    seconds.ok_or_else(|| "takes 1s to 60s, without a fraction".to_owned())
}
