//! The kinds of request of a run, numbered as they come.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::series::Reply;
use crate::compare::run::Run;

/// More kinds are no kinds: somebody put an identifier into the name.
pub(super) const MAX_KINDS: usize = 500;

/// Kinds by number, with the failures of each.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    /// Each as it stands in the file, its two columns with a blank between them.
    names: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, usize>,
    failures: Vec<u64>,
    /// The kind of the line before: most lines repeat it.
    last: usize,
    /// The name that is looked up; kept for its memory.
    sought: Vec<u8>,
}

impl Kinds {
    /// The number of a kind; `None` when there are more than [`MAX_KINDS`].
    pub(super) fn number(&mut self, parts: [&[u8]; 2]) -> Option<usize> {
        let [one, two] = parts;
        let is = |name: &Vec<u8>| {
            let rest = name.strip_prefix(one);
            rest.and_then(|rest| rest.strip_prefix(b" ")) == Some(two)
        };
        if !self.names.get(self.last).is_some_and(is) {
            self.sought.clear();
            for part in [one, b" ", two] {
                self.sought.extend_from_slice(part);
            }
            self.last = match self.numbers.get(&self.sought) {
                Some(number) => *number,
                None => self.add()?,
            };
        }
        Some(self.last)
    }

    /// Gives the sought name the next number.
    fn add(&mut self) -> Option<usize> {
        let number = self.names.len();
        (number < MAX_KINDS).then(|| {
            self.names.push(self.sought.clone());
            self.failures.push(0);
            self.numbers.insert(self.sought.clone(), number);
            number
        })
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
        let mut latencies_ms = vec![Vec::new(); self.names.len()];
        for reply in replies.iter().filter(|reply| !reply.warm_up) {
            latencies_ms[reply.kind].push(reply.latency_ms);
        }
        let part = |(kind, own)| {
            let name = self.name(kind);
            let run = Run {
                failures: self.failures[kind],
                kinds: [name.clone()].into(),
                is_ordered,
                ..Run::new(label.to_owned(), own)
            };
            (name, run)
        };
        latencies_ms.into_iter().enumerate().map(part).collect()
    }
}
