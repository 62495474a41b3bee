//! Coordinators and workers over a log in memory. They read it at their own pace, with crashes, pauses and repeats.

mod world;

use std::time::Duration;

use proptest::prelude::*;

use self::world::{Fate, RUN, SENDING, World, load, ready, terms};
use super::*;

/// Longer than any run here takes.
const LONG: u64 = 400;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_run_without_faults_has_every_interval_once(seed: u64, workers in 1..6_u32, spare in 0..3_u32) {
        let mut world = World::new(seed, &vec![Fate::Lives; (workers + spare) as usize]);
        world.coordinate("c1", terms(workers, false), Some(load()), Fate::Lives);
        world.steps(LONG);
        prop_assert_eq!(&world.bosses[0].ending, &Some(Ending::Finished));
        prop_assert_eq!(world.added(0), world.sent(0));
        prop_assert_eq!(world.sent(0).len() as u64, u64::from(workers) * SENDING);
        let begun = world.hands.iter().filter(|hand| hand.begun == 1).count();
        prop_assert_eq!(begun, workers as usize, "the spare ones have nothing to do");
    }

    #[test]
    fn a_run_whose_coordinator_dies_is_ended_by_another_with_nothing_lost(
        seed: u64, workers in 1..5_u32, dies in 1..90_u64, pause in 1..30_u64
    ) {
        let mut world = World::new(seed, &vec![Fate::Lives; workers as usize]);
        world.coordinate("c1", terms(workers, false), Some(load()), Fate::Dies(dies));
        world.steps(dies + pause);
        let had_plan = world.control.iter().any(|own| matches!(own.note.says, Says::Plan(_)));
        // The coordinator may have died after it wrote the end and before it read it.
        let was_over = world.control.iter().any(|own| matches!(own.note.says, Says::Finished));
        world.coordinate("c2", terms(workers, false), None, Fate::Lives);
        world.steps(LONG);
        let ending = world.bosses[1].ending.clone();
        match (had_plan, was_over) {
            (_, true) => {
                let told = format!("{ending:?}");
                prop_assert!(told.contains("is over: `load-client report"), "{}", told);
            }
            (true, false) => {
                prop_assert_eq!(&ending, &Some(Ending::Finished));
                prop_assert_eq!(world.added(1), world.sent(1));
                prop_assert_eq!(world.sent(1).len() as u64, u64::from(workers) * SENDING);
            }
            (false, false) => {
                let told = format!("{ending:?}");
                prop_assert!(told.contains("has no plan"), "{}", told);
            }
        }
        prop_assert!(world.hands.iter().all(|hand| hand.begun <= 1));
    }

    #[test]
    fn a_coordinator_that_slept_past_anothers_claim_is_fenced(
        seed: u64, workers in 1..5_u32, from in 10..60_u64, length in 20..60_u64
    ) {
        let mut world = World::new(seed, &vec![Fate::Lives; workers as usize]);
        let fate = Fate::Pauses(from, from + length);
        world.coordinate("c1", terms(workers, false), Some(load()), fate);
        world.steps(from + length / 2);
        let has_plan = world.control.iter().any(|own| matches!(own.note.says, Says::Plan(_)));
        let was_over = world.control.iter().any(|own| matches!(own.note.says, Says::Finished));
        if has_plan && !was_over && world.bosses[0].ending.is_none() {
            world.coordinate("c2", terms(workers, false), None, Fate::Lives);
            let claimed = world.control.len();
            world.steps(LONG);
            prop_assert_eq!(&world.bosses[0].ending, &Some(Ending::Fenced));
            prop_assert_eq!(&world.bosses[1].ending, &Some(Ending::Finished));
            prop_assert_eq!(world.added(1), world.sent(1));
            // The records that it wrote before it saw the claim have no effect.
            let late = world.control[claimed..].iter().filter(|own| own.note.from == "c1");
            let log = &world.bosses[1].machine.course().log;
            prop_assert!(late.count() <= 1 && log.aborted.is_none());
        }
    }

    #[test]
    fn a_coordinator_that_slept_alone_loses_nobody(
        seed: u64, workers in 1..5_u32, from in 1..90_u64, length in 10..120_u64
    ) {
        let mut world = World::new(seed, &vec![Fate::Lives; workers as usize]);
        let fate = Fate::Pauses(from, from + length);
        world.coordinate("c1", terms(workers, false), Some(load()), fate);
        world.steps(LONG);
        prop_assert_eq!(&world.bosses[0].ending, &Some(Ending::Finished));
        prop_assert_eq!(world.added(0), world.sent(0));
    }

    #[test]
    fn a_run_that_loses_a_worker_says_which_one(
        seed: u64, workers in 2..5_u32, dies in 40..75_u64, continues: bool
    ) {
        let mut fates = vec![Fate::Lives; workers as usize];
        fates[1] = Fate::Dies(dies);
        let mut world = World::new(seed, &fates);
        world.coordinate("c1", terms(workers, continues), Some(load()), Fate::Lives);
        world.steps(LONG);
        let began = world.hands[1].begun == 1;
        let boss = &world.bosses[0];
        let ending = boss.ending.clone().expect("it ends");
        match (began && !world.hands[1].done, continues, ending) {
            (true, true, Ending::Finished) => {
                prop_assert!(boss.told.iter().any(|own| own.contains("worker-1")), "{:?}", boss.told);
                let lost = boss.machine.course().seats.iter().filter(|seat| seat.is_lost);
                prop_assert_eq!(lost.count(), 1);
                prop_assert_eq!(world.added(0), world.sent(0));
            }
            (true, _, Ending::Invalid(reason)) => {
                prop_assert!(reason.contains("worker-1"), "{}", reason);
            }
            (false, _, Ending::Invalid(reason) | Ending::NotBegun(reason)) => {
                prop_assert!(reason.contains("worker-1") || reason.contains("workers came"), "{}", reason);
            }
            (false, _, Ending::Finished) => prop_assert!(world.hands[1].done),
            (began, continues, ending) => {
                prop_assert!(false, "{} {} {:?}", began, continues, ending);
            }
        }
    }

    #[test]
    fn no_load_is_sent_by_workers_that_would_begin_too_far_apart(seed: u64, pause in 1..40_u64) {
        let mut world = World::new(seed, &[Fate::Lives; 3]);
        world.coordinate("c1", terms(3, false), Some(load()), Fate::Lives);
        while !world.control.iter().any(|own| matches!(own.note.says, Says::Start { .. })) {
            world.steps(1);
            prop_assert!(world.step < LONG);
        }
        let from = world.step;
        world.hands[2].fate = Fate::Pauses(from, from + pause);
        world.steps(LONG);
        let skew = world.bosses[0].machine.course().log.skew_ms();
        match world.bosses[0].ending.clone() {
            Some(Ending::Finished) => prop_assert!(skew.unwrap() <= 1000),
            Some(Ending::Invalid(reason)) => {
                prop_assert!(reason.contains("apart") || reason.contains("confirm"), "{}", reason);
                prop_assert_eq!(world.sent(0), [], "nothing was sent");
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

/// While the log does not answer, no worker is lost. The wait for the log is bounded.
#[test]
fn a_run_whose_log_does_not_answer_ends_with_that() {
    let mut world = World::new(1, &[Fate::Lives; 2]);
    world.coordinate("c1", terms(2, false), Some(load()), Fate::Lives);
    while !world
        .control
        .iter()
        .any(|own| matches!(own.note.says, Says::Start { .. }))
    {
        world.steps(1);
    }
    world.steps(30);
    let machine = &mut world.bosses[0].machine;
    let (begin, mut acts) = (Duration::from_secs(60), Vec::new());
    for second in 0..60 {
        acts.extend(machine.deaf(begin + Duration::from_secs(second)));
        let waits = second < 30;
        assert_eq!(acts.is_empty(), waits, "{second}: {acts:?}");
    }
    let told = format!("{acts:?}");
    assert!(
        told.contains("the log did not answer for --patience"),
        "{told}"
    );
    assert!(
        matches!(acts.last(), Some(Act::End(Ending::Invalid(_)))),
        "{told}"
    );
}

#[test]
fn too_few_workers_are_told_with_what_helps() {
    let mut world = World::new(1, &[Fate::Lives; 2]);
    world.coordinate("c1", terms(3, false), Some(load()), Fate::Lives);
    world.steps(LONG);
    let told = format!("{:?}", world.bosses[0].ending);
    assert!(
        told.contains("2 of 3 workers came within --patience 30s"),
        "{told}"
    );
}

#[test]
fn a_worker_that_would_send_something_else_ends_the_run_before_it_begins() {
    let told = |change: &dyn Fn(&mut Ready)| {
        let mut world = World::new(1, &[Fate::Lives; 2]);
        change(&mut world.first);
        world.coordinate("c1", terms(2, false), Some(load()), Fate::Lives);
        world.steps(LONG);
        assert_eq!(world.sent(0), [], "nothing was sent");
        format!("{:?}", world.bosses[0].ending)
    };
    let other_plan = told(&|ready| ready.digest = "other".to_owned());
    // The same plan, from which another build makes a different load.
    let other_load = told(&|ready| ready.header.run.target = "11/s".to_owned());
    for told in [other_plan, other_load] {
        assert!(told.contains("would send something else"), "{told}");
    }
}

#[test]
fn a_worker_of_another_version_says_so() {
    let names = ("w".to_owned(), "worker".to_owned());
    let mut worker = Worker::new(names, 1, (None, None), Duration::from_secs(60));
    let note = |says| Note {
        version: PROTOCOL + 1,
        run: RUN.to_owned(),
        from: "c".to_owned(),
        says,
    };
    let entry = |says| Entry {
        offset: 0,
        appended_ms: 0,
        note: note(says),
    };
    let done = worker.read(&entry(Says::Claim { workers: 1 }), Duration::ZERO);
    assert!(
        matches!(&done[..], [Do::Tell(told)] if told.contains("use one version")),
        "{done:?}"
    );
    let plan = PlanNote {
        order: vec!["w".to_owned()],
        load: load(),
    };
    let done = worker.read(&entry(Says::Plan(Box::new(plan))), Duration::ZERO);
    let refuses = matches!(
        &done[..],
        [Do::Write(Note {
            says: Says::Refused { .. },
            ..
        })]
    );
    assert!(refuses, "{done:?}");
}

#[test]
fn a_worker_takes_the_run_that_it_is_for_and_one_at_a_time() {
    let names = ("w".to_owned(), "worker".to_owned());
    let only = (Some("b".to_owned()), Some(1));
    let mut worker = Worker::new(names, 1, only, Duration::from_secs(60));
    let entry = |run: &str, says| Entry {
        offset: 0,
        appended_ms: 0,
        note: Note {
            version: PROTOCOL,
            run: run.to_owned(),
            from: format!("c-{run}"),
            says,
        },
    };
    let claim = |run: &str| entry(run, Says::Claim { workers: 2 });
    assert_eq!(worker.read(&claim("a"), Duration::ZERO), []);
    let done = worker.read(&claim("b"), Duration::ZERO);
    let says_hello = matches!(
        &done[..],
        [Do::Write(Note {
            says: Says::Hello { index: Some(1), .. },
            ..
        })]
    );
    assert!(says_hello, "{done:?}");
    let order = vec!["other".to_owned(), "w".to_owned()];
    let planned = |run: &str| {
        let order = order.clone();
        entry(
            run,
            Says::Plan(Box::new(PlanNote {
                order,
                load: load(),
            })),
        )
    };
    let done = worker.read(&planned("b"), Duration::ZERO);
    assert!(
        matches!(&done[..], [Do::Prepare { part: 1, .. }]),
        "{done:?}"
    );
    let done = worker.read(&planned("a"), Duration::ZERO);
    let told = format!("{done:?}");
    assert!(told.contains("busy with run b"), "{told}");
    // A start by a coordinator that is not in office.
    let mut other = entry("b", Says::Start { delay_ms: 1 });
    other.note.from = "somebody".to_owned();
    worker.prepared(Ok(ready()), Duration::ZERO);
    assert_eq!(worker.read(&other, Duration::ZERO), []);
}
