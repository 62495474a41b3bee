//! Files that a run or a comparison leaves behind. Reads data, never the runner.

mod collision;
mod csv_stats;
mod destination;
pub mod html;
mod requests_csv;
mod run_history;
mod run_json;

pub use collision::{Collision, refuse_collisions};
pub use csv_stats::{StatsFiles, failures_csv, history_rows, stats_csv};
pub use destination::{Destination, ExportError, is_standard_output, remove_earlier, write_whole};
pub use requests_csv::RequestsCsv;
pub use run_history::{HISTORY_COLUMNS, HistoryError, HistoryRow, append_history, check_history};
pub use run_json::{EndedBy, RunFacts, RunReport};
