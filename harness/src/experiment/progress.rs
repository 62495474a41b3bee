//! How far the experiment is: a bar on a terminal, plain lines elsewhere.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use program_shell::terminal::takes_escapes;

/// Shows progress on standard error, so that standard output holds the result alone.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(runs: u64) -> Self {
        if !takes_escapes(&std::io::stderr()) {
            return Self { bar: None };
        }
        let bar = ProgressBar::new(runs);
        let template = "{spinner} {bar:30} {pos}/{len} runs  {elapsed} elapsed, {eta} to go  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar: Some(bar) }
    }

    /// What is under way now.
    pub(super) fn doing(&self, what: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(what);
        }
    }

    /// One run is done; `line` stays on the screen.
    pub(super) fn done(&self, line: &str) {
        match &self.bar {
            Some(bar) => {
                bar.println(line);
                bar.inc(1);
            }
            // Progress that nobody can read any more is no reason to end the experiment.
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
