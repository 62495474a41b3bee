//! All that a run shows and leaves behind: prepared before it, fed while it goes on, concluded after it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::args::{Files, OutputArguments, RunArguments};
use crate::load::Control;
use crate::load::plan::{Model, Pause, Plan};
use crate::measure::analysis::Findings;
use crate::measure::history::Moment;
use crate::measure::recorder::TallyView;
use crate::measure::selfcheck::{self, Readings, Stalled, Validity, available_cores};
use crate::measure::summary::{Lag, Summary};
use crate::measure::threshold::{self, Judgements, Threshold, evaluate};
use crate::report::text::{run_end, run_verdicts};
use crate::report::{
    Destination, EndedBy, ExportError, RunFacts, RunReport, StatsFiles, hdr_log, junit,
};
use crate::session::files::{self, HeldText, Text};
use crate::session::signals::{Restore, say};
use crate::session::watch::{self, Observer, Shown, Watch, Watched};
use crate::session::{Causes, exit_code};
use crate::transport::kafka::{ClientSettings, KafkaSettings};

/// Bins of the report's histogram.
const HISTOGRAM_BINS: u32 = 80;

/// What was asked for, checked.
pub(crate) struct Outputs {
    arguments: OutputArguments,
    html: Option<Destination>,
    json: Option<Destination>,
    junit: Option<Destination>,
    hdr: Option<Destination>,
    text: Text,
}

/// Outputs of a run that goes on.
pub(crate) struct Running {
    outputs: Outputs,
    view: TallyView,
    control: Control,
    text_is_held: bool,
    watch: Watch,
}

/// Outputs of a run that is over, up to what only the recorder's end makes final.
pub(crate) struct Ended {
    outputs: Outputs,
    view: TallyView,
    control: Control,
    text_is_held: bool,
    watched: Watched,
}

/// Who looks at a run while it goes on.
pub(crate) enum Audience {
    /// Whoever typed the command; keys change the users.
    Terminal {
        on_key: Box<dyn Fn(i32) + Send>,
        observer: Option<Observer>,
    },
    /// Whoever has the page open; the tables are held for the end of the program.
    Page(Observer),
}

/// A run that is over.
pub(crate) struct Concluded {
    /// The exit code, or a file that could not be written. The others are written all the same.
    pub(crate) done: anyhow::Result<u8>,
    /// Why replies could not be received any more.
    pub(crate) defunct: Option<String>,
    pub(crate) validity: Validity,
    /// Tables and verdicts, if nobody was shown them.
    pub(crate) held: Option<HeldText>,
}

/// How the run went, besides its figures.
pub(crate) struct RunEnd {
    pub(crate) started: SystemTime,
    pub(crate) duration: Duration,
    /// Why replies could not be received any more.
    pub(crate) defunct: Option<String>,
    /// The requests could not be recorded any more.
    pub(crate) recording_failed: bool,
    /// It was interrupted a second time.
    pub(crate) interrupted_twice: bool,
    /// Users that are active at its end.
    pub(crate) active: u32,
    /// What was looked at beside it.
    pub(crate) findings: Findings,
    /// A stage broke a limit of `--until`.
    pub(crate) limit_broke: bool,
    /// The highest rate that holds was found.
    pub(crate) search_is_over: bool,
    /// For how long the client stood still.
    pub(crate) stalled: Stalled,
    /// How late an open loop sent its requests.
    pub(crate) lag: Option<Lag>,
    pub(crate) unmatched_replies: u64,
    pub(crate) client_settings: ClientSettings,
}

impl Outputs {
    /// Checks flags and places, before anything is sent, so that a mistake there does not waste a run.
    ///
    /// # Errors
    ///
    /// When flags contradict each other, or a file cannot be written.
    pub(crate) fn prepare(
        arguments: &RunArguments,
        files: &Files,
        kinds: &[String],
    ) -> anyhow::Result<Self> {
        let mut output = arguments.output.clone();
        output.validated(kinds, &arguments.load.until)?;
        output.csv.clone_from(&files.csv);
        let claim = |path: Option<&Path>| path.map(Destination::claim).transpose();
        output.csv.as_deref().map_or(Ok(()), StatsFiles::check)?;
        let outputs = [
            &files.html,
            &files.json,
            &files.junit,
            &files.hdr,
            &files.requests,
        ];
        Ok(Self {
            text: Text::beside(outputs.into_iter().flatten().map(PathBuf::as_path)),
            html: claim(files.html.as_deref())?,
            json: claim(files.json.as_deref())?,
            junit: claim(files.junit.as_deref())?,
            hdr: claim(files.hdr.as_deref())?,
            arguments: output,
        })
    }

