//! Reads and writes the metadata of a committed offset: its topic's id, and the finished offsets above it. Pure.

use crate::offsets::{Finished, Position};

/// The default limit of a broker for the metadata of an offset, in bytes (`offset.metadata.max.bytes`).
pub(super) const DEFAULT_ROOM: usize = 4096;

/// The metadata that an earlier member wrote for a committed offset of this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    /// The id of the topic in which the offset was reached.
    pub(super) topic_id: &'a str,
    /// The finished offsets above it.
    pub(super) finished: Finished,
}

/// Writes the ids of topic and cluster, and as many finished offsets as there is room for; `None` if there is no room
/// for the ids. The cluster's id matters because mirrored offsets belong to topics with other ids. Also returns whether
/// all finished offsets fit.
pub(super) fn write(
    cluster_id: &str,
    topic_id: &str,
    position: &Position,
    room: usize,
) -> Option<(String, bool)> {
    let mut text = format!("topic-id={topic_id} cluster-id={cluster_id}");
    let room = room.checked_sub(text.len())?;
    let finished = room.checked_sub(FINISHED.len());
    let finished = finished.and_then(|room| position.finished.encode(position.next_offset, room));
    let is_whole = match &finished {
        Some((_, is_whole)) => *is_whole,
        None => position.finished.is_empty(),
    };
    if let Some((finished, _)) = finished {
        text += FINISHED;
        text += &finished;
    }
    Some((text, is_whole))
}

/// Returns the metadata without the finished offsets.
pub(super) fn ids(metadata: &str) -> &str {
    metadata
        .split_once(FINISHED)
        .map_or(metadata, |(ids, _)| ids)
}

/// Reads the metadata of a committed offset if it is of this cluster. Unknown text after the ids is ignored.
pub(super) fn read<'a>(
    metadata: &'a str,
    cluster_id: &str,
    next_offset: i64,
) -> Option<Written<'a>> {
    let (topic_id, rest) = metadata
        .strip_prefix("topic-id=")?
        .split_once(" cluster-id=")?;
    let more = rest.strip_prefix(cluster_id)?;
    if !more.is_empty() && !more.starts_with(' ') {
        return None;
    }
    let finished = more.strip_prefix(FINISHED);
    let finished = finished.and_then(|text| Finished::decode(text, next_offset));
    Some(Written {
        topic_id,
        finished: finished.unwrap_or_default(),
    })
}

const FINISHED: &str = " finished=";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TopicPartition;

    /// A position at the unfinished offset 5, with these finished offsets above it.
    fn position(finished: &str) -> Position {
        Position {
            topic_partition: TopicPartition::new("orders", 0),
            next_offset: 5,
            generation: 1,
            finished: Finished::decode(finished, 5).unwrap_or_default(),
        }
    }

    #[test]
    fn h26_a_committed_offset_names_its_topic_within_its_cluster() {
        for finished in ["", "1:5:1+2"] {
            let (metadata, _) = write("here", "3bOC", &position(finished), DEFAULT_ROOM).unwrap();
            let topic_id = |cluster| read(&metadata, cluster, 5).map(|written| written.topic_id);
            assert_eq!(topic_id("here"), Some("3bOC"));
            assert_eq!(topic_id("there"), None, "mirrored");
            assert_eq!(topic_id("her"), None, "of another name");
        }
        for foreign in ["", "3bOC", "cluster-id=here", "x cluster-id=here"] {
            assert_eq!(read(foreign, "here", 5), None, "{foreign}");
        }
    }

    #[test]
    fn h33_what_is_finished_is_written_beside_the_topic_and_belongs_to_the_offset() {
        let position = position("1:5:1+20");
        let (metadata, is_whole) = write("here", "3bOC", &position, DEFAULT_ROOM).unwrap();
        assert!(is_whole);
        assert_eq!(metadata, "topic-id=3bOC cluster-id=here finished=1:5:1+20");
        let finished = |offset| read(&metadata, "here", offset).unwrap().finished;
        assert_eq!(finished(5), position.finished);
        assert!(finished(6).is_empty(), "somebody set the offset");
        for later in ["finished=2:5:x", "finished=1:5:1+2 more", "else"] {
            let later = format!("topic-id=3bOC cluster-id=here {later}");
            let read = read(&later, "here", 5).unwrap();
            assert_eq!((read.topic_id, read.finished.is_empty()), ("3bOC", true));
        }
    }

    #[test]
    fn h33_metadata_without_room_is_left_out_and_the_topic_last() {
        let position = position("1:5:1+20,1+20");
        let (whole, _) = write("here", "3bOC", &position, DEFAULT_ROOM).unwrap();
        let written = |room| write("here", "3bOC", &position, room);
        assert_eq!(written(whole.len()), Some((whole.clone(), true)));
        let part = whole.strip_suffix(",1+20").unwrap().to_owned();
        assert_eq!(written(whole.len() - 1), Some((part.clone(), false)));
        let bare = "topic-id=3bOC cluster-id=here".to_owned();
        assert_eq!(written(part.len() - 1), Some((bare.clone(), false)));
        assert_eq!(written(bare.len()), Some((bare.clone(), false)));
        assert_eq!(written(bare.len() - 1), None);
    }

    proptest! {
        #[test]
        fn whatever_some_other_program_wrote_is_read_or_passed_over(
            text in prop_oneof![".{0,100}", "topic-id=.{0,9} cluster-id=here( finished=.{0,30})?"],
        ) {
            if let Some(written) = read(&text, "here", 5) {
                prop_assert!(text.contains(written.topic_id));
            }
        }
    }
}
