//! Exposes the pure steps of a record's path, so that benchmarks can measure each one alone. Not part of the public
//! interface.

use bytes::Bytes;
use http::{Request, Response};

use crate::http::{request, response};
use crate::reply::address;
use crate::settings::Limits;
use crate::{
    Body, HeaderFilter, Headers, Operation, OutboundRecord, Record, ReplyPolicy, ReplyProfile,
};

/// Runs the steps with the settings of a bridge that has one operation and no other settings.
#[derive(Debug)]
pub struct Steps {
    operation: Operation,
    limits: Limits,
    filter: HeaderFilter,
    policy: ReplyPolicy,
    profiles: Vec<ReplyProfile>,
}

impl Steps {
    /// Creates the steps for the operation of all records.
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

    /// Converts a record to its request.
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
