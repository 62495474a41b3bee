//! What a run measures: samples are recorded, summed up, held against thresholds and looked through for findings.

pub mod recorder;
pub mod summary;
// internal: what the program shows and judges
pub(crate) mod analysis;
pub(crate) mod history;
pub(crate) mod memory;
pub(crate) mod moment;
pub(crate) mod sample;
pub(crate) mod selfcheck;
pub(crate) mod tally;
pub(crate) mod threshold;
pub(crate) mod window;
