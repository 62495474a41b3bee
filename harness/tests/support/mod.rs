//! Shared parts of the stack tests: the stack under test, the harness as a program, and the processes that it leaves.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

pub(crate) mod requester;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::stack::{Stack, StackKind, free_port};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Far longer than anything here takes. Tests must not hang, but they measure nothing.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The stack under test, from `TEST_STACK`: `embedded` (default) or `native`.
pub(crate) fn stack_kind() -> StackKind {
    match std::env::var("TEST_STACK").as_deref() {
        Ok("native") => StackKind::Native,
        Ok("embedded") | Err(_) => StackKind::Embedded,
        Ok(other) => panic!("TEST_STACK={other}: it takes embedded or native"),
    }
}

/// How often to repeat a suite, from `ROUNDS`. The default is once.
pub(crate) fn rounds() -> usize {
    let rounds = std::env::var("ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().expect("ROUNDS takes a number"))
}

/// Prints a suite's figures, which `--nocapture` shows.
#[expect(clippy::print_stdout, reason = "a figure that is worth reading")]
pub(crate) fn tell(finding: &str) {
    println!("{finding}");
}

/// A harness in its own folder, which has all its files, also the temporary ones. Its child processes are found by
/// that, because each writes its log there. Their environment would not do, because some servers overwrite it with
/// their title.
pub(crate) struct Harness {
    pub(crate) folder: tempfile::TempDir,
}

/// A running harness.
pub(crate) struct Running {
    child: Child,
    /// The lines of its output up to the sign.
    pub(crate) output: Vec<String>,
    /// The lines after the sign.
    seen: std::sync::mpsc::Receiver<String>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// `harness <arguments>`, for the test to adjust and run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .args(arguments)
            .env("TMPDIR", self.folder.path())
            // On a machine that is busy with other tests, the load client may be the bottleneck, which is no failure
            // here.
            .env("LOAD_CLIENT_EXIT_CODE_ON_INVALID", "0")
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        if arguments.first() == Some(&"up") {
            // Tests run at the same time, and only one can have the ports that `up` prefers.
            let port = || free_port().unwrap().to_string();
            command.env("HARNESS_KAFKA_PORT", port());
            command.env("HARNESS_STORE_PORT", port());
        }
        command
    }

    /// `harness <command> --stack <stack under test> <arguments>`.
    pub(crate) fn on_stack(&self, command: &str, arguments: &[&str]) -> Command {
        let mut all = vec![command, "--stack", stack_kind().name()];
        all.extend(arguments);
        self.command(&all)
    }

    /// Starts it, and waits until a line on standard error or output contains `sign`.
    pub(crate) fn start_until(&self, mut command: Command, sign: &str) -> Running {
        let log = self.folder.path().join("stderr.log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (lines, seen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody may receive the line any more, but reading on keeps the pipe open.
                let _ = lines.send(line);
            }
        });
        let mut running = Running {
            child,
            output: Vec::new(),
            seen,
        };
        wait_for(&format!("{sign:?} in the harness's output"), || {
            running.output.extend(running.seen.try_iter());
            running.output.iter().any(|line| line.contains(sign))
                || fs::read_to_string(&log).unwrap().contains(sign)
        });
        running
    }

    /// Waits until no process of this harness runs any more.
    pub(crate) fn assert_nothing_left(&self) {
        wait_for("the end of every child", || self.all_processes().is_empty());
    }

    /// Process ids of this harness and its children whose command line contains one of `parts`.
    pub(crate) fn processes(&self, parts: &[&str]) -> Vec<i32> {
        let mut found = self.all_processes();
        found.retain(|id| {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            parts.iter().any(|part| command.contains(part))
        });
        found
    }

    fn all_processes(&self) -> Vec<i32> {
        let names = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let ids = names.filter_map(|name| name.parse().ok());
        // A zombie has no open files.
        ids.filter(|id: &i32| {
            ["fd/1", "fd/2"].iter().any(|stream| {
                fs::read_link(format!("/proc/{id}/{stream}"))
                    .is_ok_and(|file| file.starts_with(&self.folder))
            })
        })
        .collect()
    }
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        send(i32::try_from(self.child.id()).unwrap(), signal);
    }

    pub(crate) fn end(mut self) -> ExitStatus {
        self.wait()
    }

    /// Its exit status, and its whole output.
    pub(crate) fn end_with_output(mut self) -> (ExitStatus, String) {
        let status = self.wait();
        self.output.extend(self.seen.iter());
        (status, self.output.join("\n") + "\n")
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("the end of the harness", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It still runs only if the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names of the store programs on their command lines.
pub(crate) const STORES: [&str; 3] = ["kvrocks", "redis-server", "valkey-server"];

/// Sends a signal to one process.
pub(crate) fn send(id: i32, signal: Signal) {
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// Asks until the answer is yes. Fails the test after a limit that no healthy machine reaches.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {LIMIT:?} for {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Standard error without lines of the log's level INFO.
pub(crate) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("INFO"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The file's content as JSON.
pub(crate) fn json(file: &Path) -> serde_json::Value {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

/// A store beside the stack's own, which the test can stop or stall independently.
pub(crate) fn start_store(port: u16, folder: &Path) -> harness::process::Child {
    let port = port.to_string();
    let disk = ["--save", "", "--appendonly", "no"];
    let arguments = ["--port", &port, "--bind", "127.0.0.1"]
        .into_iter()
        .chain(disk);
    let log = folder.join("store.log");
    let store =
        harness::process::Child::spawn("redis-server", "redis-server".as_ref(), arguments, &log);
    let address: std::net::SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    wait_for("the store's port", || {
        std::net::TcpStream::connect(address).is_ok()
    });
    store.unwrap()
}

/// The sum of a metric over all its labels, from a service's `/metrics`. 0 if the metric is missing.
pub(crate) async fn metric(admin: &str, name: &str) -> f64 {
    let (_, answer) = get(admin, "/metrics").await;
    let samples = answer.lines().filter(|line| line.starts_with(name));
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    samples.filter_map(value).sum()
}

/// The topics of runs that the broker still has.
pub(crate) fn run_topics(stack: &Stack) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack.bootstrap_servers())
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(None, LIMIT).unwrap();
    let names = metadata.topics().iter().map(|one| one.name().to_owned());
    names.filter(|name| name.starts_with("run-")).collect()
}

/// Status of an HTTP answer, and its head and body, by a minimal client.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).expect("a status line").parse();
    (status.expect("a status"), answer)
}

/// Waits until a metric is at least one.
pub(crate) async fn until_at_least_one(admin: &str, name: &str) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while metric(admin, name).await < 1.0 {
        assert!(tokio::time::Instant::now() < deadline, "{name} stays 0");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until `/healthz` is green.
pub(crate) async fn until_healthy(admin: &str) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let (status, answer) = get(admin, "/healthz").await;
        if status == 200 {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not healthy: {answer}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes the store stop answering for a while.
pub(crate) fn stall(stack: &Stack, time: Duration) {
    let stalled = Stalled::now(stack);
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        drop(stalled);
    });
}

/// A store that does not answer until this is dropped. SIGSTOP stops its process, because not every store can pause
/// itself.
pub(crate) struct Stalled(Pid);

impl Stalled {
    pub(crate) fn now(stack: &Stack) -> Self {
        let store = stack.store_id().expect("the stack has a store of its own");
        let store = Pid::from_raw(i32::try_from(store).unwrap()).unwrap();
        kill_process(store, Signal::STOP).unwrap();
        Self(store)
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        // A store that has ended needs nothing.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// The number of orders in the store. Not `DBSIZE`, because Kvrocks has to count first.
pub(crate) async fn order_count(stack: &Stack) -> usize {
    let client = redis::Client::open(stack.store_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("order:*")
        .query_async(&mut connection)
        .await
        .unwrap();
    keys.len()
}
