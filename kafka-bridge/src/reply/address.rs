//! Reads the return address of a record and its correlation from the record's headers, by the rules of the profiles and
//! the reply policy. Pure.
//!
//! The requester writes all of these. The topic has to pass the policy. The partition is a wish, which is ignored if it
//! makes no sense. The correlation is copied and never interpreted.

use std::sync::Arc;

use crate::reply::refusal::Refusal;
use crate::{AddressDenied, Headers, PartitionEncoding, ReplyPolicy, ReplyProfile};

/// The maximum number of correlation headers that a reply repeats. Requesters send one.
const MAX_CORRELATIONS: usize = 16;

/// An allowed return address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: ReplyPartition,
    pub(crate) profile: &'a ReplyProfile,
    pub(crate) correlation: Headers,
}

/// The partition that a requester wants its reply on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyPartition {
    Any,
    Number(i32),
    /// A value that is not a partition number.
    Unreadable,
}

impl ReplyPartition {
    pub(crate) fn number(self) -> Option<i32> {
        match self {
            Self::Number(number) => Some(number),
            Self::Any | Self::Unreadable => None,
        }
    }
}

/// Reads and checks the return address of a record; `None` when it has none.
pub(crate) fn resolve<'a>(
    headers: &Headers,
    policy: &ReplyPolicy,
    profiles: &'a [ReplyProfile],
) -> Result<Option<Address<'a>>, Refusal> {
    for profile in profiles {
        let mut addresses = headers.get_all(&profile.reply_topic);
        let Some(address) = addresses.next() else {
            continue;
        };
        // A repeated equal value is not ambiguous: a proxy or a second layer of a client may add it.
        if let Some(other) = addresses.find(|other| *other != address) {
            let both = [address, other];
            return Err(Refusal::new(AddressDenied::Ambiguous, profile, both));
        }
        // A client may send the header with a null value if it has no address.
        let Some(address) = address else { continue };
        let refused = |reason| Refusal::new(reason, profile, [Some(address)]);
        let topic = std::str::from_utf8(address).map_err(|_| refused(AddressDenied::Illegal))?;
        let topic = policy.resolve(topic).map_err(refused)?;
        let profile = best_of_same_header(headers, profile, profiles);
        return Ok(Some(Address {
            topic,
            partition: wanted_partition(headers, profile).0,
            profile,
            correlation: correlation(headers, profile),
        }));
    }
    Ok(None)
}

/// Returns the address for a record without one: the topic of its operation.
pub(crate) fn default<'a>(
    headers: &Headers,
    topic: &Arc<str>,
    profiles: &'a [ReplyProfile],
) -> Option<Address<'a>> {
    let correlates = |profile: &&ReplyProfile| {
        let name = profile.correlation.as_deref();
        name.is_some_and(|name| headers.get(name).is_some())
    };
    let mut own = profiles.iter();
    let profile = own.find(correlates).or(profiles.first())?;
    Some(Address {
        topic: Arc::clone(topic),
        partition: wanted_partition(headers, profile).0,
        profile,
        correlation: correlation(headers, profile),
    })
}

/// Chooses between profiles with the same reply topic header: the first one that writes partitions like this record,
/// otherwise the first one.
fn best_of_same_header<'a>(
    headers: &Headers,
    first: &'a ReplyProfile,
    profiles: &'a [ReplyProfile],
) -> &'a ReplyProfile {
    let name = &first.reply_topic;
    let mut same = profiles
        .iter()
        .filter(|profile| profile.reply_topic.eq_ignore_ascii_case(name));
    let fits = |profile: &&ReplyProfile| match wanted_partition(headers, profile) {
        (ReplyPartition::Any, _) => true,
        (_, encoding) => encoding == Some(profile.partition_encoding),
    };
    same.find(fits).unwrap_or(first)
}

fn wanted_partition(
    headers: &Headers,
    profile: &ReplyProfile,
) -> (ReplyPartition, Option<PartitionEncoding>) {
    let Some(name) = &profile.reply_partition else {
        return (ReplyPartition::Any, None);
    };
    let mut wishes = headers.get_all(name);
    let first = wishes.next();
    if wishes.any(|other| Some(other) != first) {
        return (ReplyPartition::Unreadable, None);
    }
    match first.flatten().map(|bytes| read_partition(bytes)) {
        None => (ReplyPartition::Any, None),
        Some(Some((number, encoding))) => (ReplyPartition::Number(number), Some(encoding)),
        Some(None) => (ReplyPartition::Unreadable, None),
    }
}

/// Reads a partition number in either encoding; see [`PartitionEncoding`].
fn read_partition(bytes: &[u8]) -> Option<(i32, PartitionEncoding)> {
    if let &[0, a, b, c] = bytes {
        let number = i32::from_be_bytes([0, a, b, c]);
        return Some((number, PartitionEncoding::BigEndian));
    }
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    Some((number, PartitionEncoding::Decimal))
}

