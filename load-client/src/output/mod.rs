//! What the terminal shows. Reads data and writes text; knows nothing of how a run is driven.

mod comparison;
mod comparison_markdown;
mod markdown;
mod run;

pub use comparison::comparison_text;
pub use comparison_markdown::comparison_markdown;
pub use run::{live_table, run_end};
