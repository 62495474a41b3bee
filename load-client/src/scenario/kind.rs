//! One kind of request: what is the same for all of them, and what is filled in for each.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::values::Values;
use super::{Records, Request, StatusSet, Template};

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Kind {
    /// By which results are told apart.
    pub name: String,
    /// Its share, against the other kinds' weights; at least 1.
    pub weight: u32,
    /// Where it goes; `None` is the run's topic.
    pub topic: Option<Arc<str>>,
    /// Where its reply is to go; `None` is the run's reply topic.
    pub reply_topic: Option<Arc<str>>,
    /// The statuses that answer it well; `None` is what the run expects.
    pub expect: Option<Arc<StatusSet>>,
    /// The record's key, before any of a captured record.
    pub key: Option<Template>,
    /// Headers of its own, before those of the same name of a captured record.
    pub headers: Vec<(String, Template)>,
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
    #[must_use]
    pub(crate) fn new(name: String, body: Body) -> Self {
        Self {
            name,
            weight: 1,
            topic: None,
            reply_topic: None,
            expect: None,
            key: None,
            headers: Vec::new(),
            body,
        }
    }

    pub(super) fn request(&self, kind: u16, user: u32, values: &Values) -> Request {
        let place = match &self.body {
            Body::Template(_) => 0,
            Body::Records(records) => records.advance(),
        };
        self.render(kind, user, place, values)
    }

    /// A request that takes no turn.
    pub(super) fn sample(&self, kind: u16, values: &Values) -> Request {
        self.render(kind, 0, 0, values)
    }

    fn render(&self, kind: u16, user: u32, place: usize, values: &Values) -> Request {
        let id = Uuid::new_v4();
        let draw = values.draw(user, id);
        let render = |template: &Template| template.render(&draw);
        let own = self.headers.iter();
        let mut headers: Vec<(String, Bytes)> = own
            .map(|(name, value)| (name.clone(), render(value)))
            .collect();
        let mut key = self.key.as_ref().map(render);
        let body = match &self.body {
            Body::Template(template) => Some(render(template)),
            Body::Records(records) => {
                let captured = records.record(place);
                let is_own = |name: &str| self.headers.iter().any(|(own, _)| own == name);
                let more = captured.headers.into_iter();
                headers.extend(more.filter(|(name, _)| !is_own(name)));
                key = key.or(captured.key);
                captured.body
            }
        };
        Request {
            kind,
            id,
            key,
            headers,
            body,
            topic: self.topic.clone(),
            reply_topic: self.reply_topic.clone(),
            expect: self.expect.clone(),
        }
    }
}
