//! Checks that the settings of a builder do not contradict one another.

use std::time::Duration;

use crate::operation::is_legal_topic;
use crate::{Builder, Error, Operation, ReplyPolicy};

impl<A> Builder<A> {
    pub(super) fn policy(&self) -> ReplyPolicy {
        let own = self.operations.iter();
        let topics = own.filter(|own| own.topic_pattern().is_none());
        let topics: Vec<&str> = topics.map(Operation::topic).collect();
        let patterns = self.operations.iter().filter_map(Operation::topic_pattern);
        let policy = match &self.reply_topics {
            Some(allowed) => ReplyPolicy::new(allowed, topics),
            None => ReplyPolicy::derived_for(&self.settings.profiles, topics),
        };
        let defaults = self.operations.iter();
        let defaults = defaults.filter_map(Operation::default_reply_topic).cloned();
        policy
            .naming(defaults)
            .consuming(patterns.cloned())
            .reserve(self.settings.dead_letter_topic.clone())
    }

    /// Returns the longest time that a request of any operation may take.
    pub(super) fn longest_timeout(&self) -> Duration {
        let default = self.settings.request_timeout;
        let limits = self.operations.iter().map(Operation::time_limit);
        let limits = limits.map(|own| own.unwrap_or(default));
        limits.max().unwrap_or(default)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.operations.is_empty() {
            return Err(Error::NoOperation);
        }
        if self.settings.profiles.is_empty() {
            return Err(Error::NoProfile);
        }
        let topics: Vec<&str> = self.operations.iter().map(Operation::topic).collect();
        let twice = topics
            .iter()
            .enumerate()
            .find(|(index, topic)| topics[..*index].contains(topic));
        if let Some((_, topic)) = twice {
            return Err(Error::DuplicateTopic((*topic).to_owned()));
        }
        let mut limits = self.operations.iter().filter_map(Operation::time_limit);
        if limits.any(|limit| limit.is_zero()) {
            return Err(Error::ZeroBound("Operation::timeout"));
        }
        let mut bounds = self.operations.iter().map(Operation::handling);
        if bounds.any(|own| own.max_in_flight == Some(0)) {
            return Err(Error::ZeroBound("Operation::max_in_flight"));
        }
        self.settings.check(self.longest_timeout())?;
        let policy = self.policy();
        let mut defaults = self.operations.iter();
        let refused = defaults.find_map(|own| {
            own.default_reply_topic()
                .filter(|topic| policy.check(topic).is_err())
        });
        if let Some(topic) = refused {
            return Err(Error::ReplyTopic(topic.to_string()));
        }
        self.check_patterns(&policy)?;
        match &self.settings.dead_letter_topic {
            Some(topic) if topics.contains(&topic.as_str()) || !is_legal_topic(topic) => {
                Err(Error::DeadLetterTopic(topic.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a consumed topic that is reserved for replies, and a list entry that reserves all topics of a pattern.
    fn check_patterns(&self, policy: &ReplyPolicy) -> Result<(), Error> {
        if !self
            .operations
            .iter()
            .any(|own| own.topic_pattern().is_some())
        {
            return Ok(());
        }
        // The entry that reserves all topics that a pattern may match.
        let entry_for = |own: &Operation| {
            let begin = own.topic_pattern()?.prefix();
            let mut listed = self.reply_topics.iter().flatten();
            listed.find(|entry| {
                entry
                    .strip_suffix('*')
                    .is_some_and(|kept| begin.starts_with(kept))
            })
        };
        let refused = self
            .operations
            .iter()
            .find_map(|own| match own.topic_pattern() {
                Some(_) => entry_for(own).map(|entry| (entry.as_str(), own.topic())),
                None => policy
                    .is_kept(own.topic())
                    .then(|| (own.topic(), own.topic())),
            });
        let Some((entry, consumed)) = refused else {
            return Ok(());
        };
        Err(Error::KeptForReplies {
            entry: entry.to_owned(),
            consumed: consumed.to_owned(),
        })
    }
}
