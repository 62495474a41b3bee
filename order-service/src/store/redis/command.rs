//! The commands and scripts for the store, for both encodings of an order.

use redis::Cmd;
use uuid::Uuid;

use super::super::Version;

/// A key that never exists. It has the prefix of orders, because the store's user may be restricted to that.
const PROBE: &str = "order:probe";

/// Compares and sets: replaces the order only if its text is still the one that was read. A script, because no single
/// command compares, and `WATCH` would need a separate connection.
const REPLACE_STRING: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then \
redis.call('SET', KEYS[1], ARGV[2], 'XX') return 1 end return 0";
/// An order that is still a string, from before the server had documents, becomes a document. The script creates the
/// document under another key first: a server that refuses it then loses nothing. A server without `RENAME` keeps the
/// string.
const REPLACE_DOCUMENT: &str = "\
local document = redis.pcall('JSON.GET', KEYS[1]) \
if type(document) ~= 'table' then \
if document ~= ARGV[1] then return 0 end \
redis.call('JSON.SET', KEYS[1], '$', ARGV[2]) return 1 end \
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
redis.call('JSON.SET', KEYS[2], '$', ARGV[2]) \
if redis.pcall('RENAME', KEYS[2], KEYS[1]).err then \
redis.pcall('DEL', KEYS[2]) redis.call('SET', KEYS[1], ARGV[2]) end return 1";
/// Also a script, because Kvrocks' `JSON.SET` takes neither `NX` nor `XX`.
const INSERT_DOCUMENT: &str = "\
if redis.call('EXISTS', KEYS[1]) == 1 then return false end \
return redis.call('JSON.SET', KEYS[1], '$', ARGV[1])";

/// How the server keeps an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    JsonDocument,
    String,
}

fn key(id: Uuid) -> String {
    format!("order:{id}")
}

/// The key under which a document is created before it replaces the string. The braces keep it in the hash slot of the
/// order's key: a cluster runs no script over several slots, even with only one shard.
fn beside(key: &str) -> String {
    format!("order:document:{{{key}}}")
}

pub(super) fn insert(encoding: Encoding, id: Uuid, json: &str) -> Cmd {
    match encoding {
        Encoding::JsonDocument => command(&["EVAL", INSERT_DOCUMENT, "1", &key(id), json]),
        Encoding::String => command(&["SET", &key(id), json, "NX"]),
    }
}

pub(super) fn find(encoding: Encoding, id: Uuid) -> Cmd {
    match encoding {
        Encoding::JsonDocument => command(&["JSON.GET", &key(id)]),
        Encoding::String => command(&["GET", &key(id)]),
    }
}

pub(super) fn replace(encoding: Encoding, id: Uuid, version: &Version, json: &str) -> Cmd {
    replace_at(encoding, &key(id), version.as_str(), json)
}

fn replace_at(encoding: Encoding, key: &str, version: &str, json: &str) -> Cmd {
    match encoding {
        Encoding::JsonDocument => {
            let beside = beside(key);
            let script = ["EVAL", REPLACE_DOCUMENT, "2", key, &beside, version, json];
            command(&script)
        }
        Encoding::String => command(&["EVAL", REPLACE_STRING, "1", key, version, json]),
    }
}

/// Asks for a document that does not exist. A server without documents does not know the command.
pub(super) fn ask_for_document() -> Cmd {
    command(&["JSON.GET", PROBE, "$"])
}

/// Asks for the number of shards. A server that is no cluster refuses the command.
pub(super) fn ask_for_cluster() -> Cmd {
    command(&["CLUSTER", "INFO"])
}

/// Asks for a write that changes nothing. The server refuses it if it would refuse an order.
pub(super) fn ask_for_write(encoding: Encoding) -> Cmd {
    match encoding {
        // It fails because there is no such document, but the server checks everything else first.
        Encoding::JsonDocument => command(&["JSON.SET", PROBE, "$.none", "0"]),
        Encoding::String => command(&["SET", PROBE, "", "XX"]),
    }
}

/// Asks for a script, which changes nothing.
pub(super) fn ask_for_scripts(encoding: Encoding) -> Cmd {
    replace_at(encoding, PROBE, "", "")
}

/// The other commands that scripts and strings need. None of them changes anything.
pub(super) const OTHERS: [fn(Encoding) -> Cmd; 4] = [
    |_| command(&["GET", PROBE]),
    |_| command(&["SET", PROBE, "", "XX"]),
    |encoding| for_documents(encoding, &["EXISTS", PROBE]),
    |encoding| for_documents(encoding, &["DEL", PROBE]),
];

/// Asks for `RENAME`. A server may lack it, but if it has it, its user must have the right. There is no such key, so a
/// server that runs it answers with an error.
pub(super) fn ask_for_rename(encoding: Encoding) -> Cmd {
    for_documents(encoding, &["RENAME", &beside(PROBE), PROBE])
}

/// Asks this of a server with documents only. Strings do not need it.
fn for_documents(encoding: Encoding, parts: &[&str]) -> Cmd {
    match encoding {
        Encoding::JsonDocument => command(parts),
        Encoding::String => command(&["GET", PROBE]),
    }
}

fn command(parts: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    command.arg(parts);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: &Cmd) -> String {
        String::from_utf8(command.get_packed_command())
            .unwrap()
            .replace("\r\n", " ")
    }

    #[test]
    fn documents_are_used_where_the_server_has_them() {
        let id = Uuid::nil();
        let document = text(&insert(Encoding::JsonDocument, id, "{}"));
        assert!(document.contains("JSON.SET"), "{document}");
        assert!(document.contains("'$'"), "the root path: {document}");
        let string = text(&insert(Encoding::String, id, "{}"));
        assert!(
            string.starts_with("*4 $3 SET $42 order:00000000-"),
            "{string}"
        );
    }

    #[test]
    fn an_insert_never_overwrites_and_a_replacement_never_makes_an_order() {
        let string = text(&insert(Encoding::String, Uuid::nil(), "{}"));
        assert!(string.ends_with("$2 {} $2 NX "), "{string}");
        let document = text(&insert(Encoding::JsonDocument, Uuid::nil(), "{}"));
        assert!(
            document.contains("EXISTS") && !document.contains("NX"),
            "{document}"
        );
        for encoding in [Encoding::JsonDocument, Encoding::String] {
            let version = Version::new("{ }");
            let replace = text(&replace(encoding, Uuid::nil(), &version, "{}"));
            assert!(replace.contains("= ARGV[1]"), "{replace}");
            assert!(replace.ends_with("$3 { } $2 {} "), "{replace}");
        }
    }
}
