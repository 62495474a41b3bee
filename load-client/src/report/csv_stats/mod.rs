//! Locust's four CSV files, with its names, columns and order, so that scripts made for them go on working.
//!
//! Where ours differ, they differ in what the figures mean, not in where they stand:
//! - times are milliseconds with decimals, of the good replies only (a failure is never a latency);
//! - a figure that is undefined, or a percentile that fewer than ten replies lie above, is `N/A`, as Locust
//!   writes for a row without requests; pandas reads that as missing;
//! - the warm-up is in none of the totals, while rates, users and the percentiles of a window show it;
//! - `First Seen` and `Last Seen` are seconds since 1970, as is `Timestamp`;
//! - `_exceptions.csv` has its header only: there is no user code that could raise.

mod files;
mod rows;

pub(crate) use files::StatsFiles;
pub(crate) use rows::{failures_csv, stats_csv};

#[cfg(test)]
mod tests;
