//! `load-client merge`: reads the parts of a run, prints its figures, writes its reports.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::args::{MergeArguments, Misuse};
use crate::measure::selfcheck::Validity;
use crate::measure::threshold::{Judgements, Threshold, evaluate, extra_quantiles};
use crate::report::html::{RunPage, Section};
use crate::report::run_file::{
    Merged, NotOneRun, RunEnd, RunPart, ended, merged, ordered, read_run_file, started_ms,
};
use crate::report::text::{command, run_end, run_verdicts};
use crate::report::{Destination, RUN_FORMAT, StatsFiles, refuse_collisions, write_if_asked};
use crate::session::terminal::{Text, say};
use crate::session::{Causes, exit_code};

/// Merges the parts of a run; returns the exit code. Fails when the files are not the parts of one run, or cannot be read or
/// written.
pub(crate) fn merge(arguments: &MergeArguments) -> anyhow::Result<u8> {
    let outputs = Outputs::claim(arguments)?;
    let parts = arguments.parts.iter().map(|path| {
        let name = path.display().to_string();
        let read = read_run_file(path)?;
        Ok(RunPart { name, read })
    });
    let parts = parts.collect::<anyhow::Result<Vec<_>>>()?;
    let parts = ordered(parts).map_err(as_misuse)?;
    arguments.validated(&parts[0].read.header.run.kinds)?;
    let quantiles = extra_quantiles(&arguments.fail_on);
    // What cannot be read is found before a file is replaced.
    let run = merged(&parts, &quantiles, |_, _| anyhow::Ok(()))?;
    write_statistics(arguments, &parts)?;
    let thresholds = evaluate(&arguments.fail_on, &run.summary);
    let code = exit_code(Causes {
        ended_early: false,
        interrupted_twice: false,
        invalid: run.validity.is_invalid(),
        thresholds_hold: thresholds.all_hold(),
        any_failure: run.summary.any_failure(),
        failures_are_judged: arguments.fail_on.iter().any(Threshold::judges_failures),
        code_on_invalid: arguments.codes.exit_code_on_invalid,
        code_on_error: arguments.codes.exit_code_on_error,
    });
    let whole = Whole {
        parts,
        run,
        thresholds,
        code,
    };
    outputs.text.print(&whole.text(outputs.text.columns()));
    whole
        .run
        .summary
        .findings
        .sentences()
        .iter()
        .for_each(|own| say(own));
    outputs.write(&whole)?;
    Ok(code)
}

/// Which files are named is the command line's; what is in them is not.
fn as_misuse(error: NotOneRun) -> anyhow::Error {
    match error {
        error @ NotOneRun::Unreadable { .. } => error.into(),
        error => Misuse(error.to_string()).into(),
    }
}

/// Locust's files, as they would have grown.
fn write_statistics(arguments: &MergeArguments, parts: &[RunPart]) -> anyhow::Result<()> {
    let Some(prefix) = &arguments.csv else {
        return Ok(());
    };
    let mut files = StatsFiles::create(prefix, false, started_ms(parts) as f64 / 1000.0)?;
    merged(parts, &[], |moment, summary| {
        Ok(files.update(moment, &summary())?)
    })
    .map(drop)
}

fn ends(parts: &[RunPart]) -> impl Iterator<Item = &RunEnd> {
    parts.iter().filter_map(|part| part.read.end.as_ref())
}

struct Outputs {
    html: Option<Destination>,
    json: Option<Destination>,
    text: Text,
}

impl Outputs {
    fn claim(arguments: &MergeArguments) -> anyhow::Result<Self> {
        let all = arguments.outputs()?;
        let outputs: Vec<_> = all
            .iter()
            .map(|(flag, path)| (*flag, path.as_path()))
            .collect();
        let inputs: Vec<_> = arguments.parts.iter().map(PathBuf::as_path).collect();
        refuse_collisions(&outputs, &inputs)?;
        arguments.csv.as_deref().map_or(Ok(()), StatsFiles::check)?;
        let claim = |path: &Option<PathBuf>| path.as_deref().map(Destination::claim).transpose();
        Ok(Self {
            html: claim(&arguments.html)?,
            json: claim(&arguments.json)?,
            text: Text::beside(outputs.into_iter().map(|(_, path)| path)),
        })
    }

    fn write(self, whole: &Whole) -> anyhow::Result<()> {
        let html = write_if_asked(self.html, || Ok(whole.page().to_string().into_bytes()));
        let json = write_if_asked(self.json, || {
            Ok(serde_json::to_vec_pretty(&whole.report())?)
        });
        html.and(json)
    }
}

/// A run whose parts are merged and judged.
struct Whole {
    parts: Vec<RunPart>,
    run: Merged,
    thresholds: Judgements,
    code: u8,
}

