//! Files that a run or a comparison leaves behind. Reads data, never the runner.

mod file;
pub mod html;
mod requests_csv;
mod run_history;
mod run_json;

pub use file::{ExportError, write_whole};
pub use requests_csv::RequestsCsv;
pub use run_history::{HISTORY_COLUMNS, HistoryError, HistoryRow, append_history};
pub use run_json::{EndedBy, RunFacts, RunReport};
