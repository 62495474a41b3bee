//! The CSV of all requests: one line each, in the order in which they ended.
//!
//! The first three columns are those of the seed's article, so that its notebook reads the file
//! unchanged. `response_time` is milliseconds from the intended instant to the reply and is *empty* for a failed
//! request: pandas reads that as missing, so no time-out ever enters a median. Nanoseconds count
//! from the start of the run.

use std::path::Path;

use super::destination::{Destination, ExportError};
use crate::measure::sample::Sample;

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
const REQUEST_TYPE: &str = "KAFKA";
const BUFFER_BYTES: usize = 1 << 16;

/// A CSV that grows under a provisional name until `finish`. Dropped before the first request,
/// it leaves nothing behind.
pub struct RequestsCsv {
    kinds: Vec<String>,
    writer: csv::Writer<Destination>,
    has_header: bool,
}

impl RequestsCsv {
    /// Takes the place of the file. A sample's kind is the place of its name in `kinds`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or another program is writing it.
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

    /// Adds one request.
    ///
    /// # Errors
    ///
    /// When the disk is full, for example.
    pub(crate) fn write(&mut self, sample: &Sample) -> Result<(), ExportError> {
        self.begin()?;
        let response_time = sample
            .response_ns()
            .map(|latency| (latency as f64 / 1e6).to_string());
        let kind = self.kinds.get(usize::from(sample.kind));
        let kind = kind.map_or("", |name| name);
        let replied = sample.replied_ns.map(|replied| replied.to_string());
        let acked = sample.acked_ns.map(|acked| acked.to_string());
        self.writer
            .write_record([
                REQUEST_TYPE,
                kind,
                response_time.as_deref().unwrap_or_default(),
                sample.outcome.status().as_str(),
                &sample.intended_ns.to_string(),
                &sample.sent_ns.to_string(),
                replied.as_deref().unwrap_or_default(),
                &sample.user.to_string(),
                if sample.warm_up { "true" } else { "false" },
                sample.outcome.error(),
                acked.as_deref().unwrap_or_default(),
                &sample.reply_bytes.to_string(),
            ])
            .map_err(|error| self.failed(error))
    }

    /// Writes out what is buffered and gives the file its final name.
    ///
    /// # Errors
    ///
    /// When the file cannot be written or renamed; what was written stays in `path.part`.
    pub(crate) fn finish(mut self) -> Result<(), ExportError> {
        self.begin()?;
        let flushed = self.writer.flush();
        flushed.map_err(|error| self.failed(error.into()))?;
        let destination = self.writer.into_inner();
        // Nothing is buffered any more, so it cannot fail.
        destination.map_or(Ok(()), Destination::finish)
    }

    /// Writes the header, before all else.
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

    use super::*;
    use crate::compare::read_run;
    use crate::measure::sample::Outcome;

    fn sample(sent_ns: u64, outcome: Outcome) -> Sample {
        let replied = outcome == Outcome::Ok;
        let mut sample = Sample::test(sent_ns, 3_271_000, outcome);
        (sample.user, sample.replied_ns) = (3, sample.replied_ns.filter(|_| replied));
        sample.acked_ns = Some(sent_ns + 1_000_000);
        sample
    }

    #[test]
    fn appears_whole_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.csv");
        let mut csv = RequestsCsv::create(&path, &["createOrder".to_owned()]).unwrap();
        csv.write(&sample(1000, Outcome::Ok)).unwrap();
        csv.write(&sample(
            2000,
            Outcome::SendError("a \"quoted\", odd\ntext".to_owned()),
        ))
        .unwrap();
        csv.write(&sample(3000, Outcome::Censored)).unwrap();
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
