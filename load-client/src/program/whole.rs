//! Merges the parts of a run, judges the run, prints and writes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::args::MergedOutputs;
use crate::measure::selfcheck::Validity;
use crate::measure::threshold::{Judgements, Threshold, evaluate, extra_quantiles};
use crate::report::html::RunPage;
use crate::report::run_file::{
    Merged, RunEnd, RunPart, merged, section, started_ms, unmatched_replies,
};
use crate::report::text::{command, run_end, run_verdicts};
use crate::report::{Destination, RUN_FORMAT, StatsFiles, refuse_collisions, write_if_asked};
use crate::session::terminal::{Text, say};
use crate::session::{Causes, exit_code};

/// Where the reports of a run go.
pub(super) struct Outputs<'a> {
    arguments: &'a MergedOutputs,
    html: Option<Destination>,
    json: Option<Destination>,
    text: Text,
}

impl<'a> Outputs<'a> {
    /// Claims the places before anything is read. Fails when a place is an input, or cannot be written.
    pub(super) fn claim(arguments: &'a MergedOutputs, inputs: &[PathBuf]) -> anyhow::Result<Self> {
        let all = arguments.all()?;
        let outputs: Vec<_> = all
            .iter()
            .map(|(flag, path)| (*flag, path.as_path()))
            .collect();
        let inputs: Vec<_> = inputs.iter().map(PathBuf::as_path).collect();
        refuse_collisions(&outputs, &inputs)?;
        arguments.csv.as_deref().map_or(Ok(()), StatsFiles::check)?;
        let claim = |path: &Option<PathBuf>| path.as_deref().map(Destination::claim).transpose();
        Ok(Self {
            arguments,
            html: claim(&arguments.html)?,
            json: claim(&arguments.json)?,
            text: Text::beside(outputs.into_iter().map(|(_, path)| path)),
        })
    }

    /// Prints and writes the run of these parts, of which there is at least one. Returns the exit code. `judge` decides
    /// whether the figures may be used. Fails when a part cannot be read, or a file cannot be written.
    pub(super) fn conclude(
        self,
        parts: Vec<RunPart>,
        judge: impl FnOnce(&[RunPart]) -> Validity,
    ) -> anyhow::Result<u8> {
        let arguments = self.arguments;
        arguments.validated(&parts[0].read.header.run.kinds)?;
        // Merge first: a part that cannot be read must not cost an existing file.
        let run = merged(&parts, &extra_quantiles(&arguments.fail_on), |_, _| {
            anyhow::Ok(())
        })?;
        if let Some(prefix) = &arguments.csv {
            write_statistics(prefix, &parts)?;
        }
        let validity = judge(&parts);
        let thresholds = evaluate(&arguments.fail_on, &run.summary);
        let code = exit_code(Causes {
            ended_early: false,
            interrupted_twice: false,
            invalid: validity.is_invalid(),
            thresholds_hold: thresholds.all_hold(),
            any_failure: run.summary.any_failure(),
            failures_are_judged: arguments.fail_on.iter().any(Threshold::judges_failures),
            code_on_invalid: arguments.codes.exit_code_on_invalid,
            code_on_error: arguments.codes.exit_code_on_error,
        });
        let whole = Whole {
            parts,
            run,
            validity,
            thresholds,
            code,
        };
        self.text.print(&whole.text(self.text.columns()));
        let findings = &whole.run.summary.findings;
        findings.sentences().iter().for_each(|own| say(own));
        self.write(&whole)?;
        Ok(code)
    }

    fn write(self, whole: &Whole) -> anyhow::Result<()> {
        let html = write_if_asked(self.html, || Ok(whole.page().to_string().into_bytes()));
        let json = write_if_asked(self.json, || {
            Ok(serde_json::to_vec_pretty(&whole.report())?)
        });
        html.and(json)
    }
}

/// Writes Locust's files, as one client would have written them during the run.
fn write_statistics(prefix: &Path, parts: &[RunPart]) -> anyhow::Result<()> {
    let mut files = StatsFiles::create(prefix, false, started_ms(parts) as f64 / 1000.0)?;
    merged(parts, &[], |moment, summary| {
        Ok(files.update(moment, &summary())?)
    })
    .map(drop)
}

fn ends(parts: &[RunPart]) -> impl Iterator<Item = &RunEnd> {
    parts.iter().filter_map(|part| part.read.end.as_ref())
}

/// A run whose parts are merged and judged.
struct Whole {
    parts: Vec<RunPart>,
    run: Merged,
    validity: Validity,
    thresholds: Judgements,
    code: u8,
}

impl Whole {
    fn text(&self, columns: Option<usize>) -> String {
        let (end, first_ms) = (run_end(&self.run.summary, columns), started_ms(&self.parts));
        let parts = self.parts.iter();
        let parts = parts.map(|part| format!("  {}  {}\n", part.title, part.told(first_ms)));
        let verdicts = run_verdicts(&self.thresholds, &self.validity);
        format!("{end}\nParts\n{}{verdicts}", parts.collect::<String>())
    }

    fn page(&self) -> RunPage<'_> {
        let run = &self.parts[0].read.header.run;
        let (duration, first_ms) = (self.duration(), started_ms(&self.parts));
        let mut sections = ends(&self.parts).next().map(|end| end.sections.clone());
        for section in sections.iter_mut().flatten() {
            section.rows.retain(|(name, _)| name != "segment");
        }
        let parts = section("Parts", &self.parts, first_ms);
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
            validity: &self.validity,
            thresholds: &self.thresholds,
            sections: std::iter::once(parts)
                .chain(sections.into_iter().flatten())
                .collect(),
            command: command(),
        }
    }

    /// Returns the report of the first part, with the figures of all parts.
    fn report(&self) -> Value {
        let first = ends(&self.parts).next();
        let mut report = first.map(|end| end.report.clone()).unwrap_or_default();
        let started = humantime::format_rfc3339_millis(self.started()).to_string();
        let parts: Vec<Value> = self.parts.iter().map(RunPart::report).collect();
        for (field, value) in [
            ("started", json!(started)),
            ("duration_seconds", json!(self.duration().as_secs_f64())),
            ("summary", json!(self.run.summary)),
            ("validity", json!(self.validity)),
            ("thresholds", json!(self.thresholds)),
            ("command", json!(command())),
            ("exit_code", json!(self.code)),
            ("format", json!(RUN_FORMAT)),
            ("parts", json!(parts)),
            ("unmatched_replies", json!(unmatched_replies(&self.parts))),
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
