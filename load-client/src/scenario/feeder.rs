//! Rows of a CSV, one for each request, whose columns fill in placeholders.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ByteRecord, Position, ReaderBuilder};
use serde::Deserialize;

use crate::scenario::Values;

/// Larger files are refused: the rows are held in memory.
const LARGEST_BYTES: u64 = 1 << 30;
/// UTF-8's byte-order mark, which spreadsheets put in front.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// In which order rows are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FeederOrder {
    /// As they stand, and from the first again after the last.
    #[default]
    Sequential,
    /// Any row each time; the seed of the run decides which.
    Random,
    /// As they stand, and the run ends after the last.
    Once,
}

impl FromStr for FeederOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sequential" => Ok(Self::Sequential),
            "random" => Ok(Self::Random),
            "once" => Ok(Self::Once),
            _ => Err("takes sequential, random or once".to_owned()),
        }
    }
}

/// Why a file of rows cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeederError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It has no row, or too much.
    #[error("{}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to write.
        reason: String,
    },
}

/// The rows of one file. Users share it, and none of them waits for another.
#[derive(Debug)]
pub(crate) struct Feeder {
    columns: Vec<String>,
    rows: Vec<ByteRecord>,
    order: FeederOrder,
    taken: AtomicUsize,
}

impl Feeder {
    /// Reads a CSV whose first line names the columns.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, has no row, or has rows of other lengths than its header.
    pub(crate) fn read(path: &Path, order: FeederOrder) -> Result<Self, FeederError> {
        let failed = |source| FeederError::Read {
            path: path.to_owned(),
            source,
        };
        let content = |reason: String| FeederError::Content {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(failed)?;
        if file
            .metadata()
            .is_ok_and(|facts| facts.len() > LARGEST_BYTES)
        {
            return Err(content(
                "is larger than 1 GiB, and rows are held in memory".to_owned(),
            ));
        }
        // A device without an end is cut off here, and then has no row or a broken one.
        Self::parse(file.take(LARGEST_BYTES), order).map_err(content)
    }

    fn parse(source: impl Read, order: FeederOrder) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(source);
        let header = reader.byte_headers().map_err(|error| error.to_string())?;
        let columns = columns(header)?;
        let mut rows = Vec::new();
        for row in reader.into_byte_records() {
            let row = row.map_err(|error| error.to_string())?;
            if row.len() != columns.len() {
                return Err(format!(
                    "line {}: {} field(s) where the header has {}",
                    row.position().map_or(0, Position::line),
                    row.len(),
                    columns.len()
                ));
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(
                "holds no row: write one a line, below a line with the names of the columns"
                    .to_owned(),
            );
        }
        Ok(Self {
            columns,
            rows,
            order,
            taken: AtomicUsize::new(0),
        })
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The row of the next request; `None` when all are taken.
    pub(super) fn next(&self, values: &Values) -> Option<&ByteRecord> {
        let taken = || self.taken.fetch_add(1, Ordering::Relaxed);
        let place = match self.order {
            FeederOrder::Sequential => taken() % self.rows.len(),
            FeederOrder::Random => values.random_below(self.rows.len()),
            FeederOrder::Once => taken(),
        };
        self.rows.get(place)
    }

    /// A row that is not taken by being looked at.
    pub(super) fn sample(&self) -> Option<&ByteRecord> {
        self.rows.first()
    }
}

fn columns(header: &ByteRecord) -> Result<Vec<String>, String> {
    let mut columns: Vec<String> = Vec::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        let name =
            std::str::from_utf8(name).map_err(|_| "line 1: a name is not UTF-8".to_owned())?;
        let name = name.strip_prefix(BYTE_ORDER_MARK).unwrap_or(name).trim();
        if name.is_empty() || name.contains('}') {
            return Err(format!(
                "line 1: column {} has no name that {{csv.NAME}} can hold; name all columns, without }}",
                index + 1
            ));
        }
        if columns.iter().any(|own| own == name) {
            return Err(format!(
                "line 1: two columns are called {name:?}; name each once"
            ));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "id,name\n1,a\n2,\"b, c\"\n3,\n";

    fn taken(order: FeederOrder, count: usize) -> Vec<Option<String>> {
        let feeder = Feeder::parse(ROWS.as_bytes(), order).unwrap();
        let values = Values::new(1);
        let id = |row: &ByteRecord| String::from_utf8_lossy(&row[0]).into_owned();
        (0..count).map(|_| feeder.next(&values).map(id)).collect()
    }

    #[test]
    fn each_order_takes_its_rows() {
        let ids = |ids: &[&str]| {
            ids.iter()
                .map(|id| Some((*id).to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            taken(FeederOrder::Sequential, 5),
            ids(&["1", "2", "3", "1", "2"])
        );
        let once = [ids(&["1", "2", "3"]), vec![None, None]].concat();
        assert_eq!(taken(FeederOrder::Once, 5), once);
        let random = taken(FeederOrder::Random, 300);
        for id in ids(&["1", "2", "3"]) {
            let count = random.iter().filter(|own| **own == id).count();
            assert!((60..140).contains(&count), "{id:?}: {count}");
        }
        assert_eq!(
            taken(FeederOrder::Random, 300),
            random,
            "the seed repeats them"
        );
    }

    #[test]
    fn quotes_windows_and_spreadsheets_are_understood() {
        let text = "\u{feff}id, name\r\n1,\"b, \"\"c\"\"\"\r\n";
        let feeder = Feeder::parse(text.as_bytes(), FeederOrder::Once).unwrap();
        assert_eq!(feeder.columns(), ["id", "name"]);
        assert_eq!(&feeder.sample().unwrap()[1], b"b, \"c\"");
    }

    #[test]
    fn every_row_is_taken_once_by_many_users() {
        let text = (0..1000).fold("id\n".to_owned(), |text, id| format!("{text}{id}\n"));
        let feeder = Feeder::parse(text.as_bytes(), FeederOrder::Once).unwrap();
        let values = Values::new(1);
        let mut all = std::thread::scope(|scope| {
            let take = || std::iter::from_fn(|| feeder.next(&values)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            let taken = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            taken.map(|row| row[0].to_vec()).collect::<Vec<_>>()
        });
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 1000);
    }

    #[test]
    fn other_files_are_refused_with_the_place() {
        for (text, expected) in [
            ("", "holds no row"),
            ("id,name\n", "holds no row"),
            (
                "id,name\n1,a\n2\n",
                "line 3: 1 field(s) where the header has 2",
            ),
            ("id,\n1,2\n", "line 1: column 2 has no name"),
            ("a}b\n1\n", "line 1: column 1 has no name"),
            ("id,id\n1,2\n", "line 1: two columns are called \"id\""),
        ] {
            let told = Feeder::parse(text.as_bytes(), FeederOrder::Once).unwrap_err();
            assert!(told.starts_with(expected), "{told}");
        }
        let missing = Feeder::read(Path::new("no/such.csv"), FeederOrder::Once).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("no/such.csv cannot be read: "),
            "{missing}"
        );
    }
}
