//! Which topics replies may go to: whoever writes records chooses the return address, so it is
//! checked. How it is read from a record is the business of `address`.
//!
//! Unchecked it would let any client make the service write to any topic that the service may
//! write to: its own request topic (an endless loop), a broker's internal topic, another team's.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ReplyProfile;
use crate::operation::is_legal_topic;
use crate::operation::pattern::TopicPattern;

/// Why a return address is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressDenied {
    /// There are reply topic headers of different values, so it is open which one is meant.
    #[error("reply topic headers of different values")]
    Ambiguous,
    /// Kafka has no topic of that name: empty, too long, or with illegal characters.
    #[error("the reply topic header is not a legal topic name")]
    Illegal,
    /// The topic is one that the bridge consumes: the reply would come back as a request.
    #[error("the reply topic header names a topic that this bridge consumes")]
    Subscribed,
    /// The topic belongs to the broker or is the dead-letter topic.
    #[error("the reply topic header names an internal topic")]
    Internal,
    /// The topic is not on the allow-list.
    #[error("the reply topic header names a topic that is not on the allow-list")]
    NotAllowed,
}

/// Which topics replies may go to.
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
    /// Topics that operations name for requesters who name none.
    named: Vec<Pattern>,
    /// Whose matches are consumed too, unless replies or dead letters may go there.
    patterns: Vec<TopicPattern>,
    /// What a reply topic that is derived from a pattern's match ends in; with `*` at the end what it has within.
    suffixes: Vec<String>,
    /// Whether the names are made from those of other topics: nobody has said that such a topic exists.
    is_derived: bool,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact(Arc<str>),
    Prefix(String),
}

/// Where a topic's name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The operator typed it, and so says that the topic exists.
    Typed,
    /// From the name of a request topic. An operation may do without it; where it exists the operator made it.
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
    /// Allows the topics that `allowed` lists: exact names, or prefixes that end in `*`.
    ///
    /// Topics in `subscribed`, the ones that the bridge consumes, are never allowed.
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

    /// Allows `<topic>.reply` and `<topic>.reply.*` of each subscribed topic, the default.
    pub fn derived<S: Into<String>>(subscribed: impl IntoIterator<Item = S>) -> Self {
        Self::derived_for(&[ReplyProfile::reference()], subscribed)
    }

    /// Allows, of each subscribed topic, what requesters of the profiles derive from its name: see
    /// [`ReplyProfile::reply_topic_suffixes`].
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

    /// Denies one more topic: the dead-letter topic, which only the bridge writes.
    #[must_use]
    pub fn reserve(mut self, topic: Option<String>) -> Self {
        self.reserved = topic;
        self
    }

    /// Counts the topics that match as consumed, but for those that replies or dead letters may go to.
    pub(crate) fn consuming(mut self, patterns: impl IntoIterator<Item = TopicPattern>) -> Self {
        self.patterns = patterns.into_iter().collect();
        self
    }

    /// Returns whether the bridge consumes a topic.
    pub(crate) fn is_consumed(&self, topic: &str) -> bool {
        let is_own = self.subscribed.iter().any(|own| own == topic);
        is_own || (self.patterns.iter().any(|own| own.is_match(topic)) && !self.is_kept(topic))
    }

    /// Returns whether a topic is one that no pattern matches.
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

    /// Returns what librdkafka is not to see where there are patterns: the same as in [`ReplyPolicy::is_kept`].
    /// An entry that begins with `^` is a regular expression to it, any other one a name.
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
        // What has other characters is no topic's name, and a comma would end the entry.
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

    /// Returns whether a topic is the reply topic of one that matches a pattern.
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

    /// Allows further topics, which the operator typed.
    pub(crate) fn naming(mut self, topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.named = topics.into_iter().map(Pattern::Exact).collect();
        self
    }

    /// Returns the topics that are allowed by their whole name, and whether the operator has typed them or they
    /// are derived.
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
    /// Fails with the first rule that the address breaks.
    pub fn check(&self, topic: &str) -> Result<(), AddressDenied> {
        self.allowed(topic).map(|_| ())
    }

    /// Checks one address and returns it as a topic's name: the allow-list's own where it has it.
    pub(crate) fn resolve(&self, topic: &str) -> Result<Arc<str>, AddressDenied> {
        Ok(match self.allowed(topic)? {
            Some(Pattern::Exact(name)) => Arc::clone(name),
            Some(Pattern::Prefix(_)) | None => topic.into(),
        })
    }

    /// Returns what allows the topic; `None` for the request topic that it is derived from.
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
