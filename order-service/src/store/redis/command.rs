//! What is asked of the store: commands and scripts, for either way in which it keeps an order.

use redis::Cmd;
use uuid::Uuid;

use super::super::Version;

/// Nothing is ever kept under it; it matches what users are allowed who may touch orders only.
const PROBE: &str = "order:probe";

/// Compare and set: the order is replaced only if it is still the text that was read. A script,
/// because no single command compares, and `WATCH` would need a connection of its own.
const REPLACE_STRING: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then \
redis.call('SET', KEYS[1], ARGV[2], 'XX') return 1 end return 0";
/// What is a string still, from before the server had documents, becomes one: beside it first, so
/// that a server which refuses that has lost nothing. Servers without `RENAME` keep the string.
const REPLACE_DOCUMENT: &str = "\
local document = redis.pcall('JSON.GET', KEYS[1]) \
if type(document) ~= 'table' then \
if document ~= ARGV[1] then return 0 end \
redis.call('JSON.SET', KEYS[1], '$', ARGV[2]) return 1 end \
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
redis.call('JSON.SET', KEYS[2], '$', ARGV[2]) \
if redis.pcall('RENAME', KEYS[2], KEYS[1]).err then \
redis.pcall('DEL', KEYS[2]) redis.call('SET', KEYS[1], ARGV[2]) end return 1";
/// A script too, because Kvrocks' `JSON.SET` takes neither `NX` nor `XX`.
const INSERT_DOCUMENT: &str = "\
if redis.call('EXISTS', KEYS[1]) == 1 then return false end \
return redis.call('JSON.SET', KEYS[1], '$', ARGV[1])";

/// How the server takes an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    JsonDocument,
    String,
}

fn key(id: Uuid) -> String {
    format!("order:{id}")
}

/// Where a document is made that then takes the key's place. The braces keep it in the key's hash
/// slot: a cluster runs no script over several slots, even if it has only one shard.
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

/// Asks for a document that does not exist; a server without documents does not know the command.
pub(super) fn ask_for_document() -> Cmd {
    command(&["JSON.GET", PROBE, "$"])
}

/// Says how many shards there are; what is not a cluster refuses it.
pub(super) fn ask_for_cluster() -> Cmd {
    command(&["CLUSTER", "INFO"])
}

/// Asks for a write that changes nothing: it is refused when and as an order would be.
pub(super) fn ask_for_write(encoding: Encoding) -> Cmd {
    match encoding {
        // Only a document that is there has members. The complaint about that comes last.
        Encoding::JsonDocument => command(&["JSON.SET", PROBE, "$.none", "0"]),
        Encoding::String => command(&["SET", PROBE, "", "XX"]),
    }
}

/// Asks for a script, which changes nothing.
pub(super) fn ask_for_scripts(encoding: Encoding) -> Cmd {
    replace_at(encoding, PROBE, "", "")
}

/// Asks for what else scripts and strings need; none of them changes anything.
pub(super) const OTHERS: [fn(Encoding) -> Cmd; 4] = [
    |_| command(&["GET", PROBE]),
    |_| command(&["SET", PROBE, "", "XX"]),
    |encoding| for_documents(encoding, &["EXISTS", PROBE]),
    |encoding| for_documents(encoding, &["DEL", PROBE]),
];

/// Asks for what a server may lack and a user may not. There is no such key, which it complains about.
pub(super) fn ask_for_rename(encoding: Encoding) -> Cmd {
    for_documents(encoding, &["RENAME", &beside(PROBE), PROBE])
}

/// Strings are kept without it.
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
