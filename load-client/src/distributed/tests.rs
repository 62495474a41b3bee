//! Coordinators and workers over a log in memory, which they read at their own pace, with crashes, pauses and repeats.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::measure::interval::{Frame, Interval, LagRecord};
use crate::measure::selfcheck::Validity;
use crate::report::EndedBy;
use crate::report::run_file::SharedFacts;
use crate::stats::SplitMix64;

const STEP_MS: u64 = 100;
const RUN: &str = "run";
/// What a worker sends, in seconds.
const SENDING: u64 = 6;

fn terms(workers: u32, continues: bool) -> Terms {
    Terms {
        workers,
        patience: Duration::from_secs(30),
        delay: Duration::from_secs(2),
        max_skew: Duration::from_secs(1),
        continues,
    }
}

fn load() -> LoadNote {
    LoadNote {
        brokers: "localhost:9092".to_owned(),
        ..LoadNote::default()
    }
}

fn ready() -> Ready {
    let run = SharedFacts {
        topic: "createOrder".to_owned(),
        load_model: "open loop".to_owned(),
        target: "10/s".to_owned(),
        spawn_rate: 1.0,
        kinds: vec!["createOrder".to_owned()],
        warm_up_ns: 0,
        run_time_ns: None,
        timeout_ns: 1,
        stages: Vec::new(),
        wire: serde_json::Value::Null,
    };
    Ready {
        digest: load().digest(),
        header: RunHeader {
            format: 1,
            segment: "1/1".to_owned(),
            started_ms: 0,
            run,
        },
    }
}

/// What becomes of a participant at some step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Lives,
    Dies(u64),
    /// Reads and does nothing from the first step to the second.
    Pauses(u64, u64),
}

impl Fate {
    fn acts_at(self, step: u64) -> bool {
        match self {
            Self::Lives => true,
            Self::Dies(at) => step < at,
            Self::Pauses(from, to) => !(from..to).contains(&step),
        }
    }
}

struct Boss {
    machine: Coordinator,
    fate: Fate,
    read: [usize; 2],
    added: Vec<(usize, u64)>,
    ending: Option<Ending>,
    told: Vec<String>,
}

struct Hand {
    id: String,
    machine: Worker,
    fate: Fate,
    read: usize,
    /// The step after which it is ready.
    ready_at: Option<u64>,
    begin_ms: Option<u64>,
    begun: usize,
    stopped: bool,
    intervals: u64,
    done: bool,
    ended: Option<WorkerEnd>,
}

struct World {
    random: SplitMix64,
    step: u64,
    control: Vec<Entry>,
    results: Vec<Measurement>,
    bosses: Vec<Boss>,
    hands: Vec<Hand>,
}

