//! The rows of the contract, from `tests/data/contract.json`: requests and their answers.
//!
//! The tests of each transport include this file, also those of the harness. So it uses only serde, and knows neither
//! HTTP nor Kafka.

#![allow(dead_code, reason = "each transport uses its own part of this")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

const ROWS: &str = include_str!("../data/contract.json");

/// The largest body that the service under test takes. The rows need this value.
pub(crate) const MAX_BODY: usize = 2000;

/// A request and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) order: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    body_bytes: Option<usize>,
    status: u16,
    answer: Option<Value>,
    detail: Option<String>,
    saves: Option<String>,
}

/// All rows, in the order to send them.
pub(crate) fn rows() -> Vec<Row> {
    serde_json::from_str(ROWS).unwrap()
}

impl Row {
    /// The request's body, if it has one.
    pub(crate) fn body(&self) -> Option<String> {
        if let Some(size) = self.body_bytes {
            let sku = "a".repeat(size);
            return Some(format!(r#"{{"items":[{{"sku":"{sku}","count":1}}]}}"#));
        }
        self.body.as_ref().map(|body| match body {
            Value::String(text) => text.clone(),
            document => document.to_string(),
        })
    }

    /// Whether the answer is a success.
    pub(crate) fn succeeds(&self) -> bool {
        self.status == 200
    }
}

/// One pass through the rows, with the ids that the service chose.
pub(crate) struct Pass {
    /// Names and their values.
    names: Vec<(String, String)>,
}

impl Pass {
    /// Starts a pass. `unique` has 36 characters, and no other pass has the same.
    pub(crate) fn new(unique: &str) -> Self {
        assert_eq!(unique.len(), 36, "the longest key is made for that length");
        let names = vec![("unique".to_owned(), unique.to_owned())];
        Self { names }
    }

    /// Replaces names by their values from earlier answers.
    fn fill(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    /// The path, with the order's id.
    pub(crate) fn path(&self, row: &Row) -> String {
        let id = self.order(row).unwrap_or_default();
        row.path.replace("{id}", &id)
    }

    /// The order's id, if the operation has one.
    pub(crate) fn order(&self, row: &Row) -> Option<String> {
        row.order.as_deref().map(|order| self.fill(order))
    }

    /// The row's headers.
    pub(crate) fn headers(&self, row: &Row) -> Vec<(String, String)> {
        let headers = row.headers.iter();
        headers
            .map(|(name, value)| (name.clone(), self.fill(value)))
            .collect()
    }

    /// Compares an answer with the row. Returns status and body, with names in place of this pass's ids, to compare
    /// them with those of another pass.
    pub(crate) fn check(&mut self, row: &Row, status: u16, body: &str) -> (u16, Value) {
        let name = &row.name;
        assert_eq!(status, row.status, "{name}: {body}");
        let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| {
            panic!("{name}: {error}: {body}");
        });
        if let Some(saved) = &row.saves {
            let id = answer["id"]
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {body}"));
            let known = self.names.iter().any(|(_, value)| value == id);
            assert!(!known, "{name}: {id} is another order's");
            self.names.push((saved.clone(), id.to_owned()));
        }
        let answer = self.normalize(answer);
        match (&row.answer, &row.detail) {
            (Some(expected), _) => assert_eq!(&answer, expected, "{name}"),
            (None, Some(part)) => {
                assert_eq!(answer["status"], status, "{name}");
                let detail = answer["detail"].as_str().unwrap_or_default();
                assert!(detail.contains(part.as_str()), "{name}: {detail}");
            }
            (None, None) => panic!("{name}: a row has an answer or a detail"),
        }
        (status, answer)
    }

    fn normalize(&self, answer: Value) -> Value {
        let text = self
            .names
            .iter()
            .fold(answer.to_string(), |text, (name, value)| {
                text.replace(value, &format!("{{{name}}}"))
            });
        serde_json::from_str(&text).unwrap()
    }
}