/// Copies the correlation headers with the names and bytes that the requester wrote. They never pass through HTTP's
/// header map, which refuses most binary identifiers.
fn correlation(headers: &Headers, profile: &ReplyProfile) -> Headers {
    let mut copies = Headers::default();
    let Some(correlation) = &profile.correlation else {
        return copies;
    };
    let own = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(correlation));
    for (name, value) in own.take(MAX_CORRELATIONS) {
        copies.push_nullable(name, value.cloned());
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ReplyPolicy {
        ReplyPolicy::new(["r", "s"], ["t"])
    }

    fn resolved<'a>(
        headers: &Headers,
        profiles: &'a [ReplyProfile],
    ) -> Result<Option<Address<'a>>, AddressDenied> {
        resolve(headers, &policy(), profiles).map_err(|refusal| refusal.reason)
    }

    fn topic(headers: &Headers) -> Result<Option<String>, AddressDenied> {
        let address = resolved(headers, &[ReplyProfile::reference()])?.is_some();
        Ok(address.then(|| "r".to_owned()))
    }

    #[test]
    fn h15_resolves_zero_one_and_several_addresses() {
        let one: Headers = [("Reply-To", "r")].into_iter().collect();
        assert_eq!(topic(&one), Ok(Some("r".into())));
        assert_eq!(topic(&Headers::default()), Ok(None));

        let two: Headers = [("reply-to", "r"), ("REPLY-TO", "s")].into_iter().collect();
        assert_eq!(topic(&two), Err(AddressDenied::Ambiguous));

        let binary: Headers = [("reply-to", &[0xff_u8][..])].into_iter().collect();
        assert_eq!(topic(&binary), Err(AddressDenied::Illegal));

        let mut null = Headers::default();
        null.push_nullable("reply-to", None);
        assert_eq!(topic(&null), Ok(None));
    }

    #[test]
    fn h15_the_rules_hold_for_the_header_of_each_profile() {
        for profile in ReplyProfile::all() {
            let name = profile.reply_topic.clone();
            let profiles = [profile];
            let denied = |values: &[&[u8]]| {
                let headers: Headers = values
                    .iter()
                    .map(|value| (&*name, value.to_vec()))
                    .collect();
                resolved(&headers, &profiles).unwrap_err()
            };
            assert_eq!(denied(&[b"t"]), AddressDenied::Subscribed, "{name}");
            assert_eq!(denied(&[b"__x"]), AddressDenied::Internal, "{name}");
            assert_eq!(denied(&[b"other"]), AddressDenied::NotAllowed, "{name}");
            assert_eq!(denied(&[b""]), AddressDenied::Illegal, "{name}");
            assert_eq!(denied(&[b"\xff"]), AddressDenied::Illegal, "{name}");
            assert_eq!(denied(&[b"r", b"s"]), AddressDenied::Ambiguous, "{name}");
            let third = [&b"r"[..], b"r", b"s"];
            assert_eq!(denied(&third), AddressDenied::Ambiguous, "{name}");
        }
    }

    #[test]
    fn h15_equal_headers_in_any_case_are_one_in_each_profile() {
        for profile in ReplyProfile::all() {
            let (topic, partition) = (profile.reply_topic.clone(), profile.reply_partition.clone());
            let mut headers = Headers::default();
            for name in [topic.clone(), topic.to_ascii_uppercase(), topic.clone()] {
                headers.push(&name, "r");
            }
            for name in partition
                .iter()
                .flat_map(|name| [name.clone(), name.to_lowercase()])
            {
                headers.push(&name, &b"7"[..]);
            }
            let profiles = [profile];
            let address = resolved(&headers, &profiles).unwrap().unwrap();
            assert_eq!(&*address.topic, "r", "{topic}");
            let wanted = partition.map_or(ReplyPartition::Any, |_| ReplyPartition::Number(7));
            assert_eq!(address.partition, wanted, "{topic}");
        }
        let mut nulls = Headers::default();
        nulls.push_nullable("reply-to", None);
        nulls.push_nullable("Reply-To", None);
        assert_eq!(topic(&nulls), Ok(None));
        nulls.push("reply-to", "r");
        assert_eq!(topic(&nulls), Err(AddressDenied::Ambiguous));
    }

    #[test]
    fn the_first_profile_whose_reply_topic_is_there_wins() {
        let profiles = [ReplyProfile::smallrye(), ReplyProfile::reference()];
        let both: Headers = [("reply-to", "r"), ("REPLY_TOPIC", "s")]
            .into_iter()
            .collect();
        let address = resolved(&both, &profiles).unwrap().unwrap();
        assert_eq!((&*address.topic, &*address.profile.name), ("s", "smallrye"));

        let mut null: Headers = [("reply-to", "r")].into_iter().collect();
        null.push_nullable("REPLY_TOPIC", None);
        let address = resolved(&null, &profiles).unwrap().unwrap();
        assert_eq!(
            (&*address.topic, &*address.profile.name),
            ("r", "reference")
        );

        // The profile that wins decides alone: its address is checked, and no other one replaces it.
        let bad: Headers = [("reply-to", "r"), ("REPLY_TOPIC", "t")]
            .into_iter()
            .collect();
        assert_eq!(resolved(&bad, &profiles), Err(AddressDenied::Subscribed));
    }

    #[test]
    fn profiles_of_one_reply_topic_header_are_told_apart_by_the_partition() {
        let (spring, nest) = (ReplyProfile::spring(), ReplyProfile::nest());
        let cases: [(&[u8], &str, &str); 4] = [
            (b"3", "nest", "nest"),
            (&[0, 0, 0, 3], "spring", "spring"),
            // Neither profile can read it, so the first one wins.
            (b"-3", "spring", "nest"),
            (&[0xff; 4], "spring", "nest"),
        ];
        for (partition, first, swapped) in cases {
            let mut headers: Headers = [("kafka_replyTopic", "r")].into_iter().collect();
            headers.push("kafka_replyPartition", partition.to_vec());
            for (profiles, expected) in [
                ([spring.clone(), nest.clone()], first),
                ([nest.clone(), spring.clone()], swapped),
            ] {
                let address = resolved(&headers, &profiles).unwrap().unwrap();
                assert_eq!(address.profile.name, expected, "{partition:?}");
            }
        }
        let headers: Headers = [("kafka_replyTopic", "r")].into_iter().collect();
        let profiles = [spring, nest];
        let address = resolved(&headers, &profiles).unwrap().unwrap();
        assert_eq!(address.profile.name, "spring");
    }

    #[test]
    fn partitions_are_read_in_both_encodings_and_nothing_else_is_a_partition() {
        let cases: [(&[u8], Option<i32>); 17] = [
            (&[0, 0, 0, 0], Some(0)),
            (&[0, 0, 1, 2], Some(258)),
            (&[0, 0xff, 0xff, 0xff], Some(0x00ff_ffff)),
            (b"0", Some(0)),
            (b"7", Some(7)),
            (b"1234", Some(1234)),
            (b"2147483647", Some(i32::MAX)),
            (b"2147483648", None),
            (b"", None),
            (b"-1", None),
            (b"+1", None),
            (b" 1", None),
            (&[0xff, 0xff, 0xff, 0xff], None),
            (&[1, 0, 0, 0], None),
            (&[0, 0, 1], None),
            (&[0, 0, 0, 0, 1], None),
            (&[0], None),
        ];
        for (bytes, expected) in cases {
            let read = read_partition(bytes).map(|(number, _)| number);
            assert_eq!(read, expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_repeated_partition_is_no_wish_and_a_null_one_is_none() {
        let profiles = [ReplyProfile::spring()];
        let partition = |headers: &Headers| {
            let address = resolved(headers, &profiles).unwrap().unwrap();
            address.partition
        };
        let mut headers: Headers = [("kafka_replyTopic", "r")].into_iter().collect();
        headers.push_nullable("kafka_replyPartition", None);
        assert_eq!(partition(&headers), ReplyPartition::Any);
        headers.push("kafka_replyPartition", &[0, 0, 0, 1][..]);
        assert_eq!(partition(&headers), ReplyPartition::Unreadable);
        assert_eq!(partition(&headers).number(), None);
    }

    #[test]
    fn h18_correlation_is_copied_whole_in_order_and_capped() {
        let profiles = [ReplyProfile::spring()];
        let every_byte: Vec<u8> = (0..=255).collect();
        let mut headers: Headers = [("kafka_replyTopic", "r")].into_iter().collect();
        headers.push("kafka_correlationId", every_byte.clone());
        headers.push("other", "x");
        headers.push_nullable("kafka_correlationId", None);
        headers.push("kafka_correlationId", "");
        let address = resolved(&headers, &profiles).unwrap().unwrap();
        let copied: Vec<_> = address
            .correlation
            .iter()
            .map(|(name, value)| (name, value.map(|value| value.to_vec())))
            .collect();
        let name = "kafka_correlationId";
        assert_eq!(
            copied,
            [(name, Some(every_byte)), (name, None), (name, Some(vec![]))]
        );

        for number in 0..100 {
            headers.push("kafka_correlationId", number.to_string());
        }
        let address = resolved(&headers, &profiles).unwrap().unwrap();
        assert_eq!(address.correlation.len(), MAX_CORRELATIONS);
    }
}
