//! Merges parts of a load that were recorded apart, and compares them with the whole that one client records.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::distributed::{
    Course, Done, Entry, LoadNote, Measured, Measurement, Note, PROTOCOL, PlanNote, Ready, Says,
};
use crate::load::Arrivals;
use crate::load::plan::{Model, OpenLoop, Plan, Stage, Target};
use crate::measure::recorded::Recorded;
use crate::measure::recorder::Outlet;
use crate::measure::selfcheck::Validity;
use crate::measure::summary::{Ended, Sample, Status};
use crate::report::run_file::{OfWorker, RunEnd, RunFile, RunHeader, SharedFacts, read_run_file};
use crate::report::{Destination, EndedBy};
use crate::stats::SplitMix64;

const KINDS: [&str; 3] = ["create", "find, by id", "find"];

fn plan(share: Share, arrivals: Arrivals, has_stages: bool) -> Plan {
    let rate = 300.0;
    let stage = |(seconds, rate, ramp)| Stage {
        name: format!("to {rate}"),
        duration: Duration::from_millis(seconds),
        target: Target::Rate(rate),
        ramp,
    };
    let stages = [
        (700, 200.0, false),
        (1500, 400.0, true),
        (800, 100.0, false),
    ];
    Plan {
        users: 0,
        spawn_rate: 1.0,
        run_time: Some(Duration::from_secs(3)),
        warm_up: Duration::from_millis(450),
        timeout: Duration::from_secs(1),
        model: Model::Open(OpenLoop {
            rate,
            arrivals,
            max_in_flight: 1000,
        }),
        stages: match has_stages {
            true => stages.map(stage).into(),
            false => Vec::new(),
        },
        search: None,
        loads: Vec::new(),
        share,
    }
}

/// Returns a request of the schedule, with a fixed kind, delay, latency and outcome.
fn sample(number: u64, due: Duration, warm_up: Duration) -> Sample {
    let mut random = SplitMix64::new(number);
    let status = match random.draw() % 40 {
        0 => Status::Timeout,
        1 => Status::ErrorStatus,
        2 => Status::SendError,
        3 => Status::Censored,
        _ => Status::Ok,
    };
    let due_ns = u64::try_from(due.as_nanos()).unwrap();
    let mut sample = Sample::test(due_ns + random.draw() % 3_000_000, 1, status);
    let latency = match status {
        Status::Timeout => 1_000_000_000,
        _ => 200_000 + random.draw() % 40_000_000,
    };
    sample.intended_ns = due_ns;
    sample.replied_ns = Some(sample.sent_ns + latency);
    sample.kind = u16::try_from(number % 3).unwrap();
    sample.reply_bytes = 20;
    sample.warm_up = due < warm_up;
    if status == Status::ErrorStatus {
        sample.refused_body = Some(format!("no {number}").into());
        sample.error = format!("status {}", 500 + number % 2).into();
    }
    sample
}

fn facts(plan: &Plan) -> SharedFacts {
    SharedFacts {
        topic: "createOrder".to_owned(),
        load_model: plan.load_model(),
        target: plan.target_in_words(),
        spawn_rate: plan.spawn_rate,
        kinds: KINDS.map(str::to_owned).into(),
        warm_up_ns: 450_000_000,
        run_time_ns: Some(3_000_000_000),
        timeout_ns: 1_000_000_000,
        stages: plan.spans(),
        wire: Value::Null,
    }
}

fn end(validity: Validity) -> RunEnd {
    RunEnd {
        duration_ms: 4000,
        sent_until_ns: Some(3_000_000_000),
        lag: LagRecord::default(),
        ended_by: EndedBy::RunTime,
        cores: Some(0.5),
        validity,
        report: serde_json::Map::new(),
        sections: Vec::new(),
    }
}

/// Records a part of the load, and reads its file.
fn part(path: &Path, plan: &Plan) -> RunPart {
    recorded_part(path, plan).0
}

