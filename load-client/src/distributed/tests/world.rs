//! A world in memory: a log, and coordinators and workers that read it at their own pace. They may die, sleep, and see
//! records twice.

use std::time::Duration;

use super::super::*;
use crate::measure::interval::{Frame, Interval, LagRecord};
use crate::measure::selfcheck::Validity;
use crate::report::EndedBy;
use crate::report::run_file::SharedFacts;
use crate::stats::SplitMix64;

pub(super) const STEP_MS: u64 = 100;
pub(super) const RUN: &str = "run";
/// How long a worker sends, in seconds.
pub(super) const SENDING: u64 = 6;

pub(super) fn terms(workers: u32, continues: bool) -> Terms {
    Terms {
        workers,
        patience: Duration::from_secs(30),
        delay: Duration::from_secs(2),
        max_skew: Duration::from_secs(1),
        continues,
    }
}

pub(super) fn load() -> LoadNote {
    LoadNote {
        brokers: "localhost:9092".to_owned(),
        ..LoadNote::default()
    }
}

pub(super) fn ready() -> Ready {
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

/// The fate of a participant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Lives,
    Dies(u64),
    /// The participant neither reads nor acts from the first step to the second.
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

pub(super) struct Boss {
    pub(super) machine: Coordinator,
    pub(super) fate: Fate,
    pub(super) read: [usize; 2],
    pub(super) added: Vec<(usize, u64)>,
    pub(super) ending: Option<Ending>,
    pub(super) told: Vec<String>,
}

pub(super) struct Hand {
    pub(super) id: String,
    pub(super) machine: Worker,
    pub(super) fate: Fate,
    pub(super) read: usize,
    /// The step after which the worker is ready.
    pub(super) ready_at: Option<u64>,
    pub(super) begin_ms: Option<u64>,
    pub(super) begun: usize,
    pub(super) stopped: bool,
    pub(super) intervals: u64,
    pub(super) done: bool,
    pub(super) ended: Option<WorkerEnd>,
}

pub(super) struct World {
    pub(super) random: SplitMix64,
    pub(super) step: u64,
    pub(super) control: Vec<Entry>,
    pub(super) results: Vec<Measurement>,
    pub(super) bosses: Vec<Boss>,
    pub(super) hands: Vec<Hand>,
    /// The load that the first worker is about to send.
    pub(super) first: Ready,
}

impl World {
    pub(super) fn new(seed: u64, hands: &[Fate]) -> Self {
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
            first: ready(),
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

    pub(super) fn coordinate(
        &mut self,
        id: &str,
        terms: Terms,
        load: Option<LoadNote>,
        fate: Fate,
    ) {
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
                Act::Add(part, records) => {
                    let numbers = records.iter().map(|record| (part, record.number));
                    self.bosses[boss].added.extend(numbers);
                }
                Act::Tell(told) => self.bosses[boss].told.push(told),
                Act::End(ending) => {
                    assert_eq!(self.bosses[boss].ending, None, "it ends once");
                    self.bosses[boss].ending = Some(ending);
                }
            }
        }
    }

    /// Returns how many of the waiting records a participant reads in this step.
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
        // Another thread reads the results, once the plan is known.
        if self.bosses[boss].machine.course().log.plan.is_some() {
            if results == 0 && self.results.is_empty() {
                self.bosses[boss].machine.has_read_results(now);
            }
            for at in results..results + self.some(self.results.len() - results) {
                let measurement = self.results[at].clone();
                self.bosses[boss].read[1] += 1;
                for _ in 0..=self.random.draw() % 2 {
                    let acts = self.bosses[boss].machine.measured(measurement.clone(), now);
                    self.act(boss, acts);
                }
                if at + 1 == self.results.len() {
                    self.bosses[boss].machine.has_read_results(now);
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
        for at in read..read + self.some(self.control.len() - read) {
            let entry = self.control[at].clone();
            self.hands[hand].read += 1;
            let done = self.hands[hand].machine.read(&entry, now);
            self.hand_does(hand, done);
        }
        if self.hands[hand].ready_at.is_some_and(|at| at <= step) {
            self.hands[hand].ready_at = None;
            let own = if hand == 0 {
                self.first.clone()
            } else {
                ready()
            };
            let done = self.hands[hand].machine.prepared(Ok(own), now);
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

    /// Writes an interval and a beat each second while the worker sends, and its end.
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
            self.measure(hand, Measured::Intervals(vec![record]));
            self.measure(hand, Measured::Beat(Beat::default()));
        }
        if seconds >= SENDING || self.hands[hand].stopped {
            self.hands[hand].done = true;
            let done = Done {
                end: end(),
                intervals: self.hands[hand].intervals,
                ended: Ended::default(),
                obeyed: false,
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

    pub(super) fn steps(&mut self, steps: u64) {
        for _ in 0..steps {
            self.step += 1;
            // The order of the participants is random.
            for place in 0..self.hands.len() {
                self.hand_steps(place);
            }
            for place in 0..self.bosses.len() {
                self.boss_steps(place);
            }
        }
    }

    /// Returns all intervals that workers have sent, each with the worker's part.
    pub(super) fn sent(&self, boss: usize) -> Vec<(usize, u64)> {
        let log = &self.bosses[boss].machine.course().log;
        let all = self.results.iter().filter_map(|own| match &own.says {
            Measured::Intervals(records) => Some((log.part_of(&own.from)?, records[0].number)),
            _ => None,
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all
    }

    pub(super) fn added(&self, boss: usize) -> Vec<(usize, u64)> {
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
