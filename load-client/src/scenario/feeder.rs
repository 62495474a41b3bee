//! Rows of a CSV, one for each request. Their columns fill in placeholders.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use csv::{ByteRecord, Position, ReaderBuilder};
use serde::Deserialize;

use crate::scenario::{Values, unreadable};

/// Larger files are refused, because the rows are held in memory.
const LARGEST_BYTES: u64 = 1 << 30;
/// UTF-8's byte-order mark, which spreadsheets write at the beginning.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The order in which rows are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FeederOrder {
    /// In the order of the file, and from the first row again after the last.
    #[default]
    Sequential,
    /// A random row each time, decided by the seed of the run.
    Random,
    /// In the order of the file. The run ends after the last row.
    Once,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    feeder: &'a Feeder,
    number: usize,
}

impl<'a> Row<'a> {
    /// Returns the field of a column, by the column's index.
    pub(super) fn get(self, column: usize) -> Option<&'a [u8]> {
        let (columns, ends) = (self.feeder.columns.len(), &self.feeder.ends);
        let place = (column < columns).then_some(self.number * columns + column)?;
        let start = place.checked_sub(1).map_or(0, |before| ends[before]);
        self.feeder.content.get(start..*ends.get(place)?)
    }
}

/// The rows of one file. Users share them without waiting for each other.
#[derive(Debug)]
pub(crate) struct Feeder {
    columns: Vec<String>,
    /// The fields of all rows, one after the other. As separate values, short rows would take many times their size.
    content: Vec<u8>,
    /// The end of each field in `content`.
    ends: Vec<usize>,
    order: FeederOrder,
    taken: AtomicU64,
}

impl Feeder {
    /// Reads a CSV whose first line names the columns. Fails when it has no row, or a row with another number of
    /// fields.
    pub(crate) fn read(path: &Path, order: FeederOrder) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let feeder = Self::bounded(file, LARGEST_BYTES, order);
        feeder.map_err(|reason| format!("{}: {reason}", path.display()))
    }

    /// Reads at most `most` bytes. The size of a pipe is not known beforehand.
    fn bounded(source: impl Read, most: u64, order: FeederOrder) -> Result<Self, String> {
        let mut source = source.take(most + 1);
        let feeder = Self::parse(&mut source, order);
        match source.limit() {
            0 => Err(format!(
                "is larger than {} MiB, but rows are held in memory",
                most >> 20
            )),
            _ => feeder,
        }
    }

    pub(super) fn parse(source: impl Read, order: FeederOrder) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(source);
        let header = reader.byte_headers().map_err(|error| error.to_string())?;
        let columns = columns(header)?;
        let (mut content, mut ends) = (Vec::new(), Vec::new());
        for row in reader.byte_records() {
            let row = row.map_err(|error| error.to_string())?;
            if row.len() != columns.len() {
                return Err(format!(
                    "line {}: {} field(s) where the header has {}",
                    row.position().map_or(0, Position::line),
                    row.len(),
                    columns.len()
                ));
            }
            for field in &row {
                content.extend_from_slice(field);
                ends.push(content.len());
            }
        }
        if ends.is_empty() {
            let missing =
                "has no rows: write one per line, below a line with the names of the columns";
            return Err(missing.to_owned());
        }
        Ok(Self {
            columns,
            content,
            ends,
            order,
            taken: AtomicU64::new(0),
        })
    }

    /// Returns the names of the columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the row of the next request, `None` after the last row.
    pub(super) fn next(&self, values: &Values) -> Option<Row<'_>> {
        let rows = self.ends.len() / self.columns.len();
        let taken = || values.next_of(&self.taken);
        let number = match self.order {
            FeederOrder::Sequential => (taken() % rows as u64) as usize,
            FeederOrder::Random => values.random(0, rows as i64 - 1) as usize,
            FeederOrder::Once => usize::try_from(taken()).unwrap_or(usize::MAX),
        };
        (number < rows).then_some(Row {
            feeder: self,
            number,
        })
    }

    /// Returns a row without using it up.
    pub(super) fn sample(&self) -> Row<'_> {
        Row {
            feeder: self,
            number: 0,
        }
    }
}

