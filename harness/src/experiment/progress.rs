//! Shows the progress of an experiment: a bar on a terminal, plain lines elsewhere.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use program_shell::terminal::takes_escapes;

/// Shows progress on standard error, so that standard output has only the result.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    /// Whether each run gets a line.
    tells_runs: bool,
}

impl Progress {
    pub(crate) fn new(runs: u64) -> Self {
        if !takes_escapes(&std::io::stderr()) {
            return Self {
                bar: None,
                tells_runs: true,
            };
        }
        let bar = ProgressBar::new(runs);
        let template = "{spinner} {bar:30} {pos}/{len} runs  {elapsed} elapsed, {eta} to go  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar: Some(bar),
            tells_runs: true,
        }
    }

    /// For many experiments: only experiments get a line, not their runs.
    pub(crate) fn of_experiments(runs: u64) -> Self {
        let mut own = Self::new(runs);
        own.tells_runs = false;
        own
    }

    /// Shows what is in progress now.
    pub(crate) fn doing(&self, what: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(what);
        }
    }

    /// Counts a finished run.
    pub(crate) fn done(&self, line: &str) {
        if self.tells_runs {
            self.tell(line);
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Writes a line that stays on the screen.
    pub(crate) fn tell(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            // A closed standard error must not end the experiment.
            None => drop(writeln!(std::io::stderr().lock(), "{line}")),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
