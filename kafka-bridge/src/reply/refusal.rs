//! Explains why a record cannot be answered: what it asked for, and which setting would help.
//!
//! The rules are in `allow_list` and `address`. The texts repeat values that a requester wrote, so they are shortened
//! and escaped.

use std::fmt;

use crate::{AddressDenied, Headers, ReplyProfile};

/// How many bytes of a requester's header are repeated.
const MAX_REPEATED: usize = 80;

/// A return address that must not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: AddressDenied,
    /// The header's name in the profile.
    header: String,
    /// The header's value or values, in printable form.
    asked: String,
}

impl Refusal {
    pub(crate) fn new<V: AsRef<[u8]>>(
        reason: AddressDenied,
        profile: &ReplyProfile,
        values: impl IntoIterator<Item = Option<V>>,
    ) -> Self {
        let printable = |value: Option<V>| match value {
            Some(value) => format!("`{}`", printable(value.as_ref())),
            None => "null".to_owned(),
        };
        let asked: Vec<String> = values.into_iter().map(printable).collect();
        Self {
            reason,
            header: profile.reply_topic.clone(),
            asked: asked.join(" and "),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reason,
            header,
            asked,
        } = self;
        write!(f, "{reason}: `{header}` asks for {asked}")?;
        match reason {
            AddressDenied::NotAllowed => {
                f.write_str("; Builder::reply_topics or --reply-topics would allow it")
            }
            _ => Ok(()),
        }
    }
}

/// The return address of a profile that is not active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unserved {
    header: String,
    profile: String,
}

impl Unserved {
    /// Looks for the header of an inactive profile.
    pub(crate) fn find(headers: &Headers, unserved: &[ReplyProfile]) -> Option<Self> {
        let mut found = unserved.iter().filter(|profile| {
            let mut addresses = headers.get_all(&profile.reply_topic);
            addresses.any(|address| address.is_some())
        });
        let profile = found.next()?;
        Some(Self {
            header: profile.reply_topic.clone(),
            profile: profile.name.clone(),
        })
    }
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { header, profile } = self;
        write!(
            f,
            "`{header}` is a header of profile {profile}; Builder::profiles or --profile {profile} would serve it"
        )
    }
}

fn printable(value: &[u8]) -> String {
    let (cut, more) = match value.get(..MAX_REPEATED) {
        Some(cut) if value.len() > MAX_REPEATED => (cut, "..."),
        _ => (value, ""),
    };
    format!("{}{more}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reason: AddressDenied, value: &[u8]) -> String {
        Refusal::new(reason, &ReplyProfile::spring(), [Some(value)]).to_string()
    }

    #[test]
    fn a_refusal_names_header_topic_and_the_setting_that_would_allow_it() {
        assert_eq!(
            refusal(AddressDenied::NotAllowed, b"payments"),
            "the reply topic header names a topic that is not on the allow-list: `kafka_replyTopic` asks \
             for `payments`; Builder::reply_topics or --reply-topics would allow it"
        );
        let told = refusal(AddressDenied::Subscribed, b"createOrder");
        assert!(told.ends_with("asks for `createOrder`"), "{told}");
    }

    #[test]
    fn h10_what_a_requester_wrote_is_cut_and_escaped() {
        let told = refusal(AddressDenied::Illegal, b"a\x1b[2J\r\nb\xff`");
        assert!(told.ends_with(r"`a\x1b[2J\r\nb\xff``"), "{told}");
        let told = refusal(AddressDenied::Illegal, &vec![b'x'; 100_000]);
        assert!(told.len() < 200 && told.contains("x...`"), "{told}");
    }

    #[test]
    fn the_profile_of_a_header_that_is_there_is_named() {
        let unserved = [ReplyProfile::spring(), ReplyProfile::faststream()];
        let mut headers = Headers::default();
        headers.push_nullable("kafka_replyTopic", None);
        assert_eq!(Unserved::find(&headers, &unserved), None);
        headers.push("reply_to", "r");
        let found = Unserved::find(&headers, &unserved).map(|found| found.to_string());
        assert_eq!(
            found.as_deref(),
            Some(
                "`reply_to` is a header of profile faststream; Builder::profiles or --profile faststream \
                 would serve it"
            )
        );
    }
}