impl World {
    fn new(seed: u64, hands: &[Fate]) -> Self {
        let hand = |(index, fate): (usize, &Fate)| {
            let id = format!("w{index}");
            let names = (id.clone(), format!("worker-{index}"));
            Hand {
                machine: Worker::new(names, 2, (None, None), Duration::from_secs(60)),
                id,
                fate: *fate,
                read: 0,
                ready_at: None,
                begin_ms: None,
                begun: 0,
                stopped: false,
                intervals: 0,
                done: false,
                ended: None,
            }
        };
        Self {
            random: SplitMix64::new(seed),
            step: 0,
            control: Vec::new(),
            results: Vec::new(),
            bosses: Vec::new(),
            hands: hands.iter().enumerate().map(hand).collect(),
        }
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.step * STEP_MS)
    }

    fn append(&mut self, note: Note) {
        self.control.push(Entry {
            offset: self.control.len() as i64,
            appended_ms: (self.step * STEP_MS) as i64,
            note,
        });
    }

    fn coordinate(&mut self, id: &str, terms: Terms, load: Option<LoadNote>, fate: Fate) {
        let mut machine = Coordinator::new((id.to_owned(), RUN.to_owned()), terms, load);
        let now = self.now();
        for entry in &self.control {
            assert_eq!(machine.read(entry, now), [], "it is not in office");
        }
        let claim = machine.begin(now);
        self.bosses.push(Boss {
            machine,
            fate,
            read: [self.control.len(), 0],
            added: Vec::new(),
            ending: None,
            told: Vec::new(),
        });
        let place = self.bosses.len() - 1;
        self.act(place, claim);
    }

    fn act(&mut self, boss: usize, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Write(note) => self.append(note),
                Act::Add(part, record) => self.bosses[boss].added.push((part, record.number)),
                Act::Tell(told) => self.bosses[boss].told.push(told),
                Act::End(ending) => {
                    assert_eq!(self.bosses[boss].ending, None, "it ends once");
                    self.bosses[boss].ending = Some(ending);
                }
            }
        }
    }

    /// How many records somebody reads who has so many before it.
    fn some(&mut self, waiting: usize) -> usize {
        match self.random.draw() % 3 {
            0 => waiting.min(1),
            1 => (self.random.draw() as usize) % (waiting + 1),
            _ => waiting,
        }
    }

    fn boss_steps(&mut self, boss: usize) {
        let (step, now) = (self.step, self.now());
        if !self.bosses[boss].fate.acts_at(step) || self.bosses[boss].ending.is_some() {
            return;
        }
        let [control, results] = self.bosses[boss].read;
        for at in control..control + self.some(self.control.len() - control) {
            let entry = self.control[at].clone();
            self.bosses[boss].read[0] += 1;
            let acts = self.bosses[boss].machine.read(&entry, now);
            self.act(boss, acts);
        }
        // Its results are read in another thread, once the plan is known.
        if self.bosses[boss].machine.course().log.plan.is_some() {
            for at in results..results + self.some(self.results.len() - results) {
                let measurement = self.results[at].clone();
                self.bosses[boss].read[1] += 1;
                for _ in 0..=self.random.draw() % 2 {
                    let acts = self.bosses[boss].machine.measured(measurement.clone(), now);
                    self.act(boss, acts);
                }
            }
        }
        if self.bosses[boss].ending.is_none() {
            let acts = self.bosses[boss].machine.tick(now);
            self.act(boss, acts);
        }
    }

    fn hand_steps(&mut self, hand: usize) {
        let (step, now) = (self.step, self.now());
        if !self.hands[hand].fate.acts_at(step) || self.hands[hand].ended.is_some() {
            return;
        }
        let read = self.hands[hand].read;
        let wall_ms = now.as_millis() as i64;
        for at in read..read + self.some(self.control.len() - read) {
            let entry = self.control[at].clone();
            self.hands[hand].read += 1;
            let done = self.hands[hand].machine.read(&entry, wall_ms, now);
            self.hand_does(hand, done);
        }
        if self.hands[hand].ready_at.is_some_and(|at| at <= step) {
            self.hands[hand].ready_at = None;
            let done = self.hands[hand].machine.prepared(Ok(ready()), now);
            self.hand_does(hand, done);
        }
        let done = self.hands[hand].machine.tick(now);
        self.hand_does(hand, done);
        self.send(hand);
    }

    fn hand_does(&mut self, hand: usize, all: Vec<Do>) {
        for one in all {
            match one {
                Do::Write(note) => self.append(note),
                Do::Prepare { .. } => {
                    self.hands[hand].ready_at = Some(self.step + self.random.draw() % 4);
                }
                Do::Begin(delay) => {
                    let begin = self.now() + delay;
                    self.hands[hand].begin_ms = Some(begin.as_millis() as u64);
                    self.hands[hand].begun += 1;
                }
                Do::Stop(_) => self.hands[hand].stopped = true,
                Do::Cut(_) => self.hands[hand].done = true,
                Do::Tell(_) => {}
                Do::End(end) => self.hands[hand].ended = Some(end),
            }
        }
    }

    /// Measures as long as it sends: an interval and a beat each second, and what there was at the end.
    fn send(&mut self, hand: usize) {
        let own = &self.hands[hand];
        let Some(begin) = own
            .begin_ms
            .filter(|begin| !own.done && *begin <= self.step * STEP_MS)
        else {
            if self.hands[hand].begin_ms.is_some() && !self.hands[hand].done {
                self.measure(hand, Measured::Beat(Beat::default()));
            }
            return;
        };
        let seconds = (self.step * STEP_MS - begin) / 1000;
        while self.hands[hand].intervals < seconds {
            let number = self.hands[hand].intervals;
            self.hands[hand].intervals += 1;
            let interval = Interval::begin(number, &Frame::default());
            let mut record = IntervalRecord::from(&interval);
            record.number = number;
            self.measure(hand, Measured::Interval(Box::new(record)));
            self.measure(hand, Measured::Beat(Beat::default()));
        }
        if seconds >= SENDING || self.hands[hand].stopped {
            self.hands[hand].done = true;
            let done = Done {
                end: end(),
                intervals: self.hands[hand].intervals,
                ended: Ended::default(),
            };
            self.measure(hand, Measured::Done(Box::new(done)));
        }
    }

    fn measure(&mut self, hand: usize, says: Measured) {
        self.results.push(Measurement {
            version: PROTOCOL,
            run: RUN.to_owned(),
            from: self.hands[hand].id.clone(),
            says,
        });
    }

    fn steps(&mut self, steps: u64) {
        for _ in 0..steps {
            self.step += 1;
            // Whoever is first.
            for place in 0..self.hands.len() {
                self.hand_steps(place);
            }
            for place in 0..self.bosses.len() {
                self.boss_steps(place);
            }
        }
    }

    /// All intervals that workers have sent, each with the worker's part.
    fn sent(&self, boss: usize) -> Vec<(usize, u64)> {
        let log = &self.bosses[boss].machine.course().log;
        let all = self.results.iter().filter_map(|own| match &own.says {
            Measured::Interval(record) => Some((log.part_of(&own.from)?, record.number)),
            _ => None,
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all
    }

    fn added(&self, boss: usize) -> Vec<(usize, u64)> {
        let mut added = self.bosses[boss].added.clone();
        added.sort_unstable();
        added
    }
}

fn end() -> RunEnd {
    RunEnd {
        duration_ms: 6000,
        ended_by: EndedBy::RunTime,
        sent_until_ns: None,
        lag: LagRecord::default(),
        cores: None,
        validity: Validity::Valid,
        report: serde_json::Map::new(),
        sections: Vec::new(),
    }
}

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
        let was_over = world.bosses[0].ending.is_some();
        world.coordinate("c2", terms(workers, false), None, Fate::Lives);
        world.steps(LONG);
        let ending = world.bosses[1].ending.clone();
        match (had_plan, was_over) {
            (_, true) => {}
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
        if has_plan && world.bosses[0].ending.is_none() {
            world.coordinate("c2", terms(workers, false), None, Fate::Lives);
            let claimed = world.control.len();
            world.steps(LONG);
            prop_assert_eq!(&world.bosses[0].ending, &Some(Ending::Fenced));
            prop_assert_eq!(&world.bosses[1].ending, &Some(Ending::Finished));
            prop_assert_eq!(world.added(1), world.sent(1));
            // Whatever it wrote before it saw the claim has no effect.
            let late = world.control[claimed..].iter().filter(|own| own.note.from == "c1");
            let log = &world.bosses[1].machine.course().log;
            prop_assert!(late.count() <= 1 && log.aborted.is_none());
        }
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
    let done = worker.read(&entry(Says::Claim { workers: 1 }), 0, Duration::ZERO);
    assert!(
        matches!(&done[..], [Do::Tell(told)] if told.contains("use one version")),
        "{done:?}"
    );
    let plan = PlanNote {
        order: vec!["w".to_owned()],
        load: load(),
    };
    let done = worker.read(&entry(Says::Plan(Box::new(plan))), 0, Duration::ZERO);
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
    assert_eq!(worker.read(&claim("a"), 0, Duration::ZERO), []);
    let late = FRESH_AND_MORE;
    assert_eq!(worker.read(&claim("old"), late, Duration::ZERO), []);
    let done = worker.read(&claim("b"), 0, Duration::ZERO);
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
    let done = worker.read(&planned("b"), 0, Duration::ZERO);
    assert!(
        matches!(&done[..], [Do::Prepare { part: 1, .. }]),
        "{done:?}"
    );
    let done = worker.read(&planned("a"), 0, Duration::ZERO);
    let told = format!("{done:?}");
    assert!(told.contains("busy with run b"), "{told}");
    // A start by somebody who is not in office.
    let mut other = entry("b", Says::Start { delay_ms: 1 });
    other.note.from = "somebody".to_owned();
    worker.prepared(Ok(ready()), Duration::ZERO);
    assert_eq!(worker.read(&other, 0, Duration::ZERO), []);
}

/// Later than a claim that a worker answers.
const FRESH_AND_MORE: i64 = 3_600_000;
