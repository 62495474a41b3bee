//! The kinds of request of a run, numbered as they come.

use std::collections::{BTreeMap, BTreeSet};

use super::series::Reply;
use crate::compare::run::Run;

/// Kinds by number, with the failures of each.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    /// Each as it stands in the file, its two columns with a blank between them.
    names: Vec<Vec<u8>>,
    failures: Vec<u64>,
    /// The kind of the line before: most lines repeat it.
    last: usize,
}

impl Kinds {
    /// The number of a kind.
    pub(super) fn number(&mut self, parts: [&[u8]; 2]) -> usize {
        let [one, two] = parts;
        let is = |name: &Vec<u8>| {
            let rest = name.strip_prefix(one);
            rest.and_then(|rest| rest.strip_prefix(b" ")) == Some(two)
        };
        if !self.names.get(self.last).is_some_and(is) {
            self.last = self.names.iter().position(is).unwrap_or_else(|| {
                self.names.push(parts.join(&b' '));
                self.failures.push(0);
                self.names.len() - 1
            });
        }
        self.last
    }

    pub(super) fn count_failure(&mut self, kind: usize) {
        self.failures[kind] += 1;
    }

    fn name(&self, kind: usize) -> String {
        let name = String::from_utf8_lossy(&self.names[kind]);
        name.trim_end().to_owned()
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        (0..self.names.len()).map(|kind| self.name(kind)).collect()
    }

    /// The run of each kind alone, from measured replies; nothing when there is only one.
    pub(super) fn parts(
        &self,
        label: &str,
        replies: &[Reply],
        is_ordered: bool,
    ) -> BTreeMap<String, Run> {
        if self.names.len() < 2 {
            return BTreeMap::new();
        }
        let part = |kind: usize| {
            let own = replies
                .iter()
                .filter(|reply| !reply.warm_up && reply.kind == kind);
            let name = self.name(kind);
            let run = Run {
                failures: self.failures[kind],
                kinds: [name.clone()].into(),
                is_ordered,
                ..Run::new(
                    label.to_owned(),
                    own.map(|reply| reply.latency_ms).collect(),
                )
            };
            (name, run)
        };
        (0..self.names.len()).map(part).collect()
    }
}
