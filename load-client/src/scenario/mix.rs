//! Kinds of request, and their mix by weight.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::scenario::records::Record;
use crate::scenario::{Draw, Feeder, Records, Request, Scenario, Template, Values};

/// Kinds of request that are sent in shares that match their weights exactly: among as many
/// requests in a row as the weights add up to, each kind comes as often as its weight says.
#[derive(Debug)]
pub(crate) struct Mix {
    all: Arc<Kinds>,
    /// Those that are sent, as indices.
    sent: Vec<u16>,
    wheel: WeightedRoundRobin,
    /// What the scenario names, which no output may replace.
    pub(crate) files: Vec<PathBuf>,
}

/// What the mixes of several loads share.
#[derive(Debug)]
struct Kinds {
    names: Vec<String>,
    kinds: Vec<Kind>,
    values: Values,
}

impl Mix {
    /// Mixes kinds. The seed decides the `{random:...}` values and the rows of feeders in random order; UUIDs are new in
    /// every run, since a service may refuse one that it has seen. A caller must give at least one kind, and weights
    /// above 0. Fails for a kind that draws rows and sends nothing of them.
    pub(crate) fn try_new(mut kinds: Vec<Kind>, seed: u64) -> Result<Self, String> {
        if let Some(kind) = kinds.iter().find(|kind| kind.wastes_rows()) {
            return Err(format!(
                "no {{csv.COLUMN}} of {} uses the rows of its feeder; write one into body, key or a header (--body \
                 and --header need --template)",
                kind.name
            ));
        }
        for (number, kind) in (0..).zip(&mut kinds) {
            kind.common.kind = number;
        }
        let sent = kinds.iter().map(|kind| kind.common.kind).collect();
        let names = kinds.iter().map(|kind| kind.name.clone()).collect();
        let values = Values::new(seed);
        let all = Kinds {
            names,
            kinds,
            values,
        };
        Ok(Self::of(Arc::new(all), sent))
    }

    /// A mix of some of the kinds, each an index, for one of several loads. Weights are shares among these.
    /// A caller must give at least one kind.
    pub(crate) fn part(&self, sent: Vec<u16>) -> Self {
        Self::of(Arc::clone(&self.all), sent)
    }

    fn of(all: Arc<Kinds>, sent: Vec<u16>) -> Self {
        let weights = sent.iter().map(|kind| all.kinds[usize::from(*kind)].weight);
        Self {
            wheel: WeightedRoundRobin::new(weights),
            all,
            sent,
            files: Vec::new(),
        }
    }

    /// The kinds, in the order of [`Scenario::kinds`].
    pub(crate) fn parts(&self) -> &[Kind] {
        &self.all.kinds
    }

    /// One request of each kind, to be looked at before a run. Nothing is drawn from the mix, so
    /// that the run begins where it would have begun.
    pub(crate) fn samples(&self) -> Vec<Request> {
        let values = Values::new(0);
        let kinds = self.all.kinds.iter();
        kinds.map(|kind| kind.sample(&values)).collect()
    }
}

impl Scenario for Mix {
    fn kinds(&self) -> &[String] {
        &self.all.names
    }

    fn next(&self, user: u32) -> Option<Request> {
        let kind = usize::from(self.sent[self.wheel.next()]);
        self.all.kinds[kind].request(user, &self.all.values)
    }
}

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Kind {
    /// By which results are told apart.
    pub name: String,
    /// Its share, against the other kinds' weights; at least 1.
    pub weight: u32,
    /// By which kinds are chosen for a run.
    pub tags: Vec<String>,
    /// What its requests have in common: their kind, topics, and what is expected of replies.
    pub common: Request,
    /// The record's key, before any of a captured record.
    pub key: Option<Template>,
    /// Headers of its own, before those of the same name of a captured record.
    pub headers: Vec<(String, Template)>,
    /// What rows are drawn from.
    pub feeder: Option<Feeder>,
    /// Where bodies come from.
    pub body: Body,
}

/// Where the bodies of a kind come from.
#[derive(Debug)]
pub(crate) enum Body {
    /// From one template.
    Template(Template),
    /// From a file of records, in their order, from the first again after the last.
    Records(Records),
}

impl Kind {
    /// A kind of weight 1 that has nothing but its body.
    pub(crate) fn new(name: String, body: Body) -> Self {
        Self {
            name,
            weight: 1,
            tags: Vec::new(),
            common: Request::new(0),
            key: None,
            headers: Vec::new(),
            feeder: None,
            body,
        }
    }

    /// Whether it draws rows and sends nothing of them.
    fn wastes_rows(&self) -> bool {
        let body = match &self.body {
            Body::Template(template) => Some(template),
            Body::Records(_) => None,
        };
        let headers = self.headers.iter().map(|(_, value)| value);
        let mut templates = headers.chain(&self.key).chain(body);
        self.feeder.is_some() && !templates.any(Template::has_column)
    }

    /// The next request; `None` when its feeder has no row left.
    fn request(&self, user: u32, values: &Values) -> Option<Request> {
        let row = match &self.feeder {
            Some(feeder) => Some(feeder.next(values)?),
            None => None,
        };
        let draw = values.draw(user, row);
        Some(self.render(Records::next, &draw))
    }

    /// A request that takes no turn.
    fn sample(&self, values: &Values) -> Request {
        let draw = values.draw(0, self.feeder.as_ref().map(Feeder::sample));
        self.render(Records::sample, &draw)
    }

