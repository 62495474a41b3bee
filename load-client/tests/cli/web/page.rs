//! The program with an open page, and the small HTTP client of the tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::client;

/// Only ends a failed test.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Page {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
}

impl Page {
    /// Starts `load-client --web` on a free port for these brokers.
    pub(super) fn open(brokers: &str, arguments: &[&str]) -> Self {
        let mut child = client()
            .args(["--host", &format!("kafka://{brokers}")])
            // The mock answers a fetch only when its wait ends.
            .args(["-X", "fetch.wait.max.ms=1", "--web", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).expect(&line);
        Self {
            address: address.split(' ').next().unwrap().to_owned(),
            child,
            stderr,
        }
    }

    /// Sends a request, and reads the whole answer.
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\n{}\r\n", self.head()))
    }

    pub(super) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let (status, answer) = self.send(&format!(
            "POST {path} HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            self.head()
        ));
        (status, serde_json::from_str(&answer).unwrap())
    }

    fn head(&self) -> String {
        format!("host: {}\r\nconnection: close\r\n", self.address)
    }

    fn send(&self, request: &str) -> (u16, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Listens to the events.
    pub(super) fn events(&self) -> Events {
        let mut stream = self.connect();
        let head = format!("host: {}\r\n\r\n", self.address);
        write!(stream, "GET /events HTTP/1.1\r\n{head}").unwrap();
        Events(BufReader::new(stream))
    }

    /// Waits for a phase, and returns the state.
    pub(super) fn wait_for(&self, phase: &str) -> Value {
        self.events()
            .until("state", |state| state["phase"] == phase)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Pauses the program for this long.
    pub(super) fn pause(&self, time: Duration) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).unwrap();
        std::thread::sleep(time);
        kill_process(pid, Signal::CONT).unwrap();
    }

    /// Waits for the program to end by itself.
    pub(super) fn ended(mut self) -> Output {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.stderr.read_to_end(&mut stderr).unwrap();
        if let Some(pipe) = &mut self.child.stdout {
            pipe.read_to_end(&mut stdout).unwrap();
        }
        let status = self.child.wait().unwrap();
        Output {
            status,
            stdout,
            stderr,
        }
    }
}

/// A failed test must not leave a load running.
impl Drop for Page {
    fn drop(&mut self) {
        // Usually the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of events.
pub(super) struct Events(BufReader<TcpStream>);

impl Events {
    /// Returns the data of the first event with this name that fits.
    pub(super) fn until(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended");
            if let Some(found) = line.strip_prefix("event: ") {
                event = found.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ")
                && event == name
            {
                let data = serde_json::from_str(data.trim()).unwrap();
                if fits(&data) {
                    return data;
                }
            }
        }
    }

    /// Reads to the end. Returns whether the server ended the stream as HTTP requires.
    pub(super) fn end(mut self) -> bool {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest.ends_with("0\r\n\r\n")
    }
}
