//! What a page says of the circumstances of its runs.

/// What the page says about the circumstances of the runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageContext {
    /// Heading and window title.
    pub title: String,
    /// Sentences that a reader must not miss, for example that the broker was a mock.
    pub notices: Vec<String>,
    /// What was run: environment, settings, commands.
    pub sections: Vec<Section>,
}

/// A table of names and values under a heading.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// Names and values.
    pub rows: Vec<(String, String)>,
}