    fn render(&self, take: fn(&Records) -> Record, draw: &Draw<'_>) -> Request {
        let render = |template: &Template| template.render(draw);
        let own = self.headers.iter();
        let mut headers: Vec<_> = own
            .map(|(name, value)| (name.clone(), render(value)))
            .collect();
        let mut key = self.key.as_ref().map(render);
        let body = match &self.body {
            Body::Template(template) => Some(render(template)),
            Body::Records(records) => {
                let captured = take(records);
                for (name, value) in &*captured.headers {
                    if !self.headers.iter().any(|(own, _)| **own == **name) {
                        headers.push((name.as_ref().to_owned(), value.clone()));
                    }
                }
                key = key.or(captured.key);
                captured.body
            }
        };
        Request {
            id: draw.id,
            key,
            headers,
            body,
            ..self.common.clone()
        }
    }
}

/// Smooth weighted round robin, as nginx spreads requests over servers: every turn adds each kind's
/// weight to its credit and takes the total from the richest, which is chosen.
///
/// Over each row of as many choices as the weights add up to, every kind comes exactly as often as
/// its weight, and a heavy kind's turns are spread among those of the light ones. Nothing is
/// random, so neither the shares nor the order differ between runs.
#[derive(Debug)]
struct WeightedRoundRobin {
    weights: Vec<i64>,
    total: i64,
    credit: Mutex<Vec<i64>>,
}

impl WeightedRoundRobin {
    fn new(weights: impl Iterator<Item = u32>) -> Self {
        let weights: Vec<i64> = weights.map(i64::from).collect();
        Self {
            total: weights.iter().sum(),
            credit: Mutex::new(vec![0; weights.len()]),
            weights,
        }
    }

    /// The index of the next kind.
    fn next(&self) -> usize {
        if self.weights.len() < 2 {
            return 0;
        }
        // No code panics while it holds the lock.
        let mut credit = self.credit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut richest = 0;
        for index in 0..self.weights.len() {
            credit[index] += self.weights[index];
            if credit[index] > credit[richest] {
                richest = index;
            }
        }
        credit[richest] -= self.total;
        richest
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;

    use super::*;

    fn template(text: &str) -> Template {
        Template::compile(text.as_bytes(), &[]).unwrap()
    }

    fn kind(name: &str, weight: u32, body: &str) -> Kind {
        Kind {
            weight,
            ..Kind::new(name.to_owned(), Body::Template(template(body)))
        }
    }

    #[test]
    fn kinds_come_by_weight_and_share_the_counter() {
        let kinds = vec![
            kind("create", 2, "c{counter}"),
            kind("find", 1, "f{counter}"),
        ];
        let mix = Mix::try_new(kinds, 1).unwrap();
        assert_eq!(mix.kinds(), ["create", "find"]);
        let bodies: Vec<_> = (0..4).map(|_| mix.next(0).unwrap().body.unwrap()).collect();
        assert_eq!(bodies, ["c1", "f2", "c3", "c4"]);
    }

    #[test]
    fn samples_draw_nothing() {
        let text = "{counter} {random:1:1000000}";
        let bodies = |looked_at: bool| {
            let mix = Mix::try_new(vec![kind("a", 1, text)], 5).unwrap();
            if looked_at {
                assert_eq!(mix.samples().len(), 1);
            }
            [0; 3].map(|user| mix.next(user).unwrap().body)
        };
        assert_eq!(bodies(true), bodies(false));
    }

    #[test]
    fn a_key_and_headers_of_the_kind_win_over_captured_ones() {
        let captured = r#"{"topic":"t","partition":0,"offset":1,"headers":["tenant","red","trace","1"],"key":"k","payload":"p"}"#;
        let records = Records::parse(Path::new("f"), captured.into(), None).unwrap();
        let mut kind = Kind::new("replay".to_owned(), Body::Records(records));
        kind.headers
            .push(("tenant".to_owned(), template("blue{user}")));
        let mix = Mix::try_new(vec![kind], 1).unwrap();
        let request = mix.next(4).unwrap();
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        assert_eq!(
            request.headers,
            [header("tenant", "blue4"), header("trace", "1")]
        );
        assert_eq!(request.key, Some(Bytes::from("k")));
        assert_eq!(request.body, Some(Bytes::from("p")));
    }

    fn choices(weights: &[u32], count: usize) -> Vec<usize> {
        let wheel = WeightedRoundRobin::new(weights.iter().copied());
        (0..count).map(|_| wheel.next()).collect()
    }

    #[test]
    fn turns_are_spread() {
        // nginx's own example.
        assert_eq!(choices(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(choices(&[3], 3), [0, 0, 0]);
    }

    #[test]
    fn shares_are_exact_in_every_row() {
        for weights in [&[1, 1][..], &[3, 7], &[1, 2, 3, 4], &[100, 1, 50]] {
            let total: u32 = weights.iter().sum();
            let total = total as usize;
            for row in choices(weights, total * 3).chunks(total) {
                for (kind, weight) in weights.iter().enumerate() {
                    let count = row.iter().filter(|choice| **choice == kind).count();
                    assert_eq!(count, *weight as usize, "{weights:?}");
                }
            }
        }
    }

    #[test]
    fn shares_are_exact_with_many_users() {
        let wheel = WeightedRoundRobin::new([3, 1].into_iter());
        let counted = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| wheel.next() == 0).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(counted, 3000);
    }
}
