//! One round: topics and instances, load, faults, and the collection of evidence.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::answers::{self, Log, Reader, off_thread, so_far};
use super::client::Client;
use super::conditions::Conditions;
use super::evidence::{Evidence, Record, Span};
use super::fleet::{self, Fleet};
use super::inject::Scene;
use super::kind::{Fault, Target};
use super::load::{self, Amount, Due};
use super::oracles;
use super::plan::{INSTANCES, Membership, Round};
use super::topics::{self, MORE_PARTITIONS, Names, PARTITIONS, REPLY_PARTITIONS};
use super::watch::{CommitWatch, MemoryWatch};
use super::world::World;
use super::{clock, store};
use crate::stack::group_members;

/// Load before the part that counts, so that connections and code are warm.
const WARM_UP: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(500);
/// How long it may take until all is committed, and until the group has all members.
const END_LIMIT: Duration = Duration::from_secs(120);
/// Half of the session timeout.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// Plays a round, and returns the evidence. Nothing of it is left running, nor in broker and store. After a failure
/// something may be left there, because they may not answer. No other round uses its names.
pub(super) async fn play(
    world: &World,
    round: &Round,
    conditions: &Conditions,
) -> Result<Evidence> {
    let folder = conditions.folder.join(format!("round-{:03}", round.number));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let names = Names::of(&format!("round{}", round.number));
    for (topic, partitions) in names.topics() {
        topics::create(&world.servers, topic, partitions).await?;
    }
    let evidence = on_topics(world, round, conditions, &names, &folder).await?;
    let all = names.topics().map(|(topic, _)| topic);
    topics::delete(&world.servers, &all).await?;
    store::clear(&world.store_url).await?;
    // The next round needs brokers with all of Kafka's own topics.
    world.until_whole().await?;
    Ok(evidence)
}

async fn on_topics(
    world: &World,
    round: &Round,
    conditions: &Conditions,
    names: &Names,
    folder: &Path,
) -> Result<Evidence> {
    let log = Log::default();
    let read = |topic: &str, partitions| Reader::start(&world.servers, topic, partitions, &log);
    let replies = RefCell::new(Some(read(&names.replies, REPLY_PARTITIONS)?));
    let others = [
        read(&names.client_replies, 1)?,
        read(&names.dead_letters, 1)?,
    ];
    let program = conditions.load_client.as_deref();
    let client = Client::new(program, &world.servers, names, folder)?;
    let options = fleet::options(world, names, round, conditions);
    let fleet = Fleet::start(world, options, round, folder.to_owned()).await?;
    // After a rebalance in the quiet part, the recovery could not be compared with it.
    if members(world, names, round, INSTANCES).await? != Some(INSTANCES) {
        bail!("the group did not settle before the load");
    }
    let commits = CommitWatch::start(&world.servers, names)?;
    let memory = RefCell::new(MemoryWatch::default());
    let scene = Scene {
        world,
        names,
        fleet: &fleet,
        client: &client,
        replies: &replies,
        log: &log,
        replies_gone: &RefCell::default(),
        requests_gone: &RefCell::default(),
        alone: &RefCell::default(),
        zstd: &Cell::new(false),
    };
    let mut evidence = tokio::select! {
        evidence = under_load(&scene, round, conditions) => evidence?,
        failure = look_after(world, &fleet, &memory) => failure?,
    };
    fleet.stop().await?;
    world.fail_back().await?;
    evidence.members_left = members(world, names, round, 0).await?;
    evidence.commits = commits.samples();
    evidence.memory = memory.borrow().seen();
    evidence.misbehaviour = fleet.misbehaviour();
    evidence.told_to_end = fleet.told_to_end();
    evidence.replies_gone = *scene.replies_gone.borrow();
    evidence.requests_gone = *scene.requests_gone.borrow();
    evidence.alone = *scene.alone.borrow();
    evidence.records = read_back(world, names, round).await?;
    let replies = replies.borrow_mut().take();
    for reader in replies.iter().chain(&others) {
        reader.until_end().await?;
    }
    evidence.answers = so_far(&log);
    evidence.orders = store::orders(&world.store_url).await?;
    Ok(evidence)
}

/// Notes processes that end by themselves, and their memory, as long as it is polled.
async fn look_after(
    world: &World,
    fleet: &Fleet<'_>,
    memory: &RefCell<MemoryWatch>,
) -> Result<Evidence> {
    loop {
        fleet.supervise()?;
        look(world, fleet, memory)?;
        sleep(LOOK).await;
    }
}

fn look(world: &World, fleet: &Fleet<'_>, memory: &RefCell<MemoryWatch>) -> Result<()> {
    let mut memory = memory.borrow_mut();
    for (name, process) in fleet.processes().into_iter().chain(world.processes()) {
        memory.look(&name, process);
    }
    Ok(())
}

/// Sends the load, and makes the faults in its middle.
async fn under_load(scene: &Scene<'_>, round: &Round, conditions: &Conditions) -> Result<Evidence> {
    let target = load::Target {
        servers: scene.world.servers.clone(),
        topic: scene.names.requests.clone(),
        reply_topic: scene.names.replies.clone(),
        name: format!("r{}", round.number),
    };
    let amount = Amount {
        rate: conditions.rate,
        least: conditions.requests,
        stop: CancellationToken::new(),
    };
    let with_client = round.has(|fault| fault == Fault::KillClient);
    if with_client {
        scene.client.start()?;
    }
    let due = Due::default();
    let (accepted, played) = tokio::join!(load::send(&target, &amount, scene.zstd, &due), async {
        let played = strike(scene, round, conditions, &due).await;
        amount.stop.cancel();
        played
    });
    let mut evidence = played?;
    evidence.accepted = accepted?;
    evidence.due.append(&mut due.into_inner());
    if round.has(|fault| fault.target() == Target::Client) {
        scene.client.stop().await?;
    }
    evidence.lag = until_no_lag(scene.world, scene.names, round).await?;
    evidence.members = members(scene.world, scene.names, round, INSTANCES).await?;
    Ok(evidence)
}

