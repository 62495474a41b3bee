//! The pools that jobs run in: one for each operation with its own mode or limit, and one for all others.
//!
//! Records for a full pool wait in it, so that the other pools continue. Waiting records use room that the others need.
//! So a pool with a long queue has its topics held back: the source gives no more of their records.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::job::Done;
use super::modes::{Dropped, Lane, Running};
use crate::operation::pattern::TopicPattern;
use crate::settings::Handling;
use crate::{Coordinates, Dispatch, Error, Record, Settings, TopicPartition};

/// How many records may wait in one pool. They start while the source fetches more.
const MAX_WAITING: usize = 1024;
/// Below this number, waiting records have started before the source has fetched more.
const FEW_WAITING: usize = 16;

const NO_BOUND: Dropped = Dropped {
    records: usize::MAX,
    bytes: usize::MAX,
};

/// All pools. The first one is for operations without their own settings.
#[derive(Debug)]
pub(crate) struct Pools<J> {
    pools: Vec<Pool<J>>,
    /// With several pools: the pool of each topic. A topic that matches a pattern is added when its first record comes.
    by_topic: BTreeMap<Arc<str>, usize>,
    /// The pool of each pattern, in the order in which patterns are tried.
    patterns: Vec<(TopicPattern, usize)>,
    /// Whether topics were held back or released since [`Pools::held_back`].
    has_changed: bool,
}

#[derive(Debug)]
struct Pool<J> {
    topics: Vec<Arc<str>>,
    /// Whether any operation uses the pool.
    is_served: bool,
    running: Running<J>,
    /// How many jobs may have started.
    bound: usize,
    waiting: VecDeque<Waiting<J>>,
    waiting_bytes: usize,
    max_waiting: Dropped,
    is_held_back: bool,
}

/// A job that waits for room in its pool.
#[derive(Debug)]
struct Waiting<J> {
    at: Coordinates,
    lane: Option<Lane>,
    size: usize,
    job: J,
}

/// Where a record's job goes.
#[derive(Debug)]
pub(super) struct Place {
    pool: usize,
    lane: Option<Lane>,
    pub(super) size: usize,
    /// The record's coordinates if its pool is full.
    waits: Option<Coordinates>,
    /// Whether the job starts at once.
    pub(super) is_free: bool,
}

