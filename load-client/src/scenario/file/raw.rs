//! What may stand in a scenario file, before it is checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::loads::RawLoad;
use crate::scenario::{FeederOrder, Format};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScenario {
    #[serde(default)]
    pub(super) request: Vec<Spanned<RawRequest>>,
    #[serde(default)]
    pub(super) load: Vec<Spanned<RawLoad>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequest {
    pub(super) name: Spanned<String>,
    pub(super) weight: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) tags: Vec<Spanned<String>>,
    pub(super) topic: Option<Spanned<String>>,
    pub(super) reply_topic: Option<Spanned<String>>,
    pub(super) body: Option<Spanned<String>>,
    pub(super) body_file: Option<Spanned<PathBuf>>,
    pub(super) body_lines: Option<Spanned<PathBuf>>,
    /// Of `body_lines`.
    pub(super) format: Option<Format>,
    /// Whether `body` or `body_file` has placeholders.
    pub(super) template: Option<bool>,
    pub(super) feeder: Option<Spanned<PathBuf>>,
    pub(super) feeder_order: Option<Spanned<FeederOrder>>,
    pub(super) key: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    pub(super) expect_status: Option<Spanned<Expect>>,
    pub(super) expect_body: Option<Spanned<Texts>>,
}

/// One text, or a list of them.
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = list.next_element()? {
            all.push(text);
        }
        Ok(Texts(all))
    }
}

/// `200`, `"2xx"` or `[200, "4xx"]`, as the text that [`StatusSet`](crate::scenario::StatusSet) reads.
pub(super) struct Expect(pub(super) String);

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExpectVisitor)
    }
}

struct ExpectVisitor;

impl<'de> Visitor<'de> for ExpectVisitor {
    type Value = Expect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 200 or \"2xx\", or a list of them")
    }

    fn visit_i64<E>(self, status: i64) -> Result<Expect, E> {
        Ok(Expect(status.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Expect, E> {
        Ok(Expect(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Expect, A::Error> {
        let mut all = Vec::new();
        while let Some(Expect(text)) = list.next_element()? {
            all.push(text);
        }
        Ok(Expect(all.join(",")))
    }
}
