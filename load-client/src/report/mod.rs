//! Files that a run or a comparison leaves behind. Reads data, never the runner.

mod collision;
mod csv_stats;
mod destination;
pub mod html;
mod requests_csv;
mod run_history;
mod run_json;
pub mod text;

pub use destination::{Destination, ExportError, is_standard_output, remove_earlier, write_whole};
pub use requests_csv::RequestsCsv;
// internal: the files of the program's commands
pub(crate) use collision::{Collision, refuse_collisions};
pub(crate) use csv_stats::{StatsFiles, failures_csv, stats_csv};
pub(crate) use run_history::{HistoryRow, append_history, check_history};
pub(crate) use run_json::{EndedBy, RunFacts, RunReport};
