//! The files of a run or a comparison. They are made from data, never from the runner.

mod csv_stats;
mod destination;
mod exports;
pub mod html;
pub(crate) mod run_file;
mod run_json;
pub mod text;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use self::destination::{part_of, without_links};
use crate::measure::summary::{Latency, PERCENTILES, Row, Sample, Summary};
use crate::measure::threshold::Judgement;

pub use destination::{Destination, ExportError, is_standard_output, remove_earlier, write_whole};

pub(crate) use csv_stats::{CsvText, StatsFiles, failures_csv, stats_csv};
pub(crate) use exports::{append_history, check_history, history_row, junit};
pub(crate) use run_json::{EndedBy, RUN_FORMAT, RunData, RunFacts, RunReport};

/// The type of request in every table, where Locust has `GET`.
const TYPE: &str = "KAFKA";

/// Returns the rows of the kinds of a run with their type, then the row of all kinds together.
fn rows(summary: &Summary) -> impl Iterator<Item = (&'static str, &Row)> {
    let kinds = summary.kinds.iter().map(|row| (TYPE, row));
    kinds.chain([("", &summary.total)])
}

/// Returns the percentiles of a table, followed by the longest time.
fn percentiles(latency: Option<&Latency>) -> impl Iterator<Item = Option<f64>> {
    let own = PERCENTILES.map(|(_, quantile)| latency?.percentile(quantile));
    own.into_iter().chain([latency.map(|own| own.max_ms)])
}

/// Returns the measured figure of a threshold, or why it is undecided.
fn figure_or_reason(judgement: &Judgement) -> &str {
    let told = judgement.measured.as_ref().or(judgement.reason.as_ref());
    told.map_or("", String::as_str)
}

