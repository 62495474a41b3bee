//! Consumes the records of a group's topics, and commits its offsets.

mod assignment;
mod commit_metadata;
mod doubts;
mod events;
mod fetch_watch;
mod guard;
mod lag;
mod last_commit;
mod message;
pub(super) mod overheard;
#[cfg(test)]
mod pattern_tests;
mod pauses;
mod polling;
mod source;
mod unreadable;

pub use self::source::KafkaSource;
pub use self::unreadable::quiet_unreadable_headers;
