//! The meaning of the store's errors, for the requester and for the connection.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::super::StoreError;

/// Returns whether the connection is broken.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Parse
}

/// Returns whether a new connection may help, because another server may be behind the address by now.
pub(super) fn may_differ_elsewhere(error: &RedisError) -> bool {
    let role = ["READONLY", "MASTERDOWN", "MOVED", "NOAUTH"];
    role.iter().any(|word| says(error, word)) || is_unknown_command(error)
}

/// Returns whether the server, or a proxy, says that it does not know the command.
pub(super) fn is_unknown_command(error: &RedisError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    text.contains("unknown command")
        || text.contains("unknown redis command")
        || text.contains("unsupported") && text.contains("command")
}

/// Returns whether the key has a value of the wrong type for the command.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    says(error, "WRONGTYPE") || says(error, "wrong Redis type")
}

/// Returns whether the server accepts the command, but has no such document. The code `ERR` is not enough: a proxy
/// without a server answers with it too.
pub(super) fn is_no_document_yet(error: &RedisError) -> bool {
    // Valkey's documents have another code for it.
    let complaint = ["ERR", "SYNTAXERR"].map(Some);
    let words = ["created at the root", "path must be root"];
    complaint.contains(&error.code()) && words.iter().any(|word| says(error, word))
}

/// Returns whether the server's user may not run the command.
pub(super) fn lacks_a_right(error: &RedisError) -> bool {
    says(error, "NOPERM") || says(error, "can't run this command")
}

/// Sorts errors by whether waiting may help.
pub(super) fn store_error(error: &RedisError) -> StoreError {
    let told = error.to_string();
    let one_of = |words: &[&str]| words.iter().any(|word| says(error, word));
    match error.kind() {
        // A failed TLS handshake is an error of the client.
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::Client => StoreError::Unreachable(told),
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::UnexpectedReturnType => StoreError::Refused(told),
        ErrorKind::Server(
            ServerErrorKind::Ask | ServerErrorKind::CrossSlot | ServerErrorKind::Moved,
        ) => StoreError::Refused(format!("{CLUSTER}: {told}")),
        // The client says so while it connects, whatever the server answered.
        _ if told.contains("refused to switch database")
            || is_unknown_command(error)
            || is_wrong_type(error)
            || lacks_a_right(error)
            || one_of(&["NOAUTH", "WRONGPASS"]) =>
        {
            StoreError::Refused(told)
        }
        _ => StoreError::Unavailable(told),
    }
}

/// The problem with a cluster, and the alternatives.
pub(super) const CLUSTER: &str = "it is a node of a Redis Cluster, which has only a part of the keys: use a single \
     server, a cluster of one shard, or a proxy that follows the cluster";

/// Looks into the text too: some servers put the word there if a script failed.
fn says(error: &RedisError, word: &str) -> bool {
    error.code().is_some_and(|code| code == word)
        || error.detail().is_some_and(|detail| detail.contains(word))
}
