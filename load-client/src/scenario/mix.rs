//! Several kinds of request, mixed by weight.

use super::values::Values;
use super::weighted_round_robin::WeightedRoundRobin;
use super::{Kind, Request, Scenario};

/// Most kinds of one mix; a table with more lines helps nobody.
pub(super) const MAX_KINDS: usize = 1000;

/// Kinds of request that are sent in shares that match their weights exactly: among as many
/// requests in a row as the weights add up to, each kind comes as often as its weight says.
#[derive(Debug)]
pub(crate) struct Mix {
    names: Vec<String>,
    kinds: Vec<Kind>,
    wheel: WeightedRoundRobin,
    values: Values,
}

impl Mix {
    /// Mixes kinds. The seed decides the `{random:...}` values and nothing else; UUIDs are new in
    /// every run, since a service may refuse one that it has seen.
    ///
    /// # Errors
    ///
    /// For no kind, for too many, and for a weight of 0.
    pub(crate) fn try_new(kinds: Vec<Kind>, seed: u64) -> Result<Self, String> {
        if kinds.is_empty() || kinds.len() > MAX_KINDS {
            return Err(format!("takes 1 to {MAX_KINDS} kinds of request"));
        }
        if let Some(kind) = kinds.iter().find(|kind| kind.weight == 0) {
            let name = &kind.name;
            return Err(format!("the weight of {name} is 0; leave the request out"));
        }
        let weights: Vec<u32> = kinds.iter().map(|kind| kind.weight).collect();
        Ok(Self {
            names: kinds.iter().map(|kind| kind.name.clone()).collect(),
            wheel: WeightedRoundRobin::new(&weights),
            values: Values::new(seed),
            kinds,
        })
    }

    /// The kinds, in the order of [`Scenario::kinds`].
    #[must_use]
    pub(crate) fn parts(&self) -> &[Kind] {
        &self.kinds
    }

    /// One request of each kind, to be looked at before a run. Nothing is drawn from the mix, so
    /// that the run begins where it would have begun.
    #[must_use]
    pub(crate) fn samples(&self) -> Vec<Request> {
        let values = Values::new(0);
        let numbered = (0_u16..).zip(&self.kinds);
        numbered
            .map(|(number, kind)| kind.sample(number, &values))
            .collect()
    }
}

impl Scenario for Mix {
    fn kinds(&self) -> &[String] {
        &self.names
    }

    fn next(&self, user: u32) -> Request {
        let number = self.wheel.next();
        // Fits: there are at most MAX_KINDS.
        self.kinds[number].request(number as u16, user, &self.values)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;

    use super::super::{Body, Format, Records, Template};
    use super::*;

    fn template(text: &str) -> Template {
        Template::compile(text.as_bytes()).unwrap()
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
        let bodies: Vec<_> = (0..4).map(|_| mix.next(0).body.unwrap()).collect();
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
            (0..3).map(|_| mix.next(0).body).collect::<Vec<_>>()
        };
        assert_eq!(bodies(true), bodies(false));
    }

    #[test]
    fn a_key_and_headers_of_the_kind_win_over_captured_ones() {
        let captured = r#"{"topic":"t","partition":0,"offset":1,"headers":["tenant","red","trace","1"],"key":"k","payload":"p"}"#;
        let records = Records::parse(Path::new("f"), captured.into(), Format::KcatJson).unwrap();
        let mut kind = Kind::new("replay".to_owned(), Body::Records(records));
        kind.headers
            .push(("tenant".to_owned(), template("blue{user}")));
        let mix = Mix::try_new(vec![kind], 1).unwrap();
        let request = mix.next(4);
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        assert_eq!(
            request.headers,
            [header("tenant", "blue4"), header("trace", "1")]
        );
        assert_eq!(request.key, Some(Bytes::from("k")));
        assert_eq!(request.body, Some(Bytes::from("p")));
    }

    #[test]
    fn what_cannot_be_mixed_is_refused() {
        assert!(Mix::try_new(Vec::new(), 1).is_err());
        let error = Mix::try_new(vec![kind("create", 0, "")], 1).unwrap_err();
        assert!(error.contains("create"), "{error}");
    }
}