impl<J: Future<Output = Done> + Send + 'static> Pools<J> {
    pub(crate) fn new(settings: &Settings, handling: Vec<Handling>) -> Self {
        let limits = &settings.limits;
        let has_own = |one: &Handling| one.dispatch.is_some() || one.max_in_flight.is_some();
        let is_alone = !handling.iter().any(has_own);
        let pool = |dispatch: Option<Dispatch>, max_in_flight: Option<usize>| {
            let dispatch = dispatch.unwrap_or(settings.dispatch);
            let bound = max_in_flight.unwrap_or(limits.max_in_flight);
            Pool::new(dispatch, bound.min(limits.max_in_flight), is_alone)
        };
        let mut pools = vec![pool(None, None)];
        let (mut by_topic, mut patterns) = (BTreeMap::new(), Vec::new());
        for one in handling {
            let place = if has_own(&one) { pools.len() } else { 0 };
            if place > 0 {
                pools.push(pool(one.dispatch, one.max_in_flight));
            }
            pools[place].is_served = true;
            match one.pattern {
                Some(pattern) => patterns.push((pattern, place)),
                None => {
                    pools[place].topics.push(Arc::clone(&one.topic));
                    by_topic.insert(one.topic, place);
                }
            }
        }
        // Waiting records get half of the room that no pool can fill by itself, in equal parts.
        let room = limits.max_in_flight.min(limits.max_uncommitted);
        let bounded = || {
            let served = pools.iter().filter(|pool| pool.is_served);
            served.filter(|pool| pool.bound < limits.max_in_flight)
        };
        let left = room.saturating_sub(bounded().map(|pool| pool.bound).sum());
        let parts = 2 * bounded().count().max(1);
        let max_waiting = Dropped {
            records: (left / parts).min(MAX_WAITING),
            bytes: limits.max_in_flight_bytes / parts,
        };
        // A single pool needs to leave no room for others: intake closes instead.
        if !is_alone {
            pools
                .iter_mut()
                .for_each(|pool| pool.max_waiting = max_waiting);
        }
        Self {
            pools,
            by_topic,
            patterns,
            has_changed: false,
        }
    }

    /// Returns the number of jobs, started or not.
    pub(super) fn len(&self) -> usize {
        let waiting = self.pools.iter().map(|pool| pool.waiting.len());
        self.with_room() + waiting.sum::<usize>()
    }

    /// Returns the number of jobs that have room in their pool: started ones, and those behind them in a lane.
    pub(super) fn with_room(&self) -> usize {
        self.pools.iter().map(|pool| pool.running.len()).sum()
    }

    /// Returns whether one more record can be taken. With several pools it is always `true`: the source knows which
    /// topics are held back.
    pub(super) fn has_room(&self) -> bool {
        match &self.pools[..] {
            [only] => only.has_room(),
            _ => true,
        }
    }

    /// Returns where the record's job goes.
    pub(super) fn place(&mut self, record: &Record) -> Place {
        self.learn(&record.coordinates.topic_partition.topic);
        let pool = self.of_topic(record.topic());
        let own = &self.pools[pool];
        let lane = own.running.lane(record);
        let has_room = own.has_room() && own.waiting.is_empty();
        Place {
            pool,
            is_free: has_room && !own.running.is_behind(lane.as_ref()),
            lane,
            size: record.size(),
            waits: (!has_room).then(|| record.coordinates.clone()),
        }
    }

    /// Notes the pool of a topic that matches a pattern.
    fn learn(&mut self, topic: &Arc<str>) {
        if self.pools.len() == 1 || self.patterns.is_empty() || self.by_topic.contains_key(topic) {
            return;
        }
        let mut patterns = self.patterns.iter();
        let own = patterns.find(|(pattern, _)| pattern.is_match(topic));
        let pool = own.map_or(0, |(_, pool)| *pool);
        self.by_topic.insert(Arc::clone(topic), pool);
        self.pools[pool].topics.push(Arc::clone(topic));
        // The records of this topic are to be held back too.
        self.has_changed |= self.pools[pool].is_held_back;
    }

    fn of_topic(&self, topic: &str) -> usize {
        match self.pools.len() {
            1 => 0,
            _ => self.by_topic.get(topic).copied().unwrap_or_default(),
        }
    }

    /// Starts the job, or queues it until its pool has room. It is made here, because a job is large and each hand-over
    /// moves it.
    #[inline]
    pub(super) fn start(&mut self, place: Place, make: impl FnOnce() -> J) {
        let pool = &mut self.pools[place.pool];
        let Some(at) = place.waits else {
            return pool.running.start(place.lane, place.size, make());
        };
        pool.waiting_bytes += place.size;
        pool.waiting.push_back(Waiting {
            at,
            lane: place.lane,
            size: place.size,
            job: make(),
        });
        self.has_changed |= pool.hold_back();
    }

    /// Waits for the next job to end and starts the jobs that waited for its room, forever when there is no job. Cancel
    /// safe.
    pub(super) async fn next(&mut self) -> Result<Done, Error> {
        if let [only] = &mut self.pools[..] {
            return only.running.next().await;
        }
        let pools = &mut self.pools;
        // The loop takes all ended jobs before the next record, so no pool waits long.
        let (pool, done) = poll_fn(|context| {
            let ends = pools.iter_mut().enumerate().find_map(|(index, pool)| {
                match pin!(pool.running.next()).poll(context) {
                    Poll::Ready(done) => Some((index, done)),
                    Poll::Pending => None,
                }
            });
            ends.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        self.has_changed |= self.pools[pool].refill();
        done
    }

    /// Returns the topics to hold back, if they have changed since the last call.
    pub(super) fn held_back(&mut self) -> Option<Vec<Arc<str>>> {
        if !std::mem::take(&mut self.has_changed) {
            return None;
        }
        let held = self.pools.iter().filter(|pool| pool.is_held_back);
        Some(held.flat_map(|pool| pool.topics.iter().cloned()).collect())
    }

    /// Returns the records that wait for room in their pool.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Coordinates> {
        let all = self.pools.iter().flat_map(|pool| &pool.waiting);
        all.map(|waiting| &waiting.at)
    }

    /// Drops the jobs of a partition that has gone if they have not started.
    pub(super) fn forget(&mut self, topic_partition: &TopicPartition) -> Dropped {
        let (mut dropped, _) = self.leave(topic_partition);
        let pool = self.of_topic(&topic_partition.topic);
        let in_lanes = self.pools[pool].running.forget(topic_partition);
        dropped.records += in_lanes.records;
        dropped.bytes += in_lanes.bytes;
        self.has_changed |= self.pools[pool].refill();
        dropped
    }

    /// Drops the jobs of a partition that wait for room, and returns their records, in order.
    pub(super) fn leave(
        &mut self,
        topic_partition: &TopicPartition,
    ) -> (Dropped, Vec<Coordinates>) {
        let pool = self.of_topic(&topic_partition.topic);
        let pool = &mut self.pools[pool];
        let left = pool.leave(|waiting| waiting.at.topic_partition == *topic_partition);
        self.has_changed |= pool.hold_back();
        left
    }

    /// Drops all jobs that wait for room, and returns their records, in order.
    pub(super) fn leave_all(&mut self) -> (Dropped, Vec<Coordinates>) {
        let (mut dropped, mut records) = <(Dropped, Vec<_>)>::default();
        for pool in &mut self.pools {
            let (left, of_pool) = pool.leave(|_| true);
            dropped.records += left.records;
            dropped.bytes += left.bytes;
            records.extend(of_pool);
        }
        (dropped, records)
    }

    /// Drops all jobs. Their records stay unfinished and will be delivered again.
    pub(super) fn abandon(&mut self) {
        self.leave_all();
        for pool in &mut self.pools {
            pool.running.abandon();
        }
    }
}

