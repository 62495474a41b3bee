//! What can be wrong with the CSV of a run. Each message names the place.

use std::path::PathBuf;

/// Why the CSV of a run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line does not have the shape of the header.
    #[error("{path} line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A field cannot be used.
    #[error("{path} line {line}, column {column}: {reason}")]
    Field {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The header lacks a column.
    #[error(
        "{path} line 1: no column {column}; expected a header that starts with request_type,name,response_time"
    )]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that is not there.
        column: &'static str,
    },
    /// There is nothing in the file.
    #[error("{path} is empty; expected a header that starts with request_type,name,response_time")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The fields are not separated by commas.
    #[error(
        "{path} line 1: the fields are separated by {}; only commas are read",
        separator_name(*.separator)
    )]
    Separator {
        /// The file.
        path: PathBuf,
        /// What separates its fields.
        separator: char,
    },
    /// The file is a gzip archive.
    #[error("{path} is compressed; unpack it with gunzip first")]
    Compressed {
        /// The file.
        path: PathBuf,
    },
    /// Nearly every request has a name of its own.
    #[error(
        "{path} line {line}: too many kinds to compare, more than {most}; group them: give all requests of \
         one kind the same name (k6: tags: {{ name: '/orders/ID' }}, Locust: name='/orders/ID')"
    )]
    TooManyKinds {
        /// The file.
        path: PathBuf,
        /// The first line that names one too many, counted from 1.
        line: u64,
        /// The largest number of kinds.
        most: usize,
    },
    /// There is a header, and no measured request.
    #[error("{path} has no measured request{}", warm_up_only(*.warm_up))]
    NoRows {
        /// The file.
        path: PathBuf,
        /// Requests of the warm-up, which do not count.
        warm_up: u64,
    },
}

fn separator_name(separator: char) -> String {
    match separator {
        '\t' => "a tab".to_owned(),
        other => format!("'{other}'"),
    }
}

fn warm_up_only(warm_up: u64) -> String {
    match warm_up {
        0 => String::new(),
        count => format!(", only {count} of the warm-up; shorten --warm-up or lengthen --run-time"),
    }
}
