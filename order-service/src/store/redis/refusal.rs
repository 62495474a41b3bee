//! What an error of the store means: for the requester, and for the connection that it came over.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::super::StoreError;

/// Returns whether the connection is no longer any good.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Parse
}

/// Returns whether a new connection may lead to a server that does not say so: behind one address
/// there may be another one by now.
pub(super) fn may_differ_elsewhere(error: &RedisError) -> bool {
    let role = ["READONLY", "MASTERDOWN", "MOVED", "NOAUTH"];
    role.iter().any(|word| says(error, word)) || is_unknown_command(error)
}

/// Returns whether the server does not have the command, in its own words or a proxy's.
pub(super) fn is_unknown_command(error: &RedisError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    text.contains("unknown command")
        || text.contains("unknown redis command")
        || text.contains("unsupported") && text.contains("command")
}

/// Returns whether the key holds something that the command is not for.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    says(error, "WRONGTYPE") || says(error, "wrong Redis type")
}

/// Returns whether the server has understood and allowed a document's member, and has no document for
/// it. A proxy tells as `ERR`, too, that it has no server: only these words are an excuse.
pub(super) fn is_no_document_yet(error: &RedisError) -> bool {
    // Valkey's documents have a code of their own for it.
    let complaint = ["ERR", "SYNTAXERR"].map(Some);
    let words = ["created at the root", "path must be root"];
    complaint.contains(&error.code()) && words.iter().any(|word| says(error, word))
}

/// Returns whether the server's user may not run the command.
pub(super) fn lacks_a_right(error: &RedisError) -> bool {
    says(error, "NOPERM") || says(error, "can't run this command")
}

/// Sorts an error by whether waiting may help.
pub(super) fn store_error(error: &RedisError) -> StoreError {
    let told = error.to_string();
    let one_of = |words: &[&str]| words.iter().any(|word| says(error, word));
    match error.kind() {
        // A handshake of TLS that fails is the client's own error.
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::Client => StoreError::Unreachable(told),
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::UnexpectedReturnType => StoreError::Refused(told),
        ErrorKind::Server(
            ServerErrorKind::Ask | ServerErrorKind::CrossSlot | ServerErrorKind::Moved,
        ) => StoreError::Refused(format!("{CLUSTER}: {told}")),
        // Said by the client while it connects, of whatever the server told.
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

/// What is wrong with a cluster, and what to give instead.
pub(super) const CLUSTER: &str = "it is a node of a Redis Cluster, which keeps only a part of the keys; give one server that \
     has them all, a cluster of one shard, or a proxy that follows the cluster";

/// Errors from within scripts carry the word in their text, with some servers.
fn says(error: &RedisError, word: &str) -> bool {
    error.code().is_some_and(|code| code == word)
        || error.detail().is_some_and(|detail| detail.contains(word))
}
