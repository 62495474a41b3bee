//! Decides where a reply goes: by the address in the requester's profile, and by the list of allowed topics.

pub(crate) mod address;
pub(crate) mod allow_list;
pub(crate) mod profile;
pub(crate) mod refusal;
