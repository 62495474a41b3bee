//! What the terminal shows. Reads data and writes text; knows nothing of how a run is driven.

mod command_line;
mod comparison;
mod fit;
mod progress;
mod run;
mod verdicts;

pub use command_line::repeat_command;
pub use comparison::comparison_text;
pub use progress::{Progress, progress_line};
pub use run::{live_table, run_end};
pub use verdicts::run_verdicts;