/// The quiet part, the faults, the recovery.
async fn strike(
    scene: &Scene<'_>,
    round: &Round,
    conditions: &Conditions,
    due: &Due,
) -> Result<Evidence> {
    sleep(WARM_UP).await;
    let begin = clock::now();
    sleep(conditions.quiet).await;
    let end = clock::now();
    let faults = round.faults.iter().map(|planned| scene.inject(planned));
    let spans = try_join_all(faults).await?;
    let fault = Span {
        begin: spans.iter().map(|span| span.begin).min().unwrap_or(end),
        end: spans.iter().map(|span| span.end).max().unwrap_or(end),
    };
    let mut evidence = Evidence {
        quiet: Some(Span { begin, end }),
        fault: Some(fault),
        ..Evidence::default()
    };
    let whole = members(scene.world, scene.names, round, INSTANCES).await?;
    evidence.whole = (whole == Some(INSTANCES)).then(clock::now);
    // The recovery is compared over the same time as the quiet part.
    sleep(conditions.quiet).await;
    let deadline = Instant::now() + Duration::from_millis(oracles::RECOVERY_LIMIT.unsigned_abs());
    loop {
        evidence.due.append(&mut due.borrow_mut());
        answers::catch_up(scene.log, &mut evidence.answers);
        // On another thread, because this one sends the load, and the oracle takes longer and longer.
        let judged = off_thread(move || Ok((oracles::recovery(&evidence).is_some(), evidence)));
        let is_back;
        (is_back, evidence) = judged.await?;
        if is_back || Instant::now() > deadline {
            return Ok(evidence);
        }
        sleep(LOOK).await;
    }
}

fn partitions(round: &Round) -> i32 {
    if round.has(|fault| fault == Fault::PartitionsAdded) {
        MORE_PARTITIONS
    } else {
        PARTITIONS
    }
}

/// Waits until everything is committed. Returns the lag, which is above zero if the time was over first.
async fn until_no_lag(
    world: &World,
    names: &Names,
    round: &Round,
) -> Result<std::collections::BTreeMap<i32, i64>> {
    let deadline = Instant::now() + END_LIMIT;
    loop {
        let (servers, own) = (world.servers.clone(), names.clone());
        let partitions = partitions(round);
        let lag = off_thread(move || topics::lag(&servers, &own, partitions)).await;
        match lag {
            Ok(lag) if lag.values().all(|behind| *behind == 0) => return Ok(lag),
            lag if Instant::now() > deadline => return lag,
            _ => sleep(LOOK).await,
        }
    }
}

/// Waits until the group has this number of members in two looks. Returns the number; `None` if it never settles. Two
/// looks, because one may fall between two rebalances: the first only takes partitions away.
async fn members(
    world: &World,
    names: &Names,
    round: &Round,
    wanted: usize,
) -> Result<Option<usize>> {
    // A member that stops has to leave its group, so it must not wait for the session timeout. A static member does not
    // leave, because it may come back.
    let limit = match round.membership {
        Membership::Classic | Membership::Assigned if wanted == 0 => LEAVE_LIMIT,
        _ => END_LIMIT,
    };
    let deadline = Instant::now() + limit;
    let mut right = 0;
    loop {
        let members = match round.membership {
            Membership::Assigned => world.assigned_members(&names.group).await,
            Membership::Classic | Membership::Static => {
                group_members(&world.servers, &[], &names.group).await
            }
        };
        let is_right = matches!(members, Ok(Some(members)) if members == wanted);
        right = if is_right { right + 1 } else { 0 };
        match members {
            Ok(members) if right == 2 => return Ok(members),
            Ok(Some(members)) if Instant::now() > deadline => return Ok(Some(members)),
            Ok(None) if Instant::now() > deadline + END_LIMIT => return Ok(None),
            Err(error) if Instant::now() > deadline => return Err(error),
            _ => sleep(LOOK).await,
        }
    }
}

/// Reads the request topic. All its records were accepted, whoever sent them.
async fn read_back(world: &World, names: &Names, round: &Round) -> Result<Vec<Record>> {
    let (servers, topic) = (world.servers.clone(), names.requests.clone());
    let partitions = partitions(round);
    off_thread(move || answers::read_whole(&servers, &topic, partitions, record)).await
}

fn record(message: &rdkafka::message::BorrowedMessage<'_>) -> Option<Record> {
    use rdkafka::message::Message;
    let id = answers::echoed(&answers::header(message, "x-reply-set-header")?)?;
    let request = answers::header(message, "idempotency-key");
    let key = message.key().unwrap_or_default();
    Some(Record {
        foreign: request.is_none(),
        request: request.unwrap_or_else(|| id.clone()),
        id,
        key: String::from_utf8_lossy(key).into_owned(),
        partition: message.partition(),
        offset: message.offset(),
        at: message.timestamp().to_millis()?,
    })
}
