//! Coordinators and workers of a run, as processes, and the control topic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustix::process::Signal;
use serde_json::Value;

use crate::support;

/// The topics of one scenario. Scenarios at the same time have different ones, so that they do not see each other.
pub(crate) struct Place<'a> {
    pub(crate) broker: &'a str,
    pub(crate) name: &'a str,
    pub(crate) folder: &'a Path,
}

/// A running load client. Dropping it ends it.
pub(crate) struct Party {
    child: Child,
    log: PathBuf,
}

impl Place<'_> {
    pub(crate) fn control(&self) -> String {
        format!("{}.control", self.name)
    }

    /// `load-client COMMAND` with this place's log.
    pub(crate) fn command(&self, command: &[&str]) -> Command {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("load-client");
        let mut all = Command::new(program);
        all.args(command)
            .args(["--control", &format!("kafka://{}", self.broker)])
            .args(["--control-topic", &self.control()])
            .args(["--results-topic", &format!("{}.results", self.name)])
            .env("TMPDIR", self.folder)
            .stdin(Stdio::null());
        all
    }

    /// Starts a load client. Its output goes to a file with this name.
    pub(crate) fn start(&self, name: &str, mut command: Command) -> Party {
        let log = self.folder.join(format!("{}-{name}.log", self.name));
        let file = fs::File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Party {
            child: command.spawn().unwrap(),
            log,
        }
    }

    pub(crate) fn worker(&self, name: &str, more: &[&str]) -> Party {
        let mut command = self.command(&["worker", "--name", name]);
        command.args(more);
        self.start(name, command)
    }

    /// Starts a coordinator of a run that sends by the schedule. Its report goes to `<name>.json`.
    pub(crate) fn coordinator(&self, name: &str, more: &[&str]) -> Party {
        let mut command = self.command(&["run", "--only-summary"]);
        command
            .args(["--host", &format!("kafka://{}", self.broker)])
            // On a busy machine workers begin at different times. The scenario about that has its own bound.
            .args(["--max-skew", "1s", "--json"])
            .arg(self.report(name))
            .args(more);
        self.start(name, command)
    }

    /// The path of a coordinator's report.
    pub(crate) fn report(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}.json", self.name))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        support::json(&self.report(name))
    }

    /// Appends a record to the control topic, as anybody else might.
    pub(crate) fn write(&self, note: &str) {
        let producer: BaseProducer = self.config().create().unwrap();
        let topic = self.control();
        let record = BaseRecord::<str, str>::to(&topic).key("k").payload(note);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(support::LIMIT).unwrap();
    }

    /// Waits until the control topic has this kind of record from this sender. Returns the record.
    pub(crate) fn until_said(&self, run: &str, what: &str, from: &str) -> Value {
        let consumer: BaseConsumer = self.config().set("group.id", "look").create().unwrap();
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(&self.control(), 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&all).unwrap();
        let mut found = None;
        support::wait_for(&format!("{what} of {from} in run {run}"), || {
            let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) else {
                return false;
            };
            let note: Value = serde_json::from_slice(record.payload().unwrap()).unwrap_or_default();
            let says = &note["says"];
            let is_said = says.get(what).is_some() || says == what;
            let is_it = note["run"] == run
                && is_said
                && note["from"]
                    .as_str()
                    .is_some_and(|own| own.starts_with(from));
            found = is_it.then_some(note);
            is_it
        });
        found.unwrap()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker);
        config
    }
}

impl Party {
    pub(crate) fn signal(&self, signal: Signal) {
        support::send(i32::try_from(self.child.id()).unwrap(), signal);
    }

    pub(crate) fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn until_told(&self, what: &str) {
        support::wait_for(&format!("{what:?} in {}", self.log.display()), || {
            self.told().contains(what)
        });
    }

    /// Waits for its end. Returns its exit code and its output.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut code = None;
        support::wait_for(&format!("the end of {}", self.log.display()), || {
            let status = self.child.try_wait().unwrap();
            code = status.map(|own| own.code());
            status.is_some()
        });
        (code.flatten(), self.told())
    }

    /// Checks that it ends with this code. Returns its output.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> String {
        let name = self.log.display().to_string();
        let (ended, told) = self.end();
        assert_eq!(ended, Some(code), "{name}: {told}");
        told
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        // It still runs only if the test failed or has killed it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks that the report of the run agrees with the latencies in the workers' files.
pub(crate) fn says_what_was_measured(report: &Value, files: &[PathBuf]) {
    let mut times = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let rows = text
            .lines()
            .skip(1)
            .map(|row| row.split(',').nth(2).unwrap());
        times.extend(rows.map(|time| time.parse::<f64>().unwrap()));
    }
    let response = &report["summary"]["total"]["response"];
    let told = |field: &str| response[field].as_f64().unwrap();
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    assert!(
        (told("mean_ms") - mean).abs() < 1e-6 * mean,
        "{mean}, {response}"
    );
    times.sort_unstable_by(f64::total_cmp);
    for (field, time) in [("min_ms", times[0]), ("max_ms", times[times.len() - 1])] {
        assert!(
            (told(field) - time).abs() < 1e-9,
            "{field} {time}, {response}"
        );
    }
    // The width of a histogram's bucket is a ten-thousandth of its value.
    let (below, above) = (times[times.len() / 2 - 1], times[times.len() / 2]);
    let median = told("median_ms");
    assert!(
        below * 0.999 <= median && median <= above * 1.001,
        "{below} to {above}, {response}"
    );
}
