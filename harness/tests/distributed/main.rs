//! Runs of several load clients over the log of Apache Kafka, as processes. They count the same as one client, and a
//! worker, the coordinator or both may be killed.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod parties;
#[path = "../support/mod.rs"]
mod support;
mod wrong;

use std::path::Path;

use harness::service::{Service, ServiceOptions};
use harness::stack::{Right, Stack, StackOptions, authorizer};
use parties::{Place, says_what_was_measured};
use rustix::process::Signal;
use serde_json::Value;
use support::stack_kind;
use tokio::task::spawn_blocking;

#[tokio::test(flavor = "multi_thread")]
async fn apache_kafka_only_several_clients_are_one_run_and_may_be_killed() {
    let (mut stack, service) = started().await;
    let folder = tempfile::tempdir().unwrap();
    // Scenarios mostly wait, so they run at the same time.
    let lanes = [
        &[counts as Scenario, a_threshold_that_breaks][..],
        &[a_killed_worker, both_killed, wrong::topics_without_rights][..],
        &[
            a_killed_coordinator,
            a_worker_that_the_run_goes_on_without,
            wrong::workers_that_would_begin_apart,
        ][..],
        &[a_coordinator_that_slept, wrong::what_does_not_fit][..],
    ];
    let lanes = lanes.map(|lane| {
        let (broker, folder) = (
            stack.bootstrap_servers().to_owned(),
            folder.path().to_owned(),
        );
        spawn_blocking(move || lane.iter().for_each(|scenario| scenario(&broker, &folder)))
    });
    let mut ended = Vec::new();
    for lane in lanes {
        ended.push(lane.await);
    }
    ended.into_iter().for_each(|lane| lane.unwrap());
    let broker = stack.bootstrap_servers().to_owned();
    let place = Place {
        broker: &broker,
        name: "gone",
        folder: folder.path(),
    };
    let (worker, leader) = wrong::a_run_that_goes_on(&place);
    stack.broker_process(0).unwrap().signal(Signal::KILL);
    spawn_blocking(move || wrong::a_broker_that_is_gone(worker, leader))
        .await
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    let left = left
        .into_iter()
        .map(|own| own.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|own| own.starts_with(".tmp")).collect();
    // The three killed workers leave their unpacked files.
    assert!(left.len() <= 3, "{left:?}");
    // Neither can stop in order without a broker.
    drop((service, stack));
}

/// A broker with two topics without rights, and a service.
async fn started() -> (Stack, Service) {
    let options = StackOptions {
        broker_properties: authorizer(),
        ..StackOptions::default()
    };
    let stack = Stack::start(stack_kind(), options).await.unwrap();
    for topic in [
        "createOrder",
        "createOrder.reply",
        "closed.control",
        "closed.results",
        "mute.control",
        "mute.results",
    ] {
        stack.create_topic(topic, 1).await.unwrap();
    }
    stack.withdraw("closed.control", Right::Read).await.unwrap();
    stack.withdraw("mute.results", Right::Write).await.unwrap();
    let options = ServiceOptions {
        dispatch: Some("tasks".to_owned()),
        ..ServiceOptions::default()
    };
    let service = Service::start(&stack, options).await.unwrap();
    (stack, service)
}

type Scenario = fn(&str, &Path);

/// A schedule of 120 requests in 2 s.
const SCHEDULE: [&str; 6] = ["--rate", "60/s", "-t", "2s", "--start-delay", "2s"];
/// A schedule of 400 requests in 8 s.
const LONG: [&str; 6] = ["--rate", "50/s", "-t", "8s", "--start-delay", "2s"];

fn requests(report: &Value) -> u64 {
    report["summary"]["total"]["requests"].as_u64().unwrap()
}

/// Requests of each worker of a report.
fn of_each(report: &Value) -> Vec<u64> {
    let parts = report["parts"].as_array().unwrap().iter();
    parts.map(|own| own["requests"].as_u64().unwrap()).collect()
}

fn with<'a>(run: &'a str, workers: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--workers", workers, "--run", run][..], more].concat()
}

