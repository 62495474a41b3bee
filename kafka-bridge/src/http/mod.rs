//! From a record to a request, through the application, to a response and the reply's record.

pub(crate) mod body;
mod call;
pub(crate) mod deadline;
pub(crate) mod echo;
pub(crate) mod header_filter;
pub(crate) mod problem;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod service;
