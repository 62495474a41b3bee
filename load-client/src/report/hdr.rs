//! Response times as a log of HdrHistogram (its version 2, compressed), which HdrHistogram's own tools read and plot.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

/// As the tools have it: values are nanoseconds, and the largest of a line is told in milliseconds.
const NANOSECONDS_PER_MILLISECOND: f64 = 1e6;

/// Writes a line for each kind of request, with the kind as its tag; `began` and `length` are of the measured window.
///
/// # Errors
///
/// When a histogram cannot be packed, which is a fault of the library.
pub(crate) fn hdr_log(
    topic: &str,
    began: SystemTime,
    length: Duration,
    kinds: &[(String, Histogram<u64>)],
) -> anyhow::Result<Vec<u8>> {
    let start = began.duration_since(SystemTime::UNIX_EPOCH)?;
    let (mut log, mut packed) = (Vec::new(), V2DeflateSerializer::new());
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment(&format!("load-client: response times on {topic}"))
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(began)
        .with_max_value_divisor(NANOSECONDS_PER_MILLISECOND)
        .begin_log_with(&mut log, &mut packed)?;
    let mut tags = HashSet::new();
    for (number, (name, histogram)) in kinds.iter().enumerate() {
        let mut tag = name.replace([',', ' ', '\r', '\n'], "_");
        // Tools add up what has one tag.
        while !tags.insert(tag.clone()) {
            tag += &format!("_{}", number + 1);
        }
        writer.write_histogram(histogram, start, length, Tag::new(&tag))?;
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut histogram = Histogram::new(4).unwrap();
        (1..=1000).for_each(|number| histogram.record(number * 1_000_000).unwrap());
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let kinds = ["find, by id", "find,_by id"].map(|name| (name.to_owned(), histogram.clone()));
        let log = hdr_log("createOrder", began, Duration::from_secs(9), &kinds).unwrap();
        let text = String::from_utf8(log).unwrap();
        assert!(
            text.contains("Tag=find__by_id,1700000000.000,9.000,1000")
                && text.contains("Tag=find__by_id_2,"),
            "{text}"
        );
        let entries = IntervalLogIterator::new(text.as_bytes()).map(Result::unwrap);
        let read: Vec<Histogram<u64>> = entries
            .filter_map(|entry| match entry {
                LogEntry::Interval(line) => Some(line.encoded_histogram().to_owned()),
                _ => None,
            })
            .map(|line| {
                let bytes = BASE64_STANDARD.decode(&line).unwrap();
                Deserializer::new().deserialize(&mut &*bytes).unwrap()
            })
            .collect();
        assert_eq!(read, [histogram.clone(), histogram]);
    }
}
