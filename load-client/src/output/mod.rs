//! What the terminal shows. Reads data and writes text; knows nothing of how a run is driven.

mod comparison;
mod run;

pub use comparison::comparison_text;
pub use run::{live_table, run_end};