impl Whole {
    fn text(&self, columns: Option<usize>) -> String {
        let (end, first_ms) = (run_end(&self.run.summary, columns), started_ms(&self.parts));
        let parts = self.parts.iter().map(|part| {
            let segment = &part.read.header.segment;
            format!("  part {segment}  {}\n", told(part, first_ms))
        });
        let verdicts = run_verdicts(&self.thresholds, &self.run.validity);
        format!("{end}\nParts\n{}{verdicts}", parts.collect::<String>())
    }

    fn page(&self) -> RunPage<'_> {
        let run = &self.parts[0].read.header.run;
        let (duration, first_ms) = (self.duration(), started_ms(&self.parts));
        let mut sections = ends(&self.parts).next().map(|end| end.sections.clone());
        for section in sections.iter_mut().flatten() {
            section.rows.retain(|(name, _)| name != "segment");
        }
        let rows = self.parts.iter().map(|part| {
            let name = format!("{}, {}", part.read.header.segment, part.name);
            (name, told(part, first_ms))
        });
        let parts = Section::new("Parts", rows);
        RunPage {
            title: format!("Load on {}", run.topic),
            during: format!(
                "{} ({}), {} parts",
                humantime::format_rfc3339_seconds(self.started()),
                humantime::format_duration(duration),
                self.parts.len()
            ),
            summary: &self.run.summary,
            moments: &self.run.moments,
            warm_up_seconds: run.warm_up_ns as f64 / 1e9,
            bins: &self.run.bins,
            validity: &self.run.validity,
            thresholds: &self.thresholds,
            sections: std::iter::once(parts)
                .chain(sections.into_iter().flatten())
                .collect(),
            command: command(),
        }
    }

    /// The report of the first part, with the figures of all.
    fn report(&self) -> Value {
        let first = ends(&self.parts).next();
        let mut report = first.map(|end| end.report.clone()).unwrap_or_default();
        let started = humantime::format_rfc3339_millis(self.started()).to_string();
        let parts: Vec<Value> = self.parts.iter().map(part_report).collect();
        let unmatched = ends(&self.parts).filter_map(|end| end.report.get("unmatched_replies"));
        let unmatched: u64 = unmatched
            .filter_map(Value::as_u64)
            .fold(0, u64::saturating_add);
        for (field, value) in [
            ("started", json!(started)),
            ("duration_seconds", json!(self.duration().as_secs_f64())),
            ("summary", json!(self.run.summary)),
            ("validity", json!(self.run.validity)),
            ("thresholds", json!(self.thresholds)),
            ("command", json!(command())),
            ("exit_code", json!(self.code)),
            ("format", json!(RUN_FORMAT)),
            ("parts", json!(parts)),
            ("unmatched_replies", json!(unmatched)),
        ] {
            report.insert(field.to_owned(), value);
        }
        if let Some(Value::Object(plan)) = report.get_mut("plan") {
            plan.insert("segment".to_owned(), Value::Null);
        }
        Value::Object(report)
    }

    fn started(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(started_ms(&self.parts))
    }

    fn duration(&self) -> Duration {
        let longest = ends(&self.parts).map(|end| end.duration_ms).max();
        Duration::from_millis(longest.unwrap_or(0))
    }
}

fn part_report(part: &RunPart) -> Value {
    let end = part.read.end.as_ref();
    let ended = ended(part);
    json!({
        "segment": part.read.header.segment,
        "file": part.name,
        "run_id": end.and_then(|end| end.report.get("run_id")),
        "requests": ended.requests,
        "failures": ended.failures,
        "cores": end.and_then(|end| end.cores),
        "schedule_lag": end.and_then(|end| end.lag.lag().ok().flatten()),
        "ended_by": end.map(|end| end.ended_by),
        "validity": end.map(|end| json!(end.validity)),
    })
}

/// A part in a line: when it began, what it sent, its self-check.
fn told(part: &RunPart, first_ms: u64) -> String {
    let ended = ended(part);
    let late = (part.read.header.started_ms - first_ms) as f64 / 1000.0;
    let mut text = format!(
        "began after {late:.1} s, {} requests, {} failed",
        ended.requests, ended.failures
    );
    let Some(end) = &part.read.end else {
        return text + "; no end: its client was killed";
    };
    if let Some(cores) = end.cores {
        text += &format!(", {cores:.2} cores");
    }
    if let Ok(Some(lag)) = end.lag.lag() {
        text += &format!(", schedule lag p99 {:.3} ms", lag.p99_ms);
    }
    let verdict = match &end.validity {
        Validity::Valid => "valid",
        Validity::NotJudged { .. } => "not judged",
        Validity::Invalid { .. } => "INVALID",
    };
    format!("{text}, ended by {}; {verdict}", end.ended_by.in_words())
}
