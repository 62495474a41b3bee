//! Converts a record to a request, calls the application, and converts the response to the reply's record.

pub(crate) mod body;
mod call;
pub(crate) mod deadline;
pub(crate) mod echo;
pub(crate) mod header_filter;
pub(crate) mod problem;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod service;