/// Several workers send the same as one client, with users and with a schedule.
fn counts(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "counts",
        folder,
    };
    for of in [1, 2, 4, 8] {
        let own = |index| folder.join(format!("w{of}-{index}.csv"));
        let workers = (0..of).map(|index| {
            let requests = own(index).display().to_string();
            place.worker(
                &format!("w{of}-{index}"),
                &["--requests-record-file", &requests],
            )
        });
        let workers: Vec<_> = workers.collect();
        let files: Vec<_> = (0..of).map(own).collect();
        let (run, of) = (format!("of-{of}"), of.to_string());
        let leader = place.coordinator(&run, &with(&run, &of, &SCHEDULE));
        let (code, told) = leader.end();
        assert!(matches!(code, Some(0 | 5)), "{told}");
        let report = place.json(&run);
        assert_eq!(requests(&report), 120, "{of} workers: {told}");
        assert_eq!(report["summary"]["total"]["failures"], 0, "{told}");
        let each = of_each(&report);
        assert!(
            each.iter().all(|own| *own == 120 / each.len() as u64),
            "{each:?}"
        );
        for worker in workers {
            let told = worker.ends_with(0);
            assert!(told.contains("are in the log"), "{told}");
        }
        says_what_was_measured(&report, &files);
        let mut again = place.command(&["report", &run]);
        again.arg("--json").arg(place.report("again"));
        let (code, told) = place.start("again", again).end();
        assert!(matches!(code, Some(0 | 5)), "{told}");
        assert_eq!(requests(&place.json("again")), 120, "{told}");
        let told = place
            .start("watch", place.command(&["watch", &run]))
            .ends_with(0);
        assert!(
            told.contains(" 120 ") && !told.contains("was killed"),
            "{told}"
        );
        let same = ["kinds", "outcomes", "throughput"];
        for field in same {
            let again = &place.json("again")["summary"][field];
            assert_eq!(again, &report["summary"][field], "{field}, {told}");
        }
    }
}

/// Thresholds apply to all workers together, and end the run for all.
fn a_threshold_that_breaks(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "judged",
        folder,
    };
    let workers: Vec<_> = ["a", "b"].map(|name| place.worker(name, &[])).into();
    let more = [
        "--rate",
        "40/s",
        "-t",
        "60s",
        "--fail-on",
        "p50<1us",
        "--abort-on-fail",
    ];
    let more = [&more[..], &["--exit-code-on-invalid", "0"]].concat();
    let leader = place.coordinator("judged", &with("judged", "2", &more));
    let told = leader.ends_with(4);
    assert!(told.contains("stopping: p50<1us does not hold"), "{told}");
    let report = place.json("judged");
    assert_eq!(report["ended_by"], "threshold", "{report}");
    assert!(
        !report["validity"].to_string().contains("is not whole"),
        "{report}"
    );
    let each = of_each(&report);
    assert_eq!(each.iter().sum::<u64>(), requests(&report), "{report}");
    workers.into_iter().for_each(|own| drop(own.ends_with(0)));
}

/// The run ends, and names the missing worker.
fn a_killed_worker(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "lost",
        folder,
    };
    let workers: Vec<_> = ["a", "b"].map(|name| place.worker(name, &[])).into();
    // Without the loss, it would go on for a minute.
    let run = with(
        "lost",
        "2",
        &["--rate", "20/s", "-t", "60s", "--start-delay", "2s"],
    );
    let leader = place.coordinator("lost", &run);
    place.until_said("lost", "started", "a");
    std::thread::sleep(std::time::Duration::from_secs(3));
    workers[1].signal(Signal::KILL);
    let told = leader.ends_with(5);
    assert!(told.contains("worker b was not heard for 4s"), "{told}");
    let report = place.json("lost");
    assert_eq!(report["validity"]["verdict"], "invalid", "{report}");
    assert!(
        report["duration_seconds"].as_f64().unwrap() < 50.0,
        "{report}"
    );
    let mut workers = workers.into_iter();
    let told = workers.next().unwrap().ends_with(1);
    assert!(told.contains("the run was aborted: worker b"), "{told}");
}

