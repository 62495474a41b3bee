//! The place where a page's commands run, and its end: nothing of it stays.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tempfile::TempDir;

use crate::page::Block;

/// Far above what a page takes. A build from nothing is a part of what runs as printed.
const LIMIT: Duration = Duration::from_secs(240);
const LIMIT_AS_PRINTED: Duration = Duration::from_secs(3600);
/// Lines of a page's output that a failure shows.
const SHOWN_LINES: usize = 40;
/// What is not shown in the place: built programs and results would be those of others, and a commit would be real.
const NOT_LINKED: [&str; 3] = ["target", "results", ".git"];
pub(crate) const PROGRAMS: [&str; 3] = ["load-client", "order-service", "harness"];

/// The folder of the built programs.
pub(crate) fn programs() -> PathBuf {
    let harness = Path::new(env!("CARGO_BIN_EXE_harness"));
    harness.parent().unwrap().to_owned()
}

#[expect(clippy::print_stdout, reason = "what is not run is told")]
pub(crate) fn tell(text: &str) {
    println!("{text}");
}

pub(crate) struct Place {
    scratch: TempDir,
    root: PathBuf,
    is_clone: bool,
}

impl Place {
    /// A folder that looks like `repository`, or `clone` itself.
    pub(crate) fn new(repository: &Path, clone: Option<&Path>) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let own = scratch.path().join("root");
        let root = clone.map_or_else(|| own.clone(), Path::to_owned);
        let place = Self {
            root,
            scratch,
            is_clone: clone.is_some(),
        };
        fs::create_dir_all(place.home().join(".local/bin")).unwrap();
        if !place.is_clone {
            place.link(repository);
        }
        place
    }

    fn home(&self) -> PathBuf {
        self.scratch.path().join("home")
    }

    fn bin(&self) -> PathBuf {
        self.scratch.path().join("bin")
    }

    fn link(&self, repository: &Path) {
        fs::create_dir_all(self.root.join("target")).unwrap();
        for entry in fs::read_dir(repository).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if NOT_LINKED.iter().all(|other| name != *other) {
                symlink(entry.path(), self.root.join(name)).unwrap();
            }
        }
        symlink(programs(), self.root.join("target/debug")).unwrap();
        fs::create_dir(self.bin()).unwrap();
        for program in PROGRAMS {
            symlink(programs().join(program), self.bin().join(program)).unwrap();
        }
    }

    /// Runs a page's blocks one after the other; fails with the block and the end of its output.
    pub(crate) fn run(&self, page: &str, commands: &[(&Block, String)]) -> Result<(), String> {
        let [script, mark, log] =
            ["script", "line", "log"].map(|name| self.scratch.path().join(name));
        fs::write(&script, script_of(commands, &mark)).unwrap();
        let output = File::create(&log).unwrap();
        let mut bash = self.command("bash");
        bash.arg(&script)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            // What a page starts in the background ends with its group.
            .process_group(0);
        let started = Instant::now();
        let mut bash = bash.spawn().unwrap();
        let limit = if self.is_clone {
            LIMIT_AS_PRINTED
        } else {
            LIMIT
        };
        let ended = end_of(&mut bash, limit);
        self.tidy_up(&bash);
        tell(&format!(
            "{page}: {} blocks in {:.1} s",
            commands.len(),
            started.elapsed().as_secs_f64()
        ));
        let text = fs::read_to_string(&log).unwrap_or_default();
        if self.is_clone {
            tell(&text);
        }
        if ended == Some(0) {
            return Ok(());
        }
        let line = fs::read_to_string(&mark).unwrap_or_default();
        let skipped = text.lines().count().saturating_sub(SHOWN_LINES);
        let shown: Vec<_> = text.lines().skip(skipped).collect();
        let how = ended.map_or("is not at its end after its time".to_owned(), |code| {
            format!("exit code {code}")
        });
        Err(format!(
            "{page}:{}: {how}\n{}",
            line.trim(),
            shown.join("\n")
        ))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut path: OsString = self.bin().into_os_string();
        path.push(format!(":{}/.local/bin:", self.home().display()));
        path.push(std::env::var_os("PATH").unwrap());
        command.current_dir(&self.root).env("PATH", path);
        // Cargo runs this test with variables of its own, and RESULTS and the like may be a developer's.
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in names.filter(|name| is_of_a_developer(name)) {
            command.env_remove(name);
        }
        // What a page installs is gone with the place.
        let own_home = PathBuf::from(std::env::var_os("HOME").unwrap());
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            let own = std::env::var_os(name);
            command.env(name, own.unwrap_or_else(|| own_home.join(folder).into()));
        }
        command.env("HOME", self.home());
        if self.is_clone {
            return command;
        }
        command
            // The tests have built the programs, without optimization.
            .envs([("CARGO", "true"), ("PROFILE", "dev")])
            .envs([("TRIALS", "1"), ("RUN_TIME", "1s"), ("WARM_UP", "0s")])
            // The load client is slow in such a build, and says nothing of the page.
            .env("LOAD_CLIENT_EXIT_CODE_ON_INVALID", "0");
        command
    }

    fn tidy_up(&self, bash: &Child) {
        let group = i32::try_from(bash.id())
            .ok()
            .and_then(Pid::from_raw)
            .unwrap();
        // Who is left in the group gets a moment to end in order.
        let deadline = Instant::now() + Duration::from_secs(5);
        // A second SIGTERM would stop our programs at once.
        let _ = kill_process_group(group, Signal::TERM);
        while test_kill_process_group(group).is_ok() && Instant::now() < deadline {
            sleep(Duration::from_millis(50));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let down = self.command("make").args(["--silent", "down"]).output();
        assert!(down.unwrap().status.success(), "make down fails");
    }
}

/// Whether a variable would change what the commands of a page do.
fn is_of_a_developer(name: &str) -> bool {
    let prefixes = ["LOAD_CLIENT_", "ORDER_SERVICE_", "HARNESS_", "MAKE"];
    let names = [
        "RESULTS",
        "STACK",
        "CARGO_TARGET_DIR",
        "PREFIX",
        "DESTDIR",
        "KAFKA_URL",
        "STORE_URL",
    ];
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Fails if a port that pages name is taken: their commands would talk to a stranger.
pub(crate) fn require_ports() {
    for port in [9092, 6666, 9464, 8000, 8089] {
        let free = TcpListener::bind(("127.0.0.1", port)).is_ok();
        assert!(
            free,
            "port {port} is in use, and the pages need it: make down?"
        );
    }
}

/// A script that writes the line of each block to a file before the block, and ends with the first that fails.
fn script_of(commands: &[(&Block, String)], mark: &Path) -> String {
    let mut script = "set -eu\n".to_owned();
    for (block, text) in commands {
        let (line, mark) = (block.line, mark.display());
        writeln!(
            script,
            "echo {line} >'{mark}'; echo \"== line {line}, after $SECONDS s\""
        )
        .unwrap();
        match block.directives.exit_code {
            None => script += text,
            Some(code) => writeln!(
                script,
                "set +e\n(set -e\n{text})\ncode=$?\nset -e\n[ $code = {code} ] || {{ echo \"exit code $code, not {code}\"; exit 1; }}"
            )
            .unwrap(),
        }
    }
    script
}

/// The exit code of a child that ends in time.
fn end_of(child: &mut Child, limit: Duration) -> Option<i32> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code().unwrap_or(-1));
        }
        sleep(Duration::from_millis(20));
    }
    None
}