/// Does the same, and returns the figures that the part's client shows too.
fn recorded_part(path: &Path, plan: &Plan) -> (RunPart, Summary, Vec<Bin>) {
    let mut schedule = plan.schedule();
    let mut samples = Vec::new();
    while let Some(due) = schedule.peek() {
        samples.push(sample(schedule.number(), due, plan.warm_up));
        schedule.next();
    }
    samples.sort_by_key(|own| own.replied_ns);
    let header = RunHeader {
        format: 1,
        segment: plan.share.to_string(),
        started_ms: 1_700_000_000_000,
        run: facts(plan),
    };
    let mut file = RunFile::begin(Destination::claim(path).unwrap(), &header).unwrap();
    let mut recorded = Recorded::new(&KINDS.map(str::to_owned), plan, true);
    let mut hand_on = |recorded: &mut Recorded, second| {
        recorded
            .handed_on(second)
            .iter()
            .for_each(|own| file.take(own));
    };
    for (number, own) in samples.iter().enumerate() {
        let elapsed = Duration::from_nanos(own.replied_ns.unwrap());
        recorded.record(own, elapsed, 0);
        // A look in between must change nothing.
        if number % 37 == 0 {
            recorded.cut(0);
        }
        hand_on(&mut recorded, elapsed.as_secs());
    }
    recorded.end_by(3_000_000_000, 0);
    hand_on(&mut recorded, u64::MAX);
    file.finish(&end(Validity::Valid)).unwrap();
    let name = path.display().to_string();
    let part = RunPart::of_file(name, read_run_file(path).unwrap());
    let mut summary = recorded.tally.summary_at(u64::MAX, &[0.97]);
    summary.stages = recorded.stages.results(u64::MAX);
    (part, summary, recorded.tally.histogram(RunPage::BINS))
}

/// Returns what a coordinator reads if workers write these parts to the log one after the other, each record twice.
fn over_the_log(parts: Vec<RunPart>) -> Vec<RunPart> {
    let mut course = Course::new("run".to_owned());
    let order: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
    let mut offset = 0;
    let mut tell = |from: &str, says| {
        let note = Note {
            version: PROTOCOL,
            run: "run".to_owned(),
            from: from.to_owned(),
            says,
        };
        let json = serde_json::to_vec(&note).unwrap();
        let began = i64::try_from(parts[0].read.header.started_ms).unwrap();
        let entry = Entry::read(offset, began, &json).unwrap();
        course.read(&entry, Duration::ZERO);
        offset += 1;
    };
    tell("c", Says::Claim { workers: 2 });
    let load = LoadNote::default();
    tell("c", Says::Plan(Box::new(PlanNote { order, load })));
    for part in &parts {
        let (digest, header) = (String::new(), part.read.header.clone());
        tell(&part.name, Says::Ready(Box::new(Ready { digest, header })));
    }
    tell("c", Says::Start { delay_ms: 0 });
    let mut intervals = vec![Vec::new(); parts.len()];
    for own in &parts {
        let records = own.read.intervals.iter();
        let measured = records.map(|record| Measured::Intervals(vec![record.clone()]));
        let done = Measured::Done(Box::new(Done {
            end: own.read.end.clone().unwrap(),
            intervals: own.read.intervals.len() as u64,
            ended: own.ended(),
            obeyed: false,
        }));
        for says in measured.chain([done]).flat_map(|says| [says.clone(), says]) {
            let measurement = Measurement {
                version: PROTOCOL,
                run: "run".to_owned(),
                from: own.name.clone(),
                says,
            };
            let json = serde_json::to_vec(&measurement).unwrap();
            let read = Measurement::read(&json).unwrap();
            if let Some((part, records)) = course.measured(read, Duration::ZERO) {
                intervals[part].extend(records);
            }
        }
    }
    crate::distributed::parts(&course, intervals)
}

