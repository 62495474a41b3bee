//! What the terminal shows. Reads data and writes text; knows nothing of how a run is driven.

mod command_line;
mod comparison;
mod comparison_markdown;
mod fit;
mod markdown;
mod progress;
mod run;
mod verdicts;

pub(crate) use command_line::repeat_command;
pub use comparison::comparison_text;
pub(crate) use comparison_markdown::comparison_markdown;
pub(crate) use progress::{Progress, progress_line};
pub(crate) use run::{live_table, run_end};
pub(crate) use verdicts::run_verdicts;
