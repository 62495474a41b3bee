//! Cases in which no run may start.

use std::path::Path;

use rustix::process::Signal;

use crate::parties::{Party, Place};
use crate::{SCHEDULE, with};

/// A worker that reads the order to start too late would begin late, so nobody sends anything.
pub(crate) fn workers_that_would_begin_apart(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "apart",
        folder,
    };
    let late = place.worker("late", &[]);
    late.until_told("waiting for a run");
    let leader = place.coordinator(
        "apart",
        &with("apart", "2", &["--rate", "40/s", "-t", "3s"]),
    );
    // The order to start is written when both are ready. So one of them is stopped until the other one is late.
    place.until_said("apart", "hello", "late");
    late.signal(Signal::STOP);
    let other = place.worker("other", &[]);
    place.until_said("apart", "ready", "other");
    other.signal(Signal::STOP);
    late.signal(Signal::CONT);
    place.until_said("apart", "started", "late");
    let told = leader.ends_with(5);
    assert!(
        told.contains("worker other did not confirm the start"),
        "{told}"
    );
    other.signal(Signal::CONT);
    for worker in [late, other] {
        let told = worker.ends_with(1);
        assert!(told.contains("the run was aborted: worker other"), "{told}");
    }
    let report = place.json("apart");
    assert_eq!(report["summary"]["total"]["requests"], 0, "{report}");
}

/// Each case has one sentence, and an exit code like that of `run`.
pub(crate) fn what_does_not_fit(broker: &str, folder: &Path) {
    let place = Place {
        broker,
        name: "wrong",
        folder,
    };
    let told = place.worker("alone", &["--patience", "1s"]).ends_with(1);
    assert!(
        told.contains("no run has taken this worker within --patience 1s"),
        "{told}"
    );

    // Two runs at the same time, with workers for one.
    let short = [
        &SCHEDULE[..],
        &["--patience", "5s", "--exit-code-on-invalid", "0"],
    ]
    .concat();
    let workers: Vec<_> = ["a", "b"].map(|name| place.worker(name, &[])).into();
    let one = place.coordinator("one", &with("one", "2", &short));
    place.until_said("one", "plan", "coordinator");
    let two = place.coordinator("two", &with("two", "2", &short));
    let told = two.ends_with(1);
    assert!(
        told.contains("0 of 2 workers came within --patience 5s"),
        "{told}"
    );
    one.ends_with(0);
    workers.into_iter().for_each(|own| drop(own.ends_with(0)));
    let told = place
        .coordinator("again", &with("one", "2", &short))
        .ends_with(1);
    assert!(
        told.contains("run one exists already: --resume one takes it over"),
        "{told}"
    );
    let told = place
        .coordinator("none", &["--resume", "nobody"])
        .ends_with(1);
    assert!(told.contains("has no run nobody"), "{told}");

    hostile_records(&place);
}

/// A plan of another version, records without a meaning, and a plan that names a file of the worker's machine.
fn hostile_records(place: &Place<'_>) {
    for note in [
        r#"{"version":2,"run":"newer","from":"c","says":{"claim":{"workers":1}}}"#,
        "no JSON",
        r#"{"version":1,"run":"\u001b[2J","from":"c","says":{"claim":{"workers":1}}}"#,
    ] {
        place.write(note);
    }
    let told = place.worker("old", &["--patience", "2s"]).ends_with(1);
    assert!(
        told.contains("run newer is passed over") && told.contains("use one version"),
        "{told}"
    );
    assert!(!told.contains('\u{1b}'), "{told}");

    let worker = place.worker("victim", &[]);
    worker.until_told("waiting for a run");
    let says = r#"{"version":1,"run":"evil","from":"c","says":"#;
    place.write(&format!(r#"{says}{{"claim":{{"workers":1}}}}}}"#));
    let hello = place.until_said("evil", "hello", "victim");
    let id = hello["from"].as_str().unwrap();
    let flags = r#"[{"name":"body-lines","value":"/etc/passwd","is_file":true}]"#;
    let broker = place.broker;
    let load =
        format!(r#"{{"brokers":"{broker}","flags":{flags},"files":{{}},"interval_seconds":1}}"#);
    place.write(&format!(
        r#"{says}{{"plan":{{"order":["{id}"],"load":{load}}}}}}}"#
    ));
    let refused = place.until_said("evil", "refused", "victim");
    let reason = refused["says"]["refused"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("names a file that the plan lacks"),
        "{reason}"
    );
}

/// A client without the right to read orders, or to write measurements, says so, and sends no requests.
pub(crate) fn topics_without_rights(broker: &str, folder: &Path) {
    let closed = Place {
        broker,
        name: "closed",
        folder,
    };
    let told = closed.worker("blind", &[]).ends_with(1);
    assert!(told.contains("topic closed.control cannot be"), "{told}");
    let told = closed
        .coordinator("blind-leader", &with("closed", "1", &SCHEDULE))
        .ends_with(1);
    assert!(told.contains("topic closed.control cannot be"), "{told}");

    let mute = Place {
        broker,
        name: "mute",
        folder,
    };
    let worker = mute.worker("mute", &[]);
    let leader = mute.coordinator(
        "mute-leader",
        &with("mute", "1", &["--rate", "20/s", "-t", "60s"]),
    );
    let told = worker.ends_with(1);
    assert!(
        told.contains("takes no records: TopicAuthorizationFailed"),
        "{told}"
    );
    let told = leader.ends_with(5);
    assert!(told.contains("worker mute was not heard for 4s"), "{told}");
}

pub(crate) fn a_run_that_goes_on(place: &Place<'_>) -> (Party, Party) {
    let worker = place.worker("w", &["--patience", "5s"]);
    let leader = place.coordinator(
        "gone",
        &with(
            "gone",
            "1",
            &[
                "--rate",
                "20/s",
                "-t",
                "6s",
                "--timeout",
                "2s",
                "--patience",
                "10s",
            ],
        ),
    );
    place.until_said("gone", "started", "w");
    (worker, leader)
}

/// Without the only broker, both the log and the service are gone.
pub(crate) fn a_broker_that_is_gone(worker: Party, leader: Party) {
    let told = leader.ends_with(5);
    let says_why = told.contains("the log did not answer for --patience (the log at ");
    assert!(says_why && told.contains("takes no records"), "{told}");
    let told = worker.ends_with(1);
    assert!(
        told.contains("the log at ") && told.contains("takes no records"),
        "{told}"
    );
}
