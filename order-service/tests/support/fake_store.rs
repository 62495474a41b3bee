//! A store on loopback whose answers the test chooses, because no real server fails on request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server does after a command.
pub(crate) enum Answer {
    /// Sends this as it is.
    Send(String),
    /// Closes the connection.
    Close,
    /// Does not answer this command, nor any later one on the connection.
    Freeze,
}

pub(crate) fn error(text: &str) -> Answer {
    Answer::Send(format!("-{text}\r\n"))
}

fn ok() -> Answer {
    Answer::Send("+OK\r\n".to_owned())
}

fn nil() -> Answer {
    Answer::Send("$-1\r\n".to_owned())
}

fn number(value: i64) -> Answer {
    Answer::Send(format!(":{value}\r\n"))
}

fn text(value: &str) -> Answer {
    Answer::Send(format!("${}\r\n{value}\r\n", value.len()))
}

/// A server that asks the test for each answer. The test gets the connection's number, from 0, and the command.
pub(crate) struct FakeStore {
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
}

impl FakeStore {
    pub(crate) async fn start(
        answer: impl Fn(usize, &[&str]) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let connections = Arc::<AtomicUsize>::default();
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move { serve(stream, |command| answer(number, command)).await });
            }
        });
        Self { url, connections }
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, answer: impl Fn(&[&str]) -> Answer) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut command = Vec::new();
        for _ in 0..line(&mut stream).await? {
            let mut part = vec![0; line(&mut stream).await? + 2];
            stream.read_exact(&mut part).await.ok()?;
            part.truncate(part.len() - 2);
            command.push(String::from_utf8(part).unwrap());
        }
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        match answer(&command) {
            Answer::Send(bytes) => stream.write_all(bytes.as_bytes()).await.ok()?,
            Answer::Close => return None,
            Answer::Freeze => std::future::pending().await,
        }
    }
}

/// Reads `*<count>` or `$<length>`.
async fn line(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}

/// The orders of a healthy server, with or without documents.
#[derive(Clone, Default)]
pub(crate) struct Keys(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    documents: bool,
    /// Each value, and whether it is a document.
    values: HashMap<String, (bool, String)>,
}

pub(crate) const WRONG_TYPE: &str =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
/// RedisJSON's error text.
pub(crate) const NO_DOCUMENT: &str = "Existing key has wrong Redis type";

impl Keys {
    pub(crate) fn set_documents(&self, documents: bool) {
        self.0.lock().unwrap().documents = documents;
    }

    pub(crate) fn put(&self, key: &str, document: bool, value: &str) {
        let mut held = self.0.lock().unwrap();
        held.values
            .insert(key.to_owned(), (document, value.to_owned()));
    }

    /// The key's value, and whether it is a document.
    pub(crate) fn get(&self, key: &str) -> Option<(bool, String)> {
        self.0.lock().unwrap().values.get(key).cloned()
    }

    pub(crate) fn answer(&self, command: &[&str]) -> Answer {
        let held = &mut *self.0.lock().unwrap();
        let wants_documents = command.iter().any(|part| part.contains("JSON."));
        if wants_documents && !held.documents {
            // A script ends at its first unknown command.
            return match command[0] {
                "EVAL" if held.ends_early(command) => nil(),
                "EVAL" => error("ERR Unknown Redis command called from script script: 1"),
                _ => error(&format!("ERR unknown command '{}'", command[0])),
            };
        }
        let values = &mut held.values;
        match *command {
            ["GET" | "JSON.GET", key, ..] => match values.get(key) {
                None => nil(),
                Some((document, value)) if *document == (command[0] == "JSON.GET") => text(value),
                Some((true, _)) => error(WRONG_TYPE),
                Some((false, _)) => error(NO_DOCUMENT),
            },
            ["SET", key, value, condition] => {
                if values.contains_key(key) == (condition == "NX") {
                    return nil();
                }
                values.insert(key.to_owned(), (false, value.to_owned()));
                ok()
            }
            ["PING"] => Answer::Send("+PONG\r\n".to_owned()),
            ["JSON.SET", ..] => error("ERR new objects must be created at the root"),
            ["RENAME", from, _] if !values.contains_key(from) => error("ERR no such key"),
            ["DEL", key] => number(values.remove(key).is_some().into()),
            ["EXISTS", key] => number(values.contains_key(key).into()),
            ["EVAL", _, "1", key, value] => {
                if values.contains_key(key) {
                    return nil();
                }
                values.insert(key.to_owned(), (true, value.to_owned()));
                ok()
            }
            ["EVAL", _, "1", key, old, new] => replace(values, false, key, old, new),
            ["EVAL", _, "2", key, _, old, new] => replace(values, true, key, old, new),
            _ => error(&format!("ERR unknown command '{}'", command[0])),
        }
    }
}

impl Held {
    /// Whether the script that inserts a document ends because the key exists.
    fn ends_early(&self, command: &[&str]) -> bool {
        command.len() == 5 && self.values.contains_key(command[3])
    }
}

fn replace(
    values: &mut HashMap<String, (bool, String)>,
    document: bool,
    key: &str,
    old: &str,
    new: &str,
) -> Answer {
    match values.get_mut(key) {
        Some((true, _)) if !document => error(WRONG_TYPE),
        Some((kind, value)) if value == old => {
            (*kind, *value) = (document, new.to_owned());
            number(1)
        }
        _ => number(0),
    }
}
