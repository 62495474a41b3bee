//! Measures the cost of the client itself against an echo in this process: `make bench-client`.
//!
//! It prints facts about this machine and asserts nothing. The figures include the work of the echo, because a real
//! client also has a thread that takes replies from a consumer.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use load_client::load::plan::{Model, OpenLoop, Pause, Plan};
use load_client::load::{Arrivals, Share};
use load_client::load::{Control, runner};
use load_client::measure::Summary;
use load_client::measure::recorder::Recorder;
use load_client::report::RequestsCsv;
use load_client::scenario::{Request, Scenario};
use load_client::transport::{Answer, Pending, Transport};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

const RUN_TIME: Duration = Duration::from_secs(5);

/// Answers each request at once, on its own thread.
struct Echo {
    pending: Pending,
    requests: Mutex<Sender<Uuid>>,
}

impl Echo {
    fn start() -> Arc<Self> {
        let (requests, received) = channel();
        let pending = Pending::default();
        let answering = pending.clone();
        std::thread::spawn(move || answer(&answering, &received));
        Arc::new(Self {
            pending,
            requests: Mutex::new(requests),
        })
    }
}

fn answer(pending: &Pending, received: &Receiver<Uuid>) {
    while let Ok(id) = received.recv() {
        let answer = Answer {
            replied: Instant::now(),
            bytes: 2,
        };
        pending.complete(&id, Ok(answer));
    }
}

impl Transport for Echo {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // The echo lives as long as the transport.
        let _ = requests.send(request.id);
    }
}

/// Requests that differ only in their id.
struct Fixed([String; 1]);

impl Scenario for Fixed {
    fn kinds(&self) -> &[String] {
        &self.0
    }

    fn next(&self, _user: u32) -> Option<Request> {
        Some(Request {
            body: Some(Bytes::from_static(b"{}")),
            ..Request::new(0)
        })
    }
}

struct Measured {
    summary: Summary,
    control: Control,
    cpu_seconds: f64,
    seconds: f64,
}

/// Runs a plan, with or without a CSV.
async fn measure(plan: Plan, csv: bool) -> Measured {
    let path = std::env::temp_dir().join(format!("bench-client-{}.csv", std::process::id()));
    let file =
        csv.then(|| RequestsCsv::create(&path, &["echo".to_owned()]).expect("a place for the CSV"));
    let control = Control::default();
    let names = ["echo".to_owned()];
    let (recorder, samples) =
        Recorder::start(&names, &plan, file, &control).expect("a thread for the recorder");
    let (cpu, clock) = (cpu_seconds(), Instant::now());
    let scenario = Arc::new(Fixed(names));
    runner::run(plan, scenario, Echo::start(), samples, &control).await;
    let (summary, recorded) = recorder.finish();
    recorded.expect("the CSV is written");
    let measured = Measured {
        summary,
        control,
        cpu_seconds: cpu_seconds() - cpu,
        seconds: clock.elapsed().as_secs_f64(),
    };
    if csv {
        // The file is in the temporary folder.
        let _ = std::fs::remove_file(&path);
    }
    measured
}

fn closed(users: u32) -> Plan {
    Plan {
        users,
        spawn_rate: 1e6,
        run_time: Some(RUN_TIME),
        warm_up: Duration::ZERO,
        timeout: Duration::from_secs(30),
        model: Model::Closed(Pause::None),
        stages: Vec::new(),
        search: None,
        loads: Vec::new(),
        share: Share::WHOLE,
    }
}

fn open(rate: f64) -> Plan {
    let mut plan = closed(0);
    plan.model = Model::Open(OpenLoop {
        rate,
        arrivals: Arrivals::Constant,
        max_in_flight: 100_000,
    });
    plan
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns fields of `/proc/self/status` in MiB, nothing where there is no such file.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields = status.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let kib: f64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        let is_wanted = matches!(name, "VmRSS" | "VmHWM");
        is_wanted.then(|| format!("{name} {:.1} MiB", kib / 1024.0))
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn tell(name: &str, measured: &Measured) {
    let requests = measured.summary.total.requests as f64;
    let mut line = format!(
        "{name:<36} {:>9.0} /s {:>9.0} per CPU second, {:>4.0} % of a core",
        requests / measured.seconds,
        requests / measured.cpu_seconds,
        100.0 * measured.cpu_seconds / measured.seconds,
    );
    if let Some(lag) = measured.control.lag() {
        line.push_str(&format!(
            "; schedule lag p50 {:.3} p99 {:.3} max {:.3} ms",
            lag.p50_ms, lag.p99_ms, lag.max_ms
        ));
    }
    say(&line);
}

fn say(line: &str) {
    // A reader that closes the pipe wants no more output.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        say(&format!("at the start: {}", memory()));
        // This comes first, because the largest memory is that of the whole process.
        let mut thinking = closed(10_000);
        thinking.spawn_rate = 5000.0;
        thinking.model = Model::Closed(Pause::Pace(Duration::from_secs(1)));
        tell("10000 users, 1/s each, CSV", &measure(thinking, true).await);
        say(&format!("after it: {}", memory()));
        tell(
            "10000 users, no think time, CSV",
            &measure(closed(10_000), true).await,
        );
        say(&format!("after it: {}", memory()));
        tell("closed loop, 100 users", &measure(closed(100), false).await);
        tell(
            "closed loop, 100 users, CSV",
            &measure(closed(100), true).await,
        );
        tell("open loop, 1000/s", &measure(open(1000.0), false).await);
        tell("open loop, 10000/s", &measure(open(10_000.0), false).await);
        tell(
            "open loop, 10000/s, CSV",
            &measure(open(10_000.0), true).await,
        );
        tell("open loop, 50000/s", &measure(open(50_000.0), false).await);
        say(&format!("at the end: {}", memory()));
    });
}