    /// Begins to watch the run; it starts now.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give, or the statistics' files cannot be created.
    pub(crate) fn watch(
        self,
        view: TallyView,
        plan: &Plan,
        control: &Control,
        queue: Box<dyn Fn() -> u64 + Send>,
        audience: Audience,
    ) -> anyhow::Result<Running> {
        let (shown, observer, on_key) = match audience {
            Audience::Terminal { on_key, observer } => {
                let is_brief = self.arguments.only_summary;
                let shown = if is_brief {
                    Shown::Status
                } else {
                    Shown::Tables
                };
                (shown, observer, Some(on_key))
            }
            Audience::Page(observer) => (Shown::Nothing, Some(observer), None),
        };
        let settings = watch::Settings {
            view: view.clone(),
            control: control.clone(),
            warm_up: plan.warm_up,
            run_time: plan.run_time,
            queue,
            quantiles: threshold::extra_quantiles(&self.arguments.fail_on),
            abort: self.abort(),
            shown,
            text: self.text,
            observer,
            files: self.create_files()?,
        };
        Ok(Running {
            outputs: self,
            view,
            control: control.clone(),
            text_is_held: shown == Shown::Nothing,
            watch: watch::start(settings, on_key)?,
        })
    }

    /// Creates the statistics' files; the run starts now.
    fn create_files(&self) -> Result<Option<StatsFiles>, ExportError> {
        let Some(prefix) = &self.arguments.csv else {
            return Ok(None);
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let start = now.map_or(0.0, |since| since.as_secs_f64());
        StatsFiles::create(prefix, self.arguments.csv_full_history, start).map(Some)
    }

    fn abort(&self) -> Option<(Vec<Threshold>, Duration)> {
        let all = self.arguments.fail_on.iter();
        let may: Vec<_> = all.filter(|own| own.may_abort()).cloned().collect();
        self.arguments
            .abort_on_fail
            .then_some((may, self.arguments.abort_delay))
    }
}

impl Running {
    /// What gives the terminal back when the program is ended.
    pub(crate) fn restore(&self) -> Option<Restore> {
        self.watch.restore()
    }

    /// Ends the watching, and gives the terminal back.
    pub(crate) fn stop(self) -> Ended {
        Ended {
            watched: self.watch.stop(),
            outputs: self.outputs,
            view: self.view,
            control: self.control,
            text_is_held: self.text_is_held,
        }
    }
}

impl Ended {
    /// Shows and writes everything. The recorder must have finished.
    pub(crate) fn conclude(
        mut self,
        end_of_run: RunEnd,
        plan: &Plan,
        kafka: &KafkaSettings,
    ) -> Concluded {
        let mut summary = self
            .view
            .summary_with(&threshold::extra_quantiles(&self.outputs.arguments.fail_on));
        (summary.findings, summary.schedule_lag) =
            (end_of_run.findings.clone(), end_of_run.lag.clone());
        let warm_up = end_of_run.duration < plan.warm_up;
        let moment = self.view.moment(end_of_run.active, warm_up);
        let csv = self.write_statistics(&moment, &summary);
        if let Some(observer) = &mut self.watched.observer {
            observer(&moment, &summary);
        }
        let validity = selfcheck::check(&summary, &self.readings(plan, end_of_run.stalled));
        let answer = evaluate(&self.outputs.arguments.fail_on, &summary);
        let held = self.show(&summary, &answer, &validity);
        let exit_code = self.exit_code(plan, &end_of_run, &summary, &validity, &answer);
        let defunct = end_of_run.defunct.clone();
        let counts = self.outputs.arguments.exit_code_on_invalid != 0;
        let spoiled = files::spoiled(
            end_of_run.defunct.as_deref(),
            end_of_run.recording_failed,
            end_of_run.interrupted_twice,
            Some(&validity).filter(|_| counts),
        );
        let facts = RunFacts {
            ended_by: self.ended_by(plan, &end_of_run),
            started: end_of_run.started,
            duration: end_of_run.duration,
            unmatched_replies: end_of_run.unmatched_replies,
            client_settings: end_of_run.client_settings,
            thresholds: answer,
            validity: validity.clone(),
            command: files::command(),
            exit_code,
        };
        let html = files::write(self.outputs.html.take(), || {
            Ok(self.page(plan, kafka, &facts, &summary).into_bytes())
        });
        let junit = files::write(self.outputs.junit.take(), || {
            Ok(junit(&kafka.topic, &facts, spoiled.as_deref()).into_bytes())
        });
        let hdr = files::write(self.outputs.hdr.take(), || {
            self.hdr_log(plan, &kafka.topic, &facts)
        });
        let json = files::write(self.outputs.json.take(), || {
            let report = RunReport::new(plan, kafka, facts, summary);
            Ok(serde_json::to_vec_pretty(&report)?)
        });
        if let Some(cause) = &defunct {
            say(&format!("error: the run ended early: {cause}"));
        }
        let written = csv.and(html).and(junit).and(hdr).and(json);
        let written = written.and_then(|()| self.check_history());
        Concluded {
            done: written.map(|()| exit_code),
            defunct,
            validity,
            held,
        }
    }