fn columns(header: &ByteRecord) -> Result<Vec<String>, String> {
    let mut columns: Vec<String> = Vec::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        let name = str::from_utf8(name).map_err(|_| "line 1: a name is not UTF-8")?;
        let name = name.strip_prefix(BYTE_ORDER_MARK).unwrap_or(name).trim();
        if name.is_empty() || name.contains('}') {
            return Err(format!(
                "line 1: column {} has no name that works in {{csv.NAME}}; name all columns, without }}",
                index + 1
            ));
        }
        if columns.iter().any(|own| own == name) {
            return Err(format!(
                "line 1: two columns are called {name:?}; use each name once"
            ));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::load::Share;
    use crate::scenario::{Mix, Scenario, read_scenario};

    const ROWS: &str = "id,name\n1,a\n2,\"b, c\"\n3,\n";

    fn taken(order: FeederOrder, count: usize) -> Vec<Option<String>> {
        let feeder = Feeder::parse(ROWS.as_bytes(), order).unwrap();
        let values = Values::new(1, Share::WHOLE);
        let id = |row: Row<'_>| String::from_utf8_lossy(row.get(0).unwrap()).into_owned();
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
        assert_eq!(feeder.sample().get(1).unwrap(), b"b, \"c\"");
        assert_eq!(feeder.sample().get(2), None);
    }

    #[test]
    fn every_row_is_taken_once_by_many_users() {
        let text = (0..1000).fold("id\n".to_owned(), |text, id| format!("{text}{id}\n"));
        let feeder = Feeder::parse(text.as_bytes(), FeederOrder::Once).unwrap();
        let values = Values::new(1, Share::WHOLE);
        let mut all = std::thread::scope(|scope| {
            let take = || std::iter::from_fn(|| feeder.next(&values)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            let taken = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            taken
                .map(|row| row.get(0).unwrap().to_vec())
                .collect::<Vec<_>>()
        });
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 1000);
    }

    #[test]
    fn clients_of_one_load_share_the_rows() {
        let text = "id\n0\n1\n2\n3\n4\n";
        let taken = |index, order| {
            let feeder = Feeder::parse(text.as_bytes(), order).unwrap();
            let values = Values::new(1, Share::new(index, 2).unwrap());
            let rows = std::iter::from_fn(|| feeder.next(&values)).take(4);
            rows.map(|row| row.number).collect::<Vec<_>>()
        };
        assert_eq!(taken(0, FeederOrder::Once), [0, 2, 4]);
        assert_eq!(taken(1, FeederOrder::Once), [1, 3]);
        assert_eq!(taken(1, FeederOrder::Sequential), [1, 3, 0, 2]);
    }

    #[test]
    fn files_that_are_too_large_are_refused_and_not_cut_off() {
        let text = format!("id\n{}\n", "7".repeat(1 << 20));
        let most = text.len() as u64;
        assert!(Feeder::bounded(text.as_bytes(), most, FeederOrder::Once).is_ok());
        let told = Feeder::bounded(text.as_bytes(), most - 1, FeederOrder::Once).unwrap_err();
        assert!(told.starts_with("is larger than 1 MiB"), "{told}");
    }

    #[test]
    fn other_files_are_refused_with_the_place() {
        for (text, expected) in [
            ("", "has no rows"),
            ("id,name\n", "has no rows"),
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
        let told = "no/such.csv cannot be read: ";
        assert!(missing.starts_with(told), "{missing}");
    }

    #[test]
    fn rows_of_a_feeder_fill_in_body_key_and_headers() {
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("mix.toml");
        std::fs::write(folder.path().join("rows.csv"), "id,name\n1,a\n2,b\n").unwrap();
        let text = "[[request]]\nname = 'a'\nbody = '{csv.name}'\nkey = '{csv.id}'\nheaders = { n = '{csv.name}' }\n\
                feeder = 'rows.csv'\nfeeder_order = 'once'\n";
        std::fs::write(&scenario, text).unwrap();
        let mix = Mix::try_new(read_scenario(&scenario).unwrap().kinds, 1, Share::WHOLE).unwrap();
        assert_eq!(mix.samples()[0].body.as_deref(), Some(&b"a"[..]));
        let sent: Vec<_> = std::iter::from_fn(|| mix.next(0)).collect();
        let bytes = |text: &'static str| Bytes::from(text);
        let parts = sent.into_iter().map(|own| (own.key, own.body, own.headers));
        let expected = [("1", "a"), ("2", "b")].map(|(id, name)| {
            (
                Some(bytes(id)),
                Some(bytes(name)),
                vec![("n".to_owned(), bytes(name))],
            )
        });
        assert_eq!(parts.collect::<Vec<_>>(), expected);
    }
}
