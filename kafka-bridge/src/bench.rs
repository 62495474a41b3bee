//! The pure steps of a record's way, each to be measured alone. Not part of the public interface.

use bytes::Bytes;
use http::{Request, Response};

use crate::http::{request, response};
use crate::reply::address;
use crate::settings::Limits;
use crate::{
    Body, HeaderFilter, Headers, Operation, OutboundRecord, Record, ReplyPolicy, ReplyProfile,
};

/// What the steps are made under: the settings of a bridge that is given an operation only.
#[derive(Debug)]
pub struct Steps {
    operation: Operation,
    limits: Limits,
    filter: HeaderFilter,
    policy: ReplyPolicy,
    profiles: Vec<ReplyProfile>,
}

impl Steps {
    /// Takes the operation that records stand for.
    #[must_use]
    pub fn new(operation: Operation) -> Self {
        Self {
            policy: ReplyPolicy::derived([operation.topic()]),
            operation,
            limits: Limits::default(),
            filter: HeaderFilter::default(),
            profiles: vec![ReplyProfile::reference()],
        }
    }

    /// Makes a record's request.
    ///
    /// # Panics
    ///
    /// Panics if the record is not a legal request.
    #[must_use]
    pub fn request(&self, record: Record) -> Request<Body> {
        request::from_record(record, &self.operation, &self.limits, &self.filter)
            .expect("a legal request")
    }

    /// Resolves a request's return address and makes the reply that goes there.
    ///
    /// # Panics
    ///
    /// Panics if the headers have no return address that may be used.
    #[must_use]
    pub fn reply(&self, response: Response<Bytes>, headers: &Headers) -> OutboundRecord {
        let address = address::resolve(headers, &self.policy, &self.profiles);
        let address = address.expect("an allowed address").expect("an address");
        response::into_reply(response, address, None, &self.profiles)
    }
}
