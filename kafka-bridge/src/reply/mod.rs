//! Where a reply goes: the address as the requester's profile writes it, and the topics that are allowed.

pub(crate) mod address;
pub(crate) mod allow_list;
pub(crate) mod profile;
pub(crate) mod refusal;
