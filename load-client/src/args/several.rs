//! The part of the command line that is about several clients: where the log is that they share, and what holds for its runs.

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
    /// Send nothing, and let so many `load-client worker` send a part each
    #[arg(long, group = "coordinates", value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N", conflicts_with_all = ["segment", "hdr", "requests_record_file"])]
    pub(crate) workers: Option<u32>,
    /// Take over a run whose coordinator is gone: the load is the one that the log has, outputs and thresholds are this command's
    #[arg(long, group = "coordinates", value_parser = name, value_name = "RUN", conflicts_with_all = ["run", "segment", "hdr", "requests_record_file"])]
    pub(crate) resume: Option<String>,
    /// With --workers: what the run is called [default: a UUID]
    #[arg(long, value_parser = name, value_name = "RUN", requires = "workers")]
    pub(crate) run: Option<String>,
    /// With --workers: how far apart two workers may begin; a run that exceeds it ends before it sends
    #[arg(long, default_value = "100ms", value_parser = values::duration, value_name = "TIME")]
    pub(crate) max_skew: Duration,
    /// With --workers: time from the order to start until the first request
    #[arg(long, default_value = "2s", value_parser = delay, value_name = "TIME")]
    pub(crate) start_delay: Duration,
    /// With --workers: what becomes of a run that has lost one
    #[arg(long, value_enum, default_value = "abort", value_name = "RULE")]
    pub(crate) on_worker_loss: OnWorkerLoss,
    /// With --workers: how often each tells what it has measured, 1 to 60 whole seconds
    #[arg(long, default_value = "1s", value_parser = whole_seconds, value_name = "TIME")]
    pub(crate) live_interval: u64,
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

impl SeveralArguments {
    /// Whether the load is sent by others.
    pub(crate) fn coordinates(&self) -> bool {
        self.workers.is_some() || self.resume.is_some()
    }

    /// How much later than it is measured something is known: at once, or when workers have told it.
    pub(crate) fn lateness(&self) -> Duration {
        match self.coordinates() {
            true => Duration::from_secs(self.live_interval) + ON_ITS_WAY,
            false => Duration::ZERO,
        }
    }

    /// Checks what depends on more than one flag: whether workers begin together is to be known before they begin.
    pub(crate) fn validated(&self) -> Result<(), Misuse> {
        let (skew, delay) = (self.max_skew, self.start_delay);
        if self.coordinates() && skew > delay / 2 {
            let [skew, delay] = [skew, delay].map(humantime::format_duration);
            return Err(Misuse(format!(
                "--max-skew {skew} is more than half of --start-delay {delay}: take a longer delay"
            )));
        }
        Ok(())
    }

    /// What is asked of the run.
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
    /// It ends, and is INVALID
    Abort,
    /// It goes on, and tells what is missing
    Continue,
}

/// Topics of the log that several clients share.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArguments {
    /// Cluster whose log coordinator and workers share [default of run: --host]
    #[arg(long, value_parser = Quietly(values::cluster_url), value_name = "URL")]
    pub(crate) control: Option<ClusterUrl>,
    /// Topic of plans and orders, with one partition; created where that is allowed
    #[arg(long, default_value = "load-client.control", value_parser = values::topic, value_name = "TOPIC")]
    pub(crate) control_topic: String,
    /// Topic of what workers measure; created where that is allowed
    #[arg(long, default_value = "load-client.results", value_parser = values::topic, value_name = "TOPIC")]
    pub(crate) results_topic: String,
    /// How long others are waited for: workers, their being ready, a coordinator, a log that does not answer
    #[arg(long, default_value = "60s", value_parser = values::duration, value_name = "TIME")]
    pub(crate) patience: Duration,
}

impl LogArguments {
    /// Where the log is. `host` is the cluster under test, with further properties.
    pub(crate) fn settings(
        &self,
        host: Option<&ClusterUrl>,
        properties: &[(String, String)],
    ) -> Result<LogSettings, Misuse> {
        let missing =
            || Misuse("--control is needed: the cluster whose log has the run".to_owned());
        let url = self.control.as_ref().or(host).ok_or_else(missing)?;
        if self.control_topic == self.results_topic {
            let topic = &self.control_topic;
            let wrong =
                format!("--control-topic and --results-topic are both {topic}: name two topics");
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
    /// Those of the URL come last. A password that is given by itself is one for the cluster under test.
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
    /// Cluster under test, where that is another one than --control, or is called otherwise by the coordinator
    ///
    /// A worker sends to no cluster that its own command line does not name.
    #[arg(long, value_parser = Quietly(values::cluster_url), value_name = "URL")]
    pub(crate) host: Option<ClusterUrl>,
    /// Wait for this run alone
    #[arg(long, value_parser = name, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Take this part of the load, counted from 0, as an Indexed Job of Kubernetes counts (JOB_COMPLETION_INDEX)
    #[arg(long, env = "JOB_COMPLETION_INDEX", value_name = "INDEX")]
    pub(crate) index: Option<u32>,
    /// What reports call this worker [default: the machine's name and the process's number]
    #[arg(long, env = "LOAD_CLIENT_WORKER_NAME", value_parser = name, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Write every request of this worker's part to this CSV
    #[arg(
        long,
        env = "LOAD_CLIENT_WORKER_REQUESTS_RECORD_FILE",
        value_name = "FILE"
    )]
    pub(crate) requests_record_file: Option<PathBuf>,
    /// librdkafka property of this worker's clients, such as ssl.ca.location; repeatable
    #[arg(short = 'X', value_parser = Quietly(values::pair), value_delimiter = '\n', value_name = "KEY=VALUE")]
    pub(crate) properties: Vec<(String, String)>,
}

/// Which run of the log is looked at.
#[derive(Debug, Args)]
pub(crate) struct LookArguments {
    /// What the run is called
    #[arg(value_parser = name, value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// librdkafka property of the client, such as ssl.ca.location; repeatable
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

/// A worker tells a second when it is over, and the log takes its time.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// From the order to start to the first request: time to see who has read it.
fn delay(text: &str) -> Result<Duration, String> {
    let delay = values::duration(text)?;
    let is_sound = (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&delay);
    let delay = is_sound.then_some(delay);
    delay.ok_or_else(|| "takes 1s to 1h".to_owned())
}

/// What a run or a worker is called: what a terminal and a table take.
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
