//! Files that a run or a comparison leaves behind. Reads data, never the runner.

pub mod html;