/// The run goes on, and names each request that was never sent.
fn a_worker_that_the_run_goes_on_without(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "partial",
        folder,
    };
    let workers: Vec<_> = ["a", "b"].map(|name| place.worker(name, &[])).into();
    let more = [
        &LONG[..],
        &[
            "--on-worker-loss",
            "continue",
            "--exit-code-on-invalid",
            "0",
        ],
    ]
    .concat();
    let leader = place.coordinator("partial", &with("partial", "2", &more));
    place.until_said("partial", "started", "a");
    std::thread::sleep(std::time::Duration::from_secs(4));
    workers[1].signal(Signal::KILL);
    let told = leader.ends_with(0);
    assert!(
        told.contains("worker b was lost after it had sent"),
        "{told}"
    );
    let report = place.json("partial");
    assert!(
        report["validity"].to_string().contains("worker b was lost"),
        "{report}"
    );
    let parts = report["parts"].as_array().unwrap();
    let at = |name: &str| parts.iter().position(|own| own["name"] == name).unwrap();
    let (whole, lost) = (at("a"), at("b"));
    assert_eq!(parts[whole]["lost"], Value::Null);
    assert_eq!(parts[whole]["requests"], 200, "{report}");
    let told = &parts[lost]["lost"];
    let (sent, never) = (
        told["sent"].as_u64().unwrap(),
        told["never_sent"]["numbers"].as_array().unwrap(),
    );
    assert!(sent > 0 && !never.is_empty(), "{told}");
    assert_eq!(sent + never.len() as u64, 200, "{told}");
    // Every second request of the schedule, up to the last one.
    let of_its_own = |own: &Value| own.as_u64().unwrap() % 2 == lost as u64;
    assert!(never.iter().all(of_its_own), "{told}");
    assert_eq!(never.last().unwrap(), 398 + lost as u64, "{told}");
    assert!(
        parts[lost]["requests"].as_u64().unwrap() <= sent + 20,
        "{report}"
    );
}

/// Another coordinator takes the run over, and nothing is lost.
fn a_killed_coordinator(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "taken",
        folder,
    };
    let workers: Vec<_> = ["a", "b"].map(|name| place.worker(name, &[])).into();
    let leader = place.coordinator("first", &with("taken", "2", &LONG));
    place.until_said("taken", "started", "a");
    std::thread::sleep(std::time::Duration::from_secs(3));
    leader.signal(Signal::KILL);
    drop(leader);
    assert!(!place.report("first").exists());
    let (code, told) = place.coordinator("second", &["--resume", "taken"]).end();
    assert!(matches!(code, Some(0 | 5)), "{told}");
    assert_eq!(requests(&place.json("second")), 400, "{told}");
    workers.into_iter().for_each(|own| drop(own.ends_with(0)));
    let told = place
        .coordinator("third", &["--resume", "taken"])
        .ends_with(1);
    assert!(
        told.contains("run taken is over: `load-client report taken`"),
        "{told}"
    );
}

fn both_killed(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "both",
        folder,
    };
    let workers: Vec<_> = ["a", "b"].map(|name| place.worker(name, &[])).into();
    let leader = place.coordinator("first", &with("both", "2", &LONG));
    place.until_said("both", "started", "a");
    std::thread::sleep(std::time::Duration::from_secs(3));
    leader.signal(Signal::KILL);
    workers[0].signal(Signal::KILL);
    let more = [
        "--resume",
        "both",
        "--on-worker-loss",
        "continue",
        "--exit-code-on-invalid",
        "0",
    ];
    let told = place.coordinator("second", &more).ends_with(0);
    assert!(told.contains("worker a was lost"), "{told}");
    let report = place.json("second");
    let parts = report["parts"].as_array().unwrap();
    let whole = parts.iter().find(|own| own["name"] == "b").unwrap();
    assert_eq!(whole["requests"], 200, "{report}");
}

/// A coordinator that SIGSTOP has stopped does nothing more if another one has taken its run meanwhile.
fn a_coordinator_that_slept(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "slept",
        folder,
    };
    let workers: Vec<_> = ["a", "b"].map(|name| place.worker(name, &[])).into();
    let first = place.coordinator("first", &with("slept", "2", &LONG));
    place.until_said("slept", "started", "a");
    std::thread::sleep(std::time::Duration::from_secs(2));
    first.signal(Signal::STOP);
    let second = place.coordinator("second", &["--resume", "slept"]);
    second.until_told("taking it over");
    std::thread::sleep(std::time::Duration::from_secs(2));
    first.signal(Signal::CONT);
    let told = first.ends_with(1);
    assert!(
        told.contains("another coordinator has taken run slept over"),
        "{told}"
    );
    let (code, told) = second.end();
    assert!(matches!(code, Some(0 | 5)), "{told}");
    assert_eq!(requests(&place.json("second")), 400, "{told}");
    workers.into_iter().for_each(|own| drop(own.ends_with(0)));
}
