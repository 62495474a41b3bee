//! Kinds of request, and their mix by weight.

use std::path::PathBuf;
use std::sync::Arc;

use crate::load::plan::Model;
use crate::load::{Arrivals, Share};
use crate::scenario::records::Record;
use crate::scenario::wheel::WeightedRoundRobin;
use crate::scenario::{Draw, Feeder, Records, Request, Scenario, Template, Values};

/// Kinds of request, sent in shares that match their weights exactly. Among as many consecutive requests as the sum of
/// the weights, each kind comes as often as its weight.
#[derive(Debug)]
pub(crate) struct Mix {
    all: Arc<Kinds>,
    /// The indices of the kinds that are sent.
    sent: Vec<u16>,
    wheel: WeightedRoundRobin,
    /// The files that the scenario names. No output may replace them.
    pub(crate) files: Vec<PathBuf>,
}

/// The state that the mixes of several loads share.
#[derive(Debug)]
struct Kinds {
    names: Vec<String>,
    kinds: Vec<Kind>,
    values: Values,
}

impl Mix {
    /// Mixes kinds. The seed decides the `{random:...}` values and the rows of feeders in random order. UUIDs are new
    /// in every run, because a service may refuse one that it has seen. Numbered values (rows, captured records,
    /// `{counter}`) come from the share of this client.
    ///
    /// The caller must give at least one kind, and weights above 0. Fails for a kind that has a feeder but sends no
    /// column of its rows.
    pub(crate) fn try_new(mut kinds: Vec<Kind>, seed: u64, share: Share) -> Result<Self, String> {
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
        let values = Values::new(seed, share);
        let all = Kinds {
            names,
            kinds,
            values,
        };
        Ok(Self::of(Arc::new(all), sent, Share::WHOLE))
    }

    /// Makes a mix of some of the kinds, by their indices, for one of several loads. Weights are relative to these
    /// kinds. The caller must give at least one kind.
    pub(crate) fn part(&self, sent: Vec<u16>, model: &Model) -> Self {
        Self::of(Arc::clone(&self.all), sent, self.dealt(model))
    }

    /// Returns the same mix for a load of this model.
    pub(crate) fn for_model(mut self, model: &Model) -> Self {
        let dealt = self.dealt(model);
        self.wheel = Self::of(Arc::clone(&self.all), self.sent.clone(), dealt).wheel;
        self
    }

    /// Returns the share of the kinds' turns for this client. If every N-th request of a schedule belongs to the
    /// client, every N-th turn does too. Otherwise each client has its own mix, because one client with
    /// users that wait for replies could get only the slow kinds.
    fn dealt(&self, model: &Model) -> Share {
        match model {
            Model::Open(open) if open.arrivals == Arrivals::Constant => self.all.values.share,
            Model::Open(_) | Model::Closed(_) => Share::WHOLE,
        }
    }

    fn of(all: Arc<Kinds>, sent: Vec<u16>, dealt: Share) -> Self {
        let weights = sent.iter().map(|kind| all.kinds[usize::from(*kind)].weight);
        Self {
            wheel: WeightedRoundRobin::new(weights, dealt),
            all,
            sent,
            files: Vec::new(),
        }
    }

    /// Returns the kinds, in the order of [`Scenario::kinds`].
    pub(crate) fn parts(&self) -> &[Kind] {
        &self.all.kinds
    }

    /// Returns one request of each kind, for checks before a run. It takes nothing from the mix, so the run still
    /// begins at its beginning.
    pub(crate) fn samples(&self) -> Vec<Request> {
        let values = Values::new(0, Share::WHOLE);
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
    /// Identifies the kind in results.
    pub name: String,
    /// Its share, relative to the other kinds' weights. At least 1.
    pub weight: u32,
    /// The tags that select kinds for a run.
    pub tags: Vec<String>,
    /// The data that its requests have in common: kind, topics, and expected replies.
    pub common: Request,
    /// The record's key. It replaces the key of a captured record.
    pub key: Option<Template>,
    /// Its headers. They replace those of a captured record with the same name.
    pub headers: Vec<(String, Template)>,
    /// The rows for its placeholders.
    pub feeder: Option<Feeder>,
    /// The source of its bodies.
    pub body: Body,
}

/// The source of the bodies of a kind.
#[derive(Debug)]
pub(crate) enum Body {
    /// One template.
    Template(Template),
    /// A file of records, in their order, and from the first again after the last.
    Records(Records),
}

impl Kind {
    /// Makes a kind of weight 1 with only a body.
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

