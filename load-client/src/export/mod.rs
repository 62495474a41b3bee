//! Files that a run or a comparison leaves behind. Reads data, never the runner.

mod csv_stats;
mod file;
pub mod html;
mod requests_csv;
mod run_history;
mod run_json;

pub use csv_stats::{StatsFiles, failures_csv, history_rows, stats_csv};
pub use file::{ExportError, check_writable, write_whole};
pub use requests_csv::RequestsCsv;
pub use run_history::{HISTORY_COLUMNS, HistoryError, HistoryRow, append_history};
pub use run_json::{EndedBy, RunFacts, RunReport};
