//! How a request names the partition that it wants its reply on.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The header that names the partition of the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PartitionHeader {
    /// Its name.
    pub name: String,
    /// How the number is written.
    pub encoding: PartitionEncoding,
}

/// How the number of a partition is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PartitionEncoding {
    /// Four bytes, the most significant first.
    Bytes,
    /// Decimal digits.
    Text,
}

impl PartitionHeader {
    /// The header's value.
    #[must_use]
    pub(crate) fn value(&self, partition: i32) -> Vec<u8> {
        match self.encoding {
            PartitionEncoding::Bytes => partition.to_be_bytes().to_vec(),
            PartitionEncoding::Text => partition.to_string().into_bytes(),
        }
    }
}

impl FromStr for PartitionHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (encoding, name) = match text.split_once(':') {
            Some(("bytes", name)) => (PartitionEncoding::Bytes, name),
            Some(("text", name)) => (PartitionEncoding::Text, name),
            _ => (PartitionEncoding::Text, ""),
        };
        if name.trim().is_empty() || name.contains('\0') {
            return Err("takes bytes:NAME or text:NAME".to_owned());
        }
        let name = name.to_owned();
        Ok(Self { name, encoding })
    }
}

impl fmt::Display for PartitionHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = match self.encoding {
            PartitionEncoding::Bytes => "bytes",
            PartitionEncoding::Text => "text",
        };
        write!(f, "{encoding}:{}", self.name)
    }
}