    /// Returns whether it draws rows but sends no column of them.
    fn wastes_rows(&self) -> bool {
        let body = match &self.body {
            Body::Template(template) => Some(template),
            Body::Records(_) => None,
        };
        let headers = self.headers.iter().map(|(_, value)| value);
        let mut templates = headers.chain(&self.key).chain(body);
        self.feeder.is_some() && !templates.any(Template::has_column)
    }

    /// Returns the next request, `None` when its feeder has no row left.
    fn request(&self, user: u32, values: &Values) -> Option<Request> {
        let row = match &self.feeder {
            Some(feeder) => Some(feeder.next(values)?),
            None => None,
        };
        let draw = values.draw(user, row);
        Some(self.render(Records::next, &draw))
    }

    /// Returns a request without using up a turn.
    fn sample(&self, values: &Values) -> Request {
        let draw = values.draw(0, self.feeder.as_ref().map(Feeder::sample));
        self.render(Records::sample, &draw)
    }

    fn render(&self, take: fn(&Records, &Values) -> Record, draw: &Draw<'_>) -> Request {
        let render = |template: &Template| template.render(draw);
        let own = self.headers.iter();
        let mut headers: Vec<_> = own
            .map(|(name, value)| (name.clone(), render(value)))
            .collect();
        let mut key = self.key.as_ref().map(render);
        let body = match &self.body {
            Body::Template(template) => Some(render(template)),
            Body::Records(records) => {
                let captured = take(records, draw.values);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;

    use super::*;
    use crate::load::plan::{OpenLoop, Pause};

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
        let mix = Mix::try_new(kinds, 1, Share::WHOLE).unwrap();
        assert_eq!(mix.kinds(), ["create", "find"]);
        let bodies: Vec<_> = (0..4).map(|_| mix.next(0).unwrap().body.unwrap()).collect();
        assert_eq!(bodies, ["c1", "f2", "c3", "c4"]);
    }

    #[test]
    fn samples_draw_nothing() {
        let text = "{counter} {random:1:1000000}";
        let bodies = |looked_at: bool| {
            let mix = Mix::try_new(vec![kind("a", 1, text)], 5, Share::WHOLE).unwrap();
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
        let mix = Mix::try_new(vec![kind], 1, Share::WHOLE).unwrap();
        let request = mix.next(4).unwrap();
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        assert_eq!(
            request.headers,
            [header("tenant", "blue4"), header("trace", "1")]
        );
        assert_eq!(request.key, Some(Bytes::from("k")));
        assert_eq!(request.body, Some(Bytes::from("p")));
    }

    #[test]
    fn a_schedule_deals_out_the_kinds_with_its_requests_and_users_mix_all_of_them() {
        let open = Model::Open(OpenLoop {
            rate: 1.0,
            arrivals: Arrivals::Constant,
            max_in_flight: 1,
        });
        let closed = Model::Closed(Pause::None);
        let sent = |index, of, model: &Model| {
            let kinds = [kind("a", 5, ""), kind("b", 1, ""), kind("c", 1, "")];
            let mix = Mix::try_new(kinds.into(), 1, Share::new(index, of).unwrap()).unwrap();
            let mix = mix.for_model(model);
            (0..42)
                .map(|_| mix.next(0).unwrap().kind)
                .collect::<Vec<_>>()
        };
        let whole = sent(0, 1, &open);
        for of in [2, 3, 7, 9] {
            for index in 0..of {
                let own = sent(index, of, &open);
                let dealt = whole
                    .iter()
                    .cycle()
                    .skip(index as usize)
                    .step_by(of as usize);
                assert!(own.iter().eq(dealt.take(42)), "{index} of {of}: {own:?}");
                assert_eq!(sent(index, of, &closed), whole);
            }
        }
    }
}
