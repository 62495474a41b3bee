//! Reads the file of `--hdr`. Its writer may have been killed, and the file may come from anyone.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{END, FORMAT, INTERVAL, RESET, RUN, RunEnd, RunHeader};
use crate::measure::interval::{IntervalRecord, Packed};

/// Most kinds of request times stages. Each of them has figures.
const MOST_FIGURES: usize = 20_000;
/// The end of the year 9999, in milliseconds since 1970.
const LATEST_MS: u64 = 253_402_300_799_999;

/// The content of a file, with its intervals in order.
#[derive(Debug)]
pub(crate) struct RunRead {
    pub(crate) header: RunHeader,
    pub(crate) intervals: Vec<IntervalRecord>,
    /// `None` for a run that was killed.
    pub(crate) end: Option<RunEnd>,
}

/// Reads a file. The error names the file and the line.
pub(crate) fn read_run_file(path: &Path) -> anyhow::Result<RunRead> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    read(BufReader::new(file)).map_err(|reason| anyhow!("{name}: {reason}"))
}

fn read(mut source: impl BufRead) -> Result<RunRead, String> {
    let mut reading = Reading::default();
    let mut line = Vec::new();
    for number in 1_u64.. {
        let told = |reason: String| format!("line {number}: {reason}");
        line.clear();
        let length = source.read_until(b'\n', &mut line);
        let length = length.map_err(|error| told(error.to_string()))?;
        // A client that was killed while writing leaves a line without an end.
        if length == 0 || line.pop() != Some(b'\n') {
            break;
        }
        let text = str::from_utf8(&line).map_err(|_| told("it is not text".to_owned()))?;
        reading.take(text).map_err(told)?;
    }
    reading.into_run()
}

#[derive(Default)]
struct Reading {
    header: Option<RunHeader>,
    intervals: Vec<IntervalRecord>,
    /// How many histograms of the last interval are read.
    filled: usize,
    end: Option<RunEnd>,
}

const NO_RUN: &str = "is not a file of `load-client run --hdr`: no line begins with #run";

impl Reading {
    fn take(&mut self, line: &str) -> Result<(), String> {
        if let Some(json) = line.strip_prefix(RUN) {
            if self.header.is_some() {
                return Err("a second run begins: give each run its own file".to_owned());
            }
            self.header = Some(header(json)?);
        } else if line.starts_with("Tag=") || line.starts_with(INTERVAL) || line.starts_with(END) {
            if self.header.is_none() {
                return Err(NO_RUN.to_owned());
            }
            if self.end.is_some() {
                return Err("it continues after its end".to_owned());
            }
            self.measured(line)?;
        } else if line == RESET {
            let reason = "its figures were reset during the run, so some of them are missing";
            return Err(reason.to_owned());
        }
        Ok(())
    }

    fn measured(&mut self, line: &str) -> Result<(), String> {
        if let Some(json) = line.strip_prefix(INTERVAL) {
            self.whole()?;
            self.intervals.push(parsed(json)?);
            self.filled = 0;
        } else if let Some(json) = line.strip_prefix(END) {
            self.whole()?;
            let end: RunEnd = parsed(json)?;
            end.check()?;
            self.end = Some(end);
        } else {
            let last = self.intervals.last_mut();
            let mut places = last.into_iter().flat_map(IntervalRecord::histograms);
            let place = places.nth(self.filled);
            let place = place.ok_or("a histogram has no interval")?;
            *place = Packed(line.rsplit(',').next().unwrap_or_default().to_owned());
            self.filled += 1;
        }
        Ok(())
    }

    /// Checks that the last interval has all its histograms.
    fn whole(&mut self) -> Result<(), String> {
        let last = self.intervals.last_mut();
        match last.is_none_or(|own| own.histograms().count() == self.filled) {
            true => Ok(()),
            false => Err("the interval before it lacks a histogram".to_owned()),
        }
    }

    fn into_run(mut self) -> Result<RunRead, String> {
        if self.end.is_none() && self.whole().is_err() {
            self.intervals.pop();
        }
        Ok(RunRead {
            header: self.header.ok_or(NO_RUN)?,
            intervals: self.intervals,
            end: self.end,
        })
    }
}

fn header(json: &str) -> Result<RunHeader, String> {
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    let Form { format } = parsed(json)?;
    if format != FORMAT {
        return Err(format!(
            "its format is {format}, but this load-client reads {FORMAT}"
        ));
    }
    let header: RunHeader = parsed(json)?;
    header.check()?;
    Ok(header)
}

impl RunHeader {
    /// Refuses values that load-client never writes.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (kinds, stages) = (self.run.kinds.len(), self.run.stages.len());
        if kinds.saturating_mul(stages + 1) > MOST_FIGURES || kinds == 0 {
            return Err(format!(
                "a run cannot have {kinds} kinds of request in {stages} stages"
            ));
        }
        if names(self).any(|name| name.contains(char::is_control)) {
            return Err("a name in it has a control character".to_owned());
        }
        match self.started_ms > LATEST_MS {
            true => Err("it began after the year 9999".to_owned()),
            false => Ok(()),
        }
    }
}

impl RunEnd {
    /// Refuses values that load-client never writes.
    pub(crate) fn check(&self) -> Result<(), String> {
        let texts = self.validity.lines();
        match texts.iter().any(|text| text.contains(char::is_control)) {
            true => Err("a reason in it has a control character".to_owned()),
            false => Ok(()),
        }
    }
}

/// Returns the names that reports show.
fn names(header: &RunHeader) -> impl Iterator<Item = &String> {
    let run = &header.run;
    let stages = run.stages.iter().flat_map(|own| [&own.name, &own.target]);
    stages.chain(&run.kinds).chain([&run.topic])
}

fn parsed<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}
