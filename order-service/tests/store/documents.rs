//! Servers with JSON documents, and orders from before a server had them.

use std::sync::Arc;

use axum::http::Method;
use order_service::store::{OrderStore, StoreError};
use serde_json::Value;

use super::fake_store::{FakeStore, Keys, NO_DOCUMENT, WRONG_TYPE, error};
use super::{ID, KEY, STORED, call, grow_old, is_write, open, order};

#[tokio::test]
async fn h32_an_order_that_is_a_string_is_read_and_becomes_a_document_when_it_is_written() {
    let keys = Keys::default();
    keys.set_documents(true);
    keys.put(KEY, false, STORED);
    let held = keys.clone();
    let server = FakeStore::start(move |_, command: &[&str]| held.answer(command)).await;
    let store = Arc::new(open(&server));
    assert!(!store.insert(&order(1)).await.unwrap(), "the id is taken");
    let path = format!("/orders/{ID}");
    let (status, read) = call(store.clone(), Method::GET, &path, "").await;
    assert_eq!((status, &read["items"][0]["sku"]), (200, &Value::from("a")));
    assert_eq!(keys.get(KEY).unwrap(), (false, STORED.to_owned()));
    let (status, _) = call(store.clone(), Method::DELETE, &path, "").await;
    assert_eq!(status, 200);
    let (document, text) = keys.get(KEY).unwrap();
    assert!(document && text.contains("cancelled"), "{text}");
    let (status, read) = call(store, Method::GET, &path, "").await;
    assert_eq!((status, &read["cancelled"]), (200, &Value::from(true)));
    assert_eq!(
        server.connections(),
        1,
        "reading a string is nothing unusual"
    );
}

#[tokio::test]
async fn h32_a_server_whose_commands_changed_is_asked_again() {
    for documents in [true, false] {
        let keys = Keys::default();
        keys.set_documents(documents);
        let held = keys.clone();
        let server = FakeStore::start(move |_, command: &[&str]| held.answer(command)).await;
        let store = Arc::new(open(&server));
        assert!(store.insert(&order(2)).await.unwrap());
        grow_old().await;
        // Now another server answers, with the other encoding.
        keys.set_documents(!documents);
        keys.put(KEY, !documents, STORED);
        let path = format!("/orders/{ID}");
        let (status, _) = call(store.clone(), Method::GET, &path, "").await;
        assert_eq!(status, 200, "documents first: {documents}");
        assert!(store.insert(&order(3)).await.unwrap());
        let (status, _) = call(store.clone(), Method::DELETE, &path, "").await;
        assert_eq!(status, 200);
        store.ping().await.unwrap();
        assert_eq!(keys.get(KEY).unwrap().0, !documents);
    }
}

/// For example a list. Waiting does not help.
#[tokio::test]
async fn h32_what_is_neither_string_nor_document_is_not_told_as_unavailable() {
    let as_kvrocks = format!("ERR Invalid argument: {WRONG_TYPE}");
    for told in [WRONG_TYPE, NO_DOCUMENT, &as_kvrocks] {
        let (keys, told) = (Keys::default(), told.to_owned());
        keys.set_documents(told != WRONG_TYPE);
        let server = FakeStore::start(move |_, command: &[&str]| {
            let about_it = command.get(1) == Some(&KEY);
            match command[0] {
                "JSON.GET" if about_it => error(&told),
                "GET" if about_it => error(WRONG_TYPE),
                _ => keys.answer(command),
            }
        })
        .await;
        let store = Arc::new(open(&server));
        let (status, problem) = call(store, Method::GET, &format!("/orders/{ID}"), "").await;
        assert_eq!(status, 500, "{problem}");
        assert_eq!(problem["detail"], "the stored order cannot be read");
    }
}

/// A cluster of one shard has all keys, but still runs no script over several slots.
#[tokio::test]
async fn h28_what_a_script_gets_hashes_to_one_slot_of_a_cluster() {
    let keys = Keys::default();
    keys.set_documents(true);
    keys.put(KEY, false, STORED);
    let held = keys.clone();
    let server = FakeStore::start(move |_, command: &[&str]| match command {
        ["EVAL", _, "2", one, other, ..] if hashed(one) != hashed(other) => {
            error("CROSSSLOT Keys in request don't hash to the same slot")
        }
        _ => held.answer(command),
    })
    .await;
    let store = open(&server);
    store.check().await.unwrap();
    let found = store.find(ID).await.unwrap().unwrap();
    assert!(store.replace(&found.version, &order(1)).await.unwrap());
    assert!(keys.get(KEY).unwrap().0, "it became a document");
}

/// A proxy that answers some commands itself, but has no server behind it for a write.
#[tokio::test]
async fn h28_readiness_takes_no_other_error_for_the_complaint_about_a_document() {
    let root = "ERR new objects must be created at the root";
    for (documents, told) in [
        (true, "ERR Connection refused"),
        (false, "ERR Connection refused"),
        (false, root),
    ] {
        let keys = Keys::default();
        keys.set_documents(documents);
        let server = FakeStore::start(move |_, command: &[&str]| {
            if is_write(command) {
                return error(told);
            }
            keys.answer(command)
        })
        .await;
        let store = open(&server);
        for red in [store.ping().await, store.check().await] {
            assert!(
                matches!(&red, Err(StoreError::Unavailable(why)) if why.contains(&told[4..])),
                "documents: {documents}, {told}: {red:?}"
            );
        }
    }
}

/// Without these rights, an order that is a string never becomes a document, and nothing says so.
#[tokio::test]
async fn h32_a_user_who_may_make_no_document_of_a_string_is_told_which_right_is_missing() {
    let all = [
        "DEL", "EVAL", "EXISTS", "GET", "JSON.GET", "JSON.SET", "RENAME", "SET",
    ];
    for lacking in all {
        let keys = Keys::default();
        keys.set_documents(true);
        let told = format!("NOPERM User orders has no permissions to run the '{lacking}' command");
        let server = FakeStore::start(move |_, command: &[&str]| {
            if command[0] == lacking {
                return error(&told);
            }
            keys.answer(command)
        })
        .await;
        match open(&server).check().await {
            Err(StoreError::Refused(why)) => {
                assert!(why.contains(&format!("'{lacking}'")), "{why}");
                assert!(all.iter().all(|right| why.contains(right)), "{why}");
            }
            other => panic!("{lacking}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn h32_a_server_without_a_command_to_rename_is_served() {
    let keys = Keys::default();
    keys.set_documents(true);
    let server = FakeStore::start(move |_, command: &[&str]| match command[0] {
        "RENAME" => error("ERR unknown command 'RENAME'"),
        _ => keys.answer(command),
    })
    .await;
    open(&server).check().await.unwrap();
}

/// The part of a key that decides its slot: the part in the first braces, if there is one.
fn hashed(key: &str) -> &str {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    tag.map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty())
        .unwrap_or(key)
}