impl<J: Future<Output = Done> + Send + 'static> Pool<J> {
    fn new(dispatch: Dispatch, max_in_flight: usize, is_alone: bool) -> Self {
        // A serial job that blocks its thread in the event loop would hold up the other pools.
        let (running, bound) = match dispatch {
            Dispatch::Serial if is_alone => (Running::new(dispatch), 1),
            Dispatch::Serial => (Running::new(Dispatch::Tasks), 1),
            _ => (Running::new(dispatch), max_in_flight),
        };
        Self {
            topics: Vec::new(),
            is_served: false,
            running,
            bound,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            max_waiting: NO_BOUND,
            is_held_back: false,
        }
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.bound
    }

    /// Starts waiting jobs while there is room. Returns whether the topics' being held back has changed.
    fn refill(&mut self) -> bool {
        while self.has_room()
            && let Some(Waiting {
                lane, size, job, ..
            }) = self.waiting.pop_front()
        {
            self.waiting_bytes -= size;
            self.running.start(lane, size, job);
        }
        self.hold_back()
    }

    /// Holds the topics back when enough records wait, and releases them when half of those have started, because a
    /// paused source has to fetch again. If only a few may wait, it releases the topics when a quarter of the room is
    /// free. Returns whether that has changed.
    fn hold_back(&mut self) -> bool {
        let Dropped { records, bytes } = self.max_waiting;
        let of = |whole: usize| if self.is_held_back { whole / 2 } else { whole };
        let is_long = self.waiting.len() >= of(records) || self.waiting_bytes >= of(bytes);
        let is_held_back = match self.is_held_back && records < FEW_WAITING {
            true => self.running.len() * 4 > self.bound * 3,
            false => !self.has_room() && is_long,
        };
        std::mem::replace(&mut self.is_held_back, is_held_back) != is_held_back
    }

    /// Drops the waiting jobs that `is_left` selects, and returns their records, in order.
    fn leave(&mut self, is_left: impl Fn(&Waiting<J>) -> bool) -> (Dropped, Vec<Coordinates>) {
        let mut dropped = Dropped::default();
        let mut left = Vec::new();
        self.waiting.retain(|waiting| {
            let is_left = is_left(waiting);
            if is_left {
                dropped.records += 1;
                dropped.bytes += waiting.size;
                left.push(waiting.at.clone());
            }
            !is_left
        });
        self.waiting_bytes -= dropped.bytes;
        (dropped, left)
    }
}