fn whole(parts: &[RunPart]) -> Merged {
    merged(parts, &[0.97], |_, _| Ok::<(), NotOneRun>(())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn parts_merge_to_what_one_client_measures_bucket_for_bucket(
        of in 2..9_u32, seed in proptest::option::of(0..99_u64), has_stages: bool
    ) {
        let folder = tempfile::tempdir().unwrap();
        let arrivals = seed.map_or(Arrivals::Constant, |seed| Arrivals::Poisson { seed });
        let own = |share, name: String| {
            recorded_part(&folder.path().join(name), &plan(share, arrivals, has_stages))
        };
        let (alone, mut summary, bins) = own(Share::WHOLE, "whole.hdr".to_owned());
        let parts = (0..of).rev().map(|index| {
            own(Share::new(index, of).unwrap(), format!("{index}.hdr")).0
        });
        let parts = ordered(parts.collect()).unwrap();
        let merged = whole(&parts);
        prop_assert!(summary.total.requests > 400);
        summary.findings = merged.summary.findings.clone();
        // The figures that one client shows without any file.
        prop_assert_eq!(&merged.summary, &summary);
        prop_assert_eq!(&merged.bins, &bins);
        prop_assert_eq!(&merged.moments, &whole(&[alone]).moments);
        prop_assert_eq!(validity(&parts), Validity::Valid);
        let mut ended = Ended::default();
        parts.iter().for_each(|part| ended.add(part.ended()));
        prop_assert_eq!(ended.requests, summary.total.requests);
        // The same parts, as workers would write them.
        let told = whole(&over_the_log(parts));
        prop_assert_eq!(&told.summary, &summary);
        prop_assert_eq!(&told.bins, &bins);
        prop_assert_eq!(&told.moments, &merged.moments);
    }
}

#[test]
fn what_is_no_run_of_these_parts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = |place: &str, arrivals| {
        let plan = plan(place.parse().unwrap(), arrivals, false);
        part(&folder.path().join(place.replace('/', "-")), &plan)
    };
    let constant = |place: &str| own(place, Arrivals::Constant);
    let refused = |parts: Vec<RunPart>| ordered(parts).unwrap_err().to_string();
    let told = refused(vec![constant("1/3"), constant("3/3")]);
    assert!(told.starts_with("part 2/3 is missing"), "{told}");
    let told = refused(vec![constant("1/2"), constant("1/2")]);
    assert!(told.contains("are both part 1/2"), "{told}");
    let told = refused(vec![constant("1/1")]);
    assert!(told.contains("is a whole run"), "{told}");
    let told = refused(vec![constant("1/2"), constant("2/3")]);
    assert!(told.ends_with("its number of parts differs"), "{told}");
    let told = refused(vec![
        constant("1/2"),
        own("2/2", Arrivals::Poisson { seed: 1 }),
    ]);
    assert!(told.ends_with("its load differs"), "{told}");
}

#[test]
fn a_run_is_as_valid_as_its_worst_part() {
    let folder = tempfile::tempdir().unwrap();
    let parts = |second: Option<Validity>| {
        let own = |place: &str| {
            let plan = plan(place.parse().unwrap(), Arrivals::Constant, false);
            part(&folder.path().join(place.replace('/', "-")), &plan)
        };
        let mut parts = ordered(vec![own("1/2"), own("2/2")]).unwrap();
        parts[1].read.end = second.map(end);
        parts
    };
    let told = |parts: &[RunPart]| validity(parts).lines().join("\n");
    let finding = Finding {
        reason: "1.9 cores".to_owned(),
        advice: "fewer users".to_owned(),
    };
    let invalid = Validity::Invalid {
        findings: vec![finding],
    };
    let first = told(&parts(Some(invalid)));
    assert!(
        first.starts_with("INVALID") && first.contains("part 2/2: 1.9 cores"),
        "{first}"
    );
    let cut = parts(None);
    let second = told(&cut);
    assert!(
        second.contains("part 2/2 is not whole") && second.contains("was killed"),
        "{second}"
    );
    let ended = |ended_by, of_worker| {
        let mut part = parts(Some(Validity::Valid)).remove(1);
        part.read.end.as_mut().unwrap().ended_by = ended_by;
        part.of_worker = of_worker;
        validity([&part]).is_invalid()
    };
    let own = |is_whole, obeyed| Some(OfWorker { is_whole, obeyed });
    assert!(ended(EndedBy::Signal, None) && ended(EndedBy::Signal, own(true, false)));
    assert!(
        !ended(EndedBy::Signal, own(true, true)),
        "without a run time, a user ends all parts"
    );
    assert!(ended(EndedBy::RunTime, own(false, false)) && ended(EndedBy::Failure, own(true, true)));
    assert!(
        whole(&cut).summary.total.requests > 500,
        "its requests still count"
    );
    let reason = "0.5 s were measured".to_owned();
    let third = told(&parts(Some(Validity::NotJudged { reason })));
    assert!(third.contains("part 2/2: 0.5 s"), "{third}");
}