    /// Prints the tables and verdicts, or holds them.
    fn show(
        &self,
        summary: &Summary,
        answer: &Judgements,
        validity: &Validity,
    ) -> Option<HeldText> {
        let end = run_end(summary, self.outputs.text.columns());
        let shown = HeldText {
            place: self.outputs.text,
            text: format!("\n{end}{}", run_verdicts(answer, validity)),
        };
        if !self.text_is_held {
            shown.print();
        }
        let sentences = summary.findings.sentences();
        sentences.iter().for_each(|sentence| say(sentence));
        self.text_is_held.then_some(shown)
    }

    fn check_history(&self) -> anyhow::Result<()> {
        let files = self.watched.files.as_ref();
        anyhow::ensure!(
            !files.is_some_and(StatsFiles::has_gaps),
            "--csv: rows are missing in the history, see above"
        );
        Ok(())
    }

    fn write_statistics(&mut self, moment: &Moment, summary: &Summary) -> anyhow::Result<()> {
        match &mut self.watched.files {
            Some(files) => Ok(files.update(moment, summary)?),
            None => Ok(()),
        }
    }

    fn page(
        &self,
        plan: &Plan,
        kafka: &KafkaSettings,
        facts: &RunFacts,
        summary: &Summary,
    ) -> String {
        let bins = self.view.histogram(HISTOGRAM_BINS);
        let history = self.view.history();
        files::page(plan, kafka, facts, summary, &history, &bins).to_string()
    }

    fn hdr_log(&self, plan: &Plan, topic: &str, facts: &RunFacts) -> anyhow::Result<Vec<u8>> {
        let began = facts.started + plan.warm_up.min(facts.duration);
        let length = facts.duration.saturating_sub(plan.warm_up);
        hdr_log(topic, began, length, &self.view.response_times())
    }

    fn readings(&self, plan: &Plan, stalled: Stalled) -> Readings {
        Readings {
            is_open_loop: matches!(plan.model, Model::Open(_)),
            // After a reset they are of another span than who waits.
            users: (plan.model == Model::Closed(Pause::None) && !self.view.was_reset())
                .then(|| self.control.mean_users())
                .flatten(),
            in_flight: self.view.occupied(),
            held_back_by_recorder: self.control.held_back_by_recorder(),
            stalled,
            cores: available_cores(),
            cpu: self.watched.cpu.clone(),
            schedule_lag: self.control.own_lag(),
            queue: self.watched.queue.clone(),
        }
    }

    fn ended_by(&self, plan: &Plan, end_of_run: &RunEnd) -> EndedBy {
        match plan.run_time {
            _ if end_of_run.defunct.is_some() || end_of_run.recording_failed => EndedBy::Failure,
            _ if self.watched.threshold_broke => EndedBy::Threshold,
            _ if end_of_run.limit_broke => EndedBy::Limit,
            _ if end_of_run.search_is_over => EndedBy::Search,
            _ if self.control.is_exhausted() => EndedBy::Exhausted,
            Some(run_time) if self.control.ended() >= Some(run_time) => EndedBy::RunTime,
            _ => EndedBy::Signal,
        }
    }

    fn exit_code(
        &self,
        plan: &Plan,
        end_of_run: &RunEnd,
        summary: &Summary,
        validity: &Validity,
        answer: &Judgements,
    ) -> u8 {
        let fail_on = &self.outputs.arguments.fail_on;
        let by_threshold = fail_on.iter().any(Threshold::judges_failures);
        let mut found = summary.findings.capacity.iter();
        let found_nothing = found.any(|found| found.held_per_second.is_none());
        exit_code(Causes {
            ended_early: end_of_run.defunct.is_some(),
            interrupted_twice: end_of_run.interrupted_twice,
            invalid: validity.is_invalid(),
            // A search whose limits no rate has held is as one whose thresholds do not hold.
            thresholds_hold: answer.all_hold() && !found_nothing,
            any_failure: summary.any_failure(),
            // A search goes where requests fail.
            failures_are_judged: by_threshold || plan.search.is_some(),
            code_on_invalid: self.outputs.arguments.exit_code_on_invalid,
            code_on_error: self.outputs.arguments.exit_code_on_error,
        })
    }
}