/// Writes the content of a file, if there is a place for it.
pub(crate) fn write_if_asked(
    place: Option<Destination>,
    content: impl FnOnce() -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<()> {
    place.map_or(Ok(()), |place| Ok(place.write_whole(&content()?)?))
}

/// Two files of a command line that must differ, but are the same.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{flag} {path} {why}")]
pub(crate) struct Collision {
    /// The flag of the output.
    flag: &'static str,
    /// The path as it was given.
    path: PathBuf,
    /// The file that it collides with, and what to do.
    why: String,
}

/// The identity of a place. Two paths with the same identity lead to one place.
#[derive(PartialEq)]
enum Identity {
    StandardOutput,
    /// Device and number, which links share.
    File(u64, u64),
    /// A file that does not exist yet.
    New(PathBuf),
}

/// Checks outputs, each with its flag, against one another and against the inputs. Devices and pipes may be written
/// twice, because that loses nothing.
///
/// # Errors
///
/// Returns the first [`Collision`].
pub(crate) fn refuse_collisions(
    outputs: &[(&'static str, &Path)],
    inputs: &[&Path],
) -> Result<(), Collision> {
    let inputs: Vec<_> = inputs.iter().filter_map(|path| identity(path)).collect();
    let mut earlier: Vec<(&'static str, Identity)> = Vec::new();
    for &(flag, path) in outputs {
        let Some(own) = identity(path) else {
            continue;
        };
        let refused = |why: String| {
            let path = path.to_owned();
            Err(Collision { flag, path, why })
        };
        if inputs.contains(&own) {
            return refused("would write over an input: name another file".to_owned());
        }
        let is_file = own != Identity::StandardOutput;
        let target = is_file.then(|| without_links(path).ok()).flatten();
        let part = target.map(|target| part_of(&target));
        let grown = part.as_deref().and_then(identity);
        if let (Some(part), Some(_)) = (part, grown.as_ref().filter(|own| inputs.contains(own))) {
            let part = part.display();
            return refused(format!(
                "is written as {part} first, which is an input: name another file"
            ));
        }
        for own in [Some(own), grown].into_iter().flatten() {
            if let Some((other, _)) = earlier.iter().find(|(_, taken)| *taken == own) {
                return refused(format!("is the file of {other} too: name another one"));
            }
            earlier.push((flag, own));
        }
    }
    Ok(())
}

fn identity(path: &Path) -> Option<Identity> {
    if is_standard_output(path) {
        return Some(Identity::StandardOutput);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Some(Identity::File(found.dev(), found.ino())),
        Ok(_) => None,
        Err(_) => {
            let target = without_links(path).ok()?;
            let folder = match target.parent() {
                Some(folder) if folder != Path::new("") => folder,
                _ => Path::new("."),
            };
            let folder = fs::canonicalize(folder).ok()?;
            Some(Identity::New(folder.join(target.file_name()?)))
        }
    }
}

// The CSV of all requests: one line each, in the order in which they ended.
//
// The first three columns are those of the article, so that its notebook reads the file unchanged. `response_time` is
// milliseconds from the intended instant to the reply. It is *empty* for a failed request: pandas reads that as
// missing, so a time-out never enters a median. Nanoseconds count from the start of the run.

/// The columns, in order.
const COLUMNS: [&str; 12] = [
    "request_type",
    "name",
    "response_time",
    "status",
    "intended_ns",
    "sent_ns",
    "replied_ns",
    "user",
    "warm_up",
    "error",
    "acked_ns",
    "response_length",
];
const BUFFER_BYTES: usize = 1 << 16;

/// A CSV that grows under a provisional name until `finish`. If it is dropped before the first request, it leaves
/// nothing behind.
pub struct RequestsCsv {
    kinds: Vec<String>,
    writer: csv::Writer<Destination>,
    has_header: bool,
}

impl RequestsCsv {
    /// Claims the place of the file. A sample's kind is the index of its name in `kinds`.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be written, or another program is writing it.
    pub fn create(path: &Path, kinds: &[String]) -> Result<Self, ExportError> {
        let destination = Destination::claim(path)?;
        Ok(Self {
            kinds: kinds.to_vec(),
            writer: csv::WriterBuilder::new()
                .buffer_capacity(BUFFER_BYTES)
                .from_writer(destination),
            has_header: false,
        })
    }

    /// Adds one request. Fails when the disk is full, for example.
    pub(crate) fn write(&mut self, sample: &Sample) -> Result<(), ExportError> {
        self.begin()?;
        let text = |own: Option<u64>| own.map_or_else(String::new, |own| own.to_string());
        let response_time = sample.response_ns().map(|own| own as f64 / 1e6);
        let kind = self.kinds.get(usize::from(sample.kind));
        self.writer
            .write_record([
                TYPE,
                kind.map_or("", String::as_str),
                &response_time.map_or_else(String::new, |own| own.to_string()),
                sample.status.as_str(),
                &sample.intended_ns.to_string(),
                &sample.sent_ns.to_string(),
                &text(sample.replied_ns),
                &sample.user.to_string(),
                &sample.warm_up.to_string(),
                &sample.error,
                &text(sample.acked_ns),
                &sample.reply_bytes.to_string(),
            ])
            .map_err(|error| self.failed(error))
    }

    /// Writes out the buffer and gives the file its final name. Fails when the file cannot be written or renamed; the
    /// lines then stay in `path.part`.
    pub(crate) fn finish(mut self) -> Result<(), ExportError> {
        self.begin()?;
        let flushed = self.writer.flush();
        flushed.map_err(|error| self.failed(error.into()))?;
        let destination = self.writer.into_inner();
        // The buffer is empty, so `into_inner` cannot fail.
        destination.map_or(Ok(()), Destination::finish)
    }

    /// Writes the header, before all lines.
    fn begin(&mut self) -> Result<(), ExportError> {
        if !self.has_header {
            self.has_header = true;
            let written = self.writer.write_record(COLUMNS);
            written.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    fn failed(&self, error: csv::Error) -> ExportError {
        self.writer.get_ref().failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::compare::read_run;
    use crate::measure::summary::Status;
    use crate::measure::threshold::Standing;

    /// Returns a judgement with a figure, or with a reason if it is undecided.
    pub(super) fn judgement(threshold: &str, verdict: Standing, told: &str) -> Judgement {
        let is_decided = verdict != Standing::Undecided;
        Judgement {
            threshold: threshold.to_owned(),
            verdict,
            measured: is_decided.then(|| told.to_owned()),
            reason: (!is_decided).then(|| told.to_owned()),
        }
    }

    #[test]
    fn an_output_is_no_input_and_no_other_output_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("base.csv"), "").unwrap();
        fs::hard_link(at("base.csv"), at("hard.csv")).unwrap();
        symlink("base.csv", at("soft.csv")).unwrap();
        symlink("new.json", at("dangling.json")).unwrap();
        let (base, new, null) = (
            at("base.csv"),
            at("new.json"),
            Path::new("/dev/null").to_owned(),
        );
        for name in ["base.csv", "hard.csv", "soft.csv", "../base.csv"] {
            let path = match name.strip_prefix("../") {
                Some(name) => folder.path().join("x/..").join(name),
                None => at(name),
            };
            fs::create_dir_all(at("x")).unwrap();
            let refused = refuse_collisions(&[("--html", &path)], &[&base]);
            let why = "would write over an input: name another file";
            let expected = format!("--html {} {why}", path.display());
            assert_eq!(refused.unwrap_err().to_string(), expected);
        }
        for (one, other) in [
            (new.clone(), at("dangling.json")),
            ("-".into(), "/dev/stdout".into()),
        ] {
            let refused = refuse_collisions(&[("--json", &one), ("--html", &other)], &[&base]);
            let refused = refused.unwrap_err();
            assert_eq!(refused.flag, "--html");
            assert_eq!(refused.why, "is the file of --json too: name another one");
        }
        // The growing file counts as well.
        let (part, whole) = (at("rest.csv.part"), at("rest.csv"));
        fs::write(&part, "rest").unwrap();
        let refused = refuse_collisions(&[("--html", &whole)], &[&base, &part]);
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("rest.csv.part first, which is an input"),
            "{refused}"
        );
        let outputs: [(&str, &Path); 2] = [("--json", &part), ("--html", &whole)];
        let refused = refuse_collisions(&outputs, &[&base]);
        assert!(
            refused
                .unwrap_err()
                .why
                .starts_with("is the file of --json too")
        );
        let outputs: [(&str, &Path); 3] = [("--json", &null), ("--html", &null), ("--csv", &new)];
        assert_eq!(refuse_collisions(&outputs, &[&base, &null]), Ok(()));
        // Standard output has no growing file beside it.
        let outputs = [("--json", Path::new("-")), ("--html", Path::new("-.part"))];
        assert_eq!(refuse_collisions(&outputs, &[]), Ok(()));
    }

    fn sample(sent_ns: u64, status: Status) -> Sample {
        let replied = status == Status::Ok;
        let mut sample = Sample::test(sent_ns, 3_271_000, status);
        (sample.user, sample.replied_ns) = (3, sample.replied_ns.filter(|_| replied));
        sample.acked_ns = Some(sent_ns + 1_000_000);
        sample
    }

    #[test]
    fn appears_whole_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.csv");
        let mut csv = RequestsCsv::create(&path, &["createOrder".to_owned()]).unwrap();
        csv.write(&sample(1000, Status::Ok)).unwrap();
        let mut failed = sample(2000, Status::SendError);
        failed.error = "a \"quoted\", odd\ntext".into();
        csv.write(&failed).unwrap();
        csv.write(&sample(3000, Status::Censored)).unwrap();
        assert!(!path.exists());
        csv.finish().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        insta::assert_snapshot!(text);
        let run = read_run(&path).unwrap();
        assert_eq!(run.latencies_ms, [3.271]);
        assert_eq!((run.failures, run.censored), (1, 1));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "the part is renamed"
        );
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = RequestsCsv::create(Path::new("/nonexistent/run.csv"), &[])
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("/nonexistent/run.csv"),
            "{error}"
        );
    }
}
