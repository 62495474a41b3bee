//! What the terminal shows. Reads data and writes text; knows nothing of how a run is driven.

mod comparison;

pub use comparison::comparison_text;
