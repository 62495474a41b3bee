//! What a bridge did with the records that it was given.

/// Counts of finished records; each record is in exactly one of the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records whose reply the broker has acknowledged, failure answers included.
    pub replied: u64,
    /// Records that went to the dead-letter topic.
    pub dead_lettered: u64,
    /// Records that were counted and logged only.
    pub skipped: u64,
    /// Records that were under way when the drain time was over; they will be delivered again.
    pub abandoned: u64,
}
