//! Decides to which topics replies may go. Requesters choose the return address, so it has to be checked. `address`
//! reads it from a record.
//!
//! Without this check any client could make the service write to any topic that the service may write to: its own
//! request topic (an endless loop), a broker's internal topic, another team's topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ReplyProfile;
use crate::operation::is_legal_topic;
use crate::operation::pattern::TopicPattern;

/// Says why a return address is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressDenied {
    /// The reply topic headers have different values, so it is unclear which one is meant.
    #[error("the reply topic headers have different values")]
    Ambiguous,
    /// Kafka has no topic of that name: it is empty, too long, or has illegal characters.
    #[error("the reply topic header is not a legal topic name")]
    Illegal,
    /// The bridge consumes the topic: the reply would come back as a request.
    #[error("the reply topic header names a topic that this bridge consumes")]
    Subscribed,
    /// The topic belongs to the broker or is the dead-letter topic.
    #[error("the reply topic header names an internal topic")]
    Internal,
    /// The topic is not on the allow-list.
    #[error("the reply topic header names a topic that is not on the allow-list")]
    NotAllowed,
}

/// Decides to which topics replies may go.
///
/// # Examples
///
/// ```
/// use kafka_bridge::{AddressDenied, ReplyPolicy};
///
/// let policy = ReplyPolicy::new(["createOrder.reply", "replies.*"], ["createOrder"]);
/// assert!(policy.check("replies.eu").is_ok());
/// assert_eq!(policy.check("payments"), Err(AddressDenied::NotAllowed));
/// assert_eq!(policy.check("createOrder"), Err(AddressDenied::Subscribed));
/// ```
#[derive(Clone, Debug)]
pub struct ReplyPolicy {
    allowed: Vec<Pattern>,
    subscribed: Vec<String>,
    reserved: Option<String>,
    /// The reply topics of operations, for requesters that name none.
    named: Vec<Pattern>,
    /// Topics that match are also consumed, unless replies or dead letters may go there.
    patterns: Vec<TopicPattern>,
    /// The endings of reply topics that are derived from a pattern's match. With a final `*` it may be anywhere in the
    /// name.
    suffixes: Vec<String>,
    /// Whether the names are derived from those of other topics, so that nobody has said that they exist.
    is_derived: bool,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact(Arc<str>),
    Prefix(String),
}

/// Says where a topic's name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The operator typed it, and so says that the topic exists.
    Typed,
    /// It is derived from the name of a request topic. The topic need not exist. If it exists, the operator created it.
    Derived,
}

impl Pattern {
    fn parse(pattern: &str) -> Self {
        match pattern.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(pattern.into()),
        }
    }

    fn exact(&self) -> Option<&str> {
        match self {
            Self::Exact(name) => Some(name),
            Self::Prefix(_) => None,
        }
    }

    fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *topic,
            Self::Prefix(prefix) => topic.starts_with(prefix.as_str()),
        }
    }
}

