//! What a run measures: samples are recorded, summed up, held against thresholds and looked through for findings.

// internal: what the program shows and judges
pub(crate) mod analysis;
pub(crate) mod history;
pub(crate) mod memory;
pub mod recorder;
pub(crate) mod sample;
pub(crate) mod selfcheck;
pub mod summary;
pub(crate) mod tally;
pub(crate) mod threshold;
pub(crate) mod window;