impl ReplyPolicy {
    /// Creates a policy that allows the topics in `allowed`: exact names, or prefixes that end in `*`.
    ///
    /// Topics in `subscribed`, which the bridge consumes, are never allowed.
    pub fn new<A: AsRef<str>, S: Into<String>>(
        allowed: impl IntoIterator<Item = A>,
        subscribed: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            allowed: allowed
                .into_iter()
                .map(|pattern| Pattern::parse(pattern.as_ref()))
                .collect(),
            subscribed: subscribed.into_iter().map(Into::into).collect(),
            reserved: None,
            named: Vec::new(),
            patterns: Vec::new(),
            suffixes: Vec::new(),
            is_derived: false,
        }
    }

    /// Creates the default policy: allows `<topic>.reply` and `<topic>.reply.*` of each subscribed topic.
    pub fn derived<S: Into<String>>(subscribed: impl IntoIterator<Item = S>) -> Self {
        Self::derived_for(&[ReplyProfile::reference()], subscribed)
    }

    /// Creates a policy that allows, for each subscribed topic, the reply topics that requesters of the profiles derive
    /// from its name: see [`ReplyProfile::reply_topic_suffixes`].
    pub fn derived_for<S: Into<String>>(
        profiles: &[ReplyProfile],
        subscribed: impl IntoIterator<Item = S>,
    ) -> Self {
        let subscribed: Vec<String> = subscribed.into_iter().map(Into::into).collect();
        let suffixes = profiles
            .iter()
            .flat_map(|profile| &profile.reply_topic_suffixes);
        let suffixes: BTreeSet<&String> = suffixes.collect();
        let own = suffixes.iter().map(|suffix| (*suffix).clone()).collect();
        let allowed: Vec<String> = subscribed
            .iter()
            .flat_map(|topic| {
                suffixes
                    .iter()
                    .map(move |suffix| format!("{topic}{suffix}"))
            })
            .collect();
        Self {
            is_derived: true,
            suffixes: own,
            ..Self::new(allowed, subscribed)
        }
    }

    /// Denies the dead-letter topic, to which only the bridge writes.
    #[must_use]
    pub fn reserve(mut self, topic: Option<String>) -> Self {
        self.reserved = topic;
        self
    }

    /// Counts matching topics as consumed, except those for replies or dead letters.
    pub(crate) fn consuming(mut self, patterns: impl IntoIterator<Item = TopicPattern>) -> Self {
        self.patterns = patterns.into_iter().collect();
        self
    }

    /// Returns whether the bridge consumes a topic.
    pub(crate) fn is_consumed(&self, topic: &str) -> bool {
        let is_own = self.subscribed.iter().any(|own| own == topic);
        is_own || (self.patterns.iter().any(|own| own.is_match(topic)) && !self.is_kept(topic))
    }

    /// Returns whether a topic is excluded from all patterns.
    pub(crate) fn is_kept(&self, topic: &str) -> bool {
        let is_listed = || {
            let mut listed = self.named.iter().chain(&self.allowed);
            listed.any(|pattern| pattern.matches(topic))
        };
        let is_derived = |suffix: &String| match suffix.strip_suffix('*') {
            Some(within) => topic.contains(within),
            None => topic.ends_with(suffix),
        };
        self.is_internal(topic) || is_listed() || self.suffixes.iter().any(is_derived)
    }

    /// Returns the topics that librdkafka must exclude from patterns, the same as in [`ReplyPolicy::is_kept`].
    /// librdkafka reads an entry that begins with `^` as a regular expression, and others as names.
    pub(crate) fn kept(&self) -> Vec<String> {
        if self.patterns.is_empty() {
            return Vec::new();
        }
        let escaped = |text: &str| text.replace('.', "\\.");
        let listed = self.named.iter().chain(&self.allowed);
        let listed = listed.map(|pattern| match pattern {
            Pattern::Exact(name) => name.to_string(),
            Pattern::Prefix(prefix) => format!("^{}.*", escaped(prefix)),
        });
        let derived = self
            .suffixes
            .iter()
            .map(|suffix| match suffix.strip_suffix('*') {
                Some(within) => format!("^.*{}.*", escaped(within)),
                None => format!("^.*{}$", escaped(suffix)),
            });
        let internal = ["^__.*".to_owned()]
            .into_iter()
            .chain(self.reserved.clone());
        let is_plain = |entry: &String| {
            entry
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || "._-^*$\\".contains(one))
        };
        // With other characters it is not a topic name, and a comma would end the entry.
        internal
            .chain(listed)
            .chain(derived)
            .filter(is_plain)
            .collect()
    }

    fn is_internal(&self, topic: &str) -> bool {
        // Kafka keeps its own state in topics that begin with two underscores.
        topic.starts_with("__") || self.reserved.as_deref() == Some(topic)
    }

    /// Returns whether a topic is the reply topic of a topic that matches a pattern.
    fn is_of_match(&self, topic: &str) -> bool {
        let is_request = |end: usize| self.is_consumed(&topic[..end]);
        !self.patterns.is_empty()
            && self
                .suffixes
                .iter()
                .any(|suffix| match suffix.strip_suffix('*') {
                    Some(within) => topic.match_indices(within).any(|(end, _)| is_request(end)),
                    None => topic
                        .strip_suffix(suffix)
                        .is_some_and(|own| is_request(own.len())),
                })
    }

    /// Allows further topics, which the operator has typed.
    pub(crate) fn naming(mut self, topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.named = topics.into_iter().map(Pattern::Exact).collect();
        self
    }

    /// Returns the topics that are allowed by their whole name, and where each name comes from.
    pub(crate) fn exact(&self) -> impl Iterator<Item = (&str, Origin)> {
        let origin = match self.is_derived {
            true => Origin::Derived,
            false => Origin::Typed,
        };
        let is_named = |topic: &&str| self.named.iter().any(|named| named.matches(topic));
        let listed = self.allowed.iter().filter_map(Pattern::exact);
        let listed = listed.filter(move |topic| !is_named(topic));
        let named = self.named.iter().filter_map(Pattern::exact);
        let named = named.map(|topic| (topic, Origin::Typed));
        listed.map(move |topic| (topic, origin)).chain(named)
    }

    /// Checks one address.
    ///
    /// # Errors
    ///
    /// Returns the first rule that the address breaks.
    pub fn check(&self, topic: &str) -> Result<(), AddressDenied> {
        self.allowed(topic).map(|_| ())
    }

    /// Checks one address and returns its topic, which shares the allow-list's string if possible.
    pub(crate) fn resolve(&self, topic: &str) -> Result<Arc<str>, AddressDenied> {
        Ok(match self.allowed(topic)? {
            Some(Pattern::Exact(name)) => Arc::clone(name),
            Some(Pattern::Prefix(_)) | None => topic.into(),
        })
    }

    /// Returns the entry that allows the topic; `None` if the topic is derived from a pattern's match.
    fn allowed(&self, topic: &str) -> Result<Option<&Pattern>, AddressDenied> {
        if !is_legal_topic(topic) {
            return Err(AddressDenied::Illegal);
        }
        if self.is_consumed(topic) {
            return Err(AddressDenied::Subscribed);
        }
        if self.is_internal(topic) {
            return Err(AddressDenied::Internal);
        }
        let mut allowed = self.named.iter().chain(&self.allowed);
        let found = allowed.find(|pattern| pattern.matches(topic));
        if found.is_none() && !self.is_of_match(topic) {
            return Err(AddressDenied::NotAllowed);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ReplyPolicy {
        ReplyPolicy::new(["*"], ["createOrder"]).reserve(Some("dead".to_owned()))
    }

    #[test]
    fn denies_hostile_addresses_even_when_all_are_allowed() {
        let long = "x".repeat(250);
        let denied = [
            ("createOrder", AddressDenied::Subscribed),
            ("__consumer_offsets", AddressDenied::Internal),
            ("dead", AddressDenied::Internal),
            ("..", AddressDenied::Illegal),
            ("", AddressDenied::Illegal),
            (&long, AddressDenied::Illegal),
            ("a\nb", AddressDenied::Illegal),
        ];
        for (topic, reason) in denied {
            assert_eq!(policy().check(topic), Err(reason), "{topic:?}");
        }
    }

    #[test]
    fn derived_policy_allows_only_replies_of_the_own_topics() {
        let policy = ReplyPolicy::derived(["a", "b"]);
        for topic in ["a.reply", "b.reply", "a.reply.client-7"] {
            assert_eq!(policy.check(topic), Ok(()), "{topic}");
        }
        for topic in ["c.reply", "a.replyx", "areply", "b"] {
            assert!(policy.check(topic).is_err(), "{topic}");
        }
    }

    #[test]
    fn names_that_are_typed_are_told_from_those_that_are_derived() {
        let typed = ReplyPolicy::new(["a.reply", "b.*"], ["a"]);
        let exact =
            |policy: &ReplyPolicy| policy.exact().map(|(_, origin)| origin).collect::<Vec<_>>();
        assert_eq!(exact(&typed), [Origin::Typed], "the other one is a prefix");
        let derived = ReplyPolicy::derived(["a"]).reserve(None);
        assert_eq!(exact(&derived), [Origin::Derived]);
    }

    #[test]
    fn a_topic_that_an_operation_names_is_typed_and_listed_once() {
        let policy = ReplyPolicy::derived(["a"]).naming(["a.reply".into(), "answers".into()]);
        let exact: Vec<_> = policy.exact().collect();
        assert_eq!(
            exact,
            [("a.reply", Origin::Typed), ("answers", Origin::Typed)]
        );
        assert_eq!(policy.check("answers"), Ok(()));
        let own = ReplyPolicy::derived(["a"]).naming(["a".into()]);
        assert_eq!(own.check("a"), Err(AddressDenied::Subscribed));
    }

    #[test]
    fn the_default_follows_the_profiles() {
        let with = |profiles: &[ReplyProfile]| ReplyPolicy::derived_for(profiles, ["a"]);
        let (reference, smallrye) = (ReplyProfile::reference(), ReplyProfile::smallrye());
        assert!(
            with(std::slice::from_ref(&reference))
                .check("a-replies")
                .is_err()
        );
        let both = with(&[reference, smallrye]);
        for topic in ["a.reply", "a.reply.x", "a-replies"] {
            assert_eq!(both.check(topic), Ok(()), "{topic}");
        }
        for topic in ["b-replies", "a-repliesx", "a"] {
            assert!(both.check(topic).is_err(), "{topic}");
        }
    }
}
