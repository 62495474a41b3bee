//! Tests of the runner with a transport in memory, on paused time.

mod open;

use std::sync::Mutex;
use std::time::Duration;

use uuid::Uuid;

use crate::load::plan::{OpenLoop, Pause, Stage, Target};
use crate::load::runner::*;
use crate::load::{Arrivals, Share};
use crate::measure::recorder::SampleReceiver;
use crate::measure::summary::{Sample, Status};
use crate::scenario::Request;
use crate::transport::{Answer, Failure, Pending, Refusal};

/// The behaviour of the service in memory.
#[derive(Clone)]
enum Service {
    RepliesAfter(Duration),
    RepliesBeforeSendReturns,
    /// The stamp of the reply is later than the deadline, but the user gets the reply in time.
    StampsAfter(Duration),
    Silent,
    Refuses,
    AnswersError,
    LosesItsConsumer,
}

struct Memory {
    service: Service,
    pending: Pending,
    sent: Mutex<Vec<Uuid>>,
}

impl Memory {
    fn new(service: Service) -> Arc<Self> {
        Arc::new(Self {
            service,
            pending: Pending::default(),
            sent: Mutex::default(),
        })
    }
}

impl Transport for Memory {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        let (id, sent) = (request.id, now());
        self.sent.lock().unwrap().push(id);
        match self.service {
            Service::Silent => {}
            Service::RepliesBeforeSendReturns => {
                assert!(
                    self.pending.complete(&id, answered(sent)),
                    "registered before it is sent"
                );
            }
            Service::StampsAfter(delay) => {
                self.pending.complete(&id, answered(sent + delay));
            }
            Service::RepliesAfter(delay) => {
                let pending = self.pending.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    pending.complete(&id, answered(now()));
                });
            }
            Service::Refuses => {
                // A user without its pause never lets the paused clock go on: fail instead of hanging.
                assert!(self.sent.lock().unwrap().len() < 1000, "hammered");
                self.pending
                    .complete(&id, Err(Failure::Send("queue full".to_owned())));
            }
            Service::AnswersError => {
                let answer = Answer {
                    replied: sent,
                    bytes: 3,
                };
                let reason = "status 500".to_owned();
                let failure = Failure::Status(Refusal {
                    reason,
                    answer,
                    body: Some("out of stock".into()),
                });
                self.pending.complete(&id, Err(failure));
            }
            Service::LosesItsConsumer => self.pending.close("fenced"),
        }
    }
}

fn answered(replied: Instant) -> crate::transport::Ending {
    Ok(Answer { replied, bytes: 2 })
}

fn plan(users: u32, seconds: u64) -> Plan {
    Plan {
        users,
        spawn_rate: 1000.0,
        run_time: Some(Duration::from_secs(seconds)),
        warm_up: Duration::ZERO,
        timeout: Duration::from_secs(30),
        model: Model::Closed(Pause::None),
        stages: Vec::new(),
        search: None,
        loads: Vec::new(),
        share: Share::WHOLE,
    }
}

fn open_plan(rate: f64, seconds: u64) -> Plan {
    let mut plan = plan(0, seconds);
    plan.model = Model::Open(OpenLoop {
        rate,
        arrivals: Arrivals::Constant,
        max_in_flight: 100_000,
    });
    plan
}

/// Requests that differ only in their id.
struct Fixed([String; 1]);

impl Scenario for Fixed {
    fn kinds(&self) -> &[String] {
        &self.0
    }

    fn next(&self, _user: u32) -> Option<Request> {
        Some(Request::new(0))
    }
}

fn scenario() -> Arc<dyn Scenario> {
    Arc::new(Fixed(["createOrder".to_owned()]))
}

/// Runs a plan on paused time. Returns its samples in the order in which they ended.
async fn collect<T: Transport>(plan: Plan, transport: Arc<T>, control: Control) -> Vec<Sample> {
    let (samples, receiver) = Samples::channel();
    let engine = Engine::new(plan, scenario(), transport, samples, &control);
    engine.run(by_timer).await;
    receiver.take()
}

/// Returns the first sample of a service that answers at once. On paused time such a run would never end.
async fn first_sample(service: Service) -> Sample {
    let control = Control::default();
    let stop = control.stop.clone();
    let (samples, receiver) = Samples::channel();
    let running = tokio::spawn(async move {
        let transport = Memory::new(service);
        run(plan(1, 10), scenario(), transport, samples, &control).await;
    });
    let sample = next_sample(&receiver).await;
    stop.cancel();
    running.await.unwrap();
    sample
}

async fn next_sample(receiver: &SampleReceiver) -> Sample {
    loop {
        if let Some(first) = receiver.take().into_iter().next() {
            return first;
        }
        tokio::task::yield_now().await;
    }
}

/// Sends a schedule with tokio's timer, because tests can pause its clock.
async fn by_timer<T: Transport>(mut dispatcher: Dispatcher<T>) {
    while let Some(until) = dispatcher.step() {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Returns the milliseconds at which requests were sent.
fn sent(samples: &[Sample]) -> Vec<u64> {
    let mut sent: Vec<_> = samples
        .iter()
        .map(|sample| sample.sent_ns / 1_000_000)
        .collect();
    sent.sort_unstable();
    sent
}

fn statuses(samples: &[Sample]) -> Vec<Status> {
    let mut statuses: Vec<_> = samples.iter().map(|sample| sample.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_sends_the_next_request_after_the_reply() {
    let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(100)));
    let samples = collect(plan(1, 10), transport, Control::default()).await;
    assert_eq!(samples.len(), 100);
    assert_eq!(statuses(&samples), [Status::Ok]);
    assert!(
        samples
            .iter()
            .all(|sample| sample.service_ns() == Some(100_000_000))
    );
    assert!(
        samples
            .windows(2)
            .all(|pair| Some(pair[1].sent_ns) == pair[0].replied_ns)
    );
}

#[tokio::test(start_paused = true)]
async fn users_start_at_the_spawn_rate() {
    let mut plan = plan(4, 10);
    plan.spawn_rate = 2.0;
    let transport = Memory::new(Service::RepliesAfter(Duration::from_secs(60)));
    let samples = collect(plan, transport, Control::default()).await;
    let mut starts: Vec<_> = samples
        .iter()
        .map(|sample| (sample.user, sample.sent_ns))
        .collect();
    starts.sort_unstable();
    assert_eq!(
        starts,
        [
            (0, 0),
            (1, 500_000_000),
            (2, 1_000_000_000),
            (3, 1_500_000_000)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_beats_the_return_of_send_is_not_lost() {
    let sample = first_sample(Service::RepliesBeforeSendReturns).await;
    assert_eq!(sample.status, Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_time_out_and_no_latency() {
    let transport = Memory::new(Service::Silent);
    let samples = collect(plan(2, 60), transport, Control::default()).await;
    assert_eq!(samples.len(), 4);
    assert_eq!(statuses(&samples), [Status::Timeout]);
    assert!(samples.iter().all(|sample| sample.service_ns().is_none()));
    assert!(matches!(samples[0].error, Cow::Borrowed(TIMED_OUT)));
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_does_not_resurrect_its_request() {
    let transport = Memory::new(Service::RepliesAfter(Duration::from_secs(31)));
    let samples = collect(plan(1, 10), Arc::clone(&transport), Control::default()).await;
    assert_eq!(statuses(&samples), [Status::Timeout]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let id = transport.sent.lock().unwrap()[0];
    assert!(!transport.pending.complete(&id, answered(now())));
}

#[tokio::test(start_paused = true)]
async fn the_stamp_decides_not_the_moment_when_it_is_seen() {
    let beyond = Duration::from_secs(30) + Duration::from_nanos(1);
    let sample = first_sample(Service::StampsAfter(beyond)).await;
    assert_eq!(sample.status, Status::Timeout);
    let sample = first_sample(Service::StampsAfter(Duration::from_secs(30))).await;
    assert_eq!(sample.service_ns(), Some(30_000_000_000));
}

#[tokio::test(start_paused = true)]
async fn a_user_pauses_after_a_send_error() {
    let sample = first_sample(Service::Refuses).await;
    assert_eq!(
        (sample.status, &*sample.error),
        (Status::SendError, "queue full")
    );
    let samples = collect(
        plan(1, 1),
        Memory::new(Service::Refuses),
        Control::default(),
    )
    .await;
    assert_eq!(samples.len(), 10, "ten tries a second");
}

#[tokio::test(start_paused = true)]
async fn an_error_status_is_a_failure() {
    let sample = first_sample(Service::AnswersError).await;
    assert_eq!(
        (sample.status, &*sample.error),
        (Status::ErrorStatus, "status 500")
    );
    assert_eq!(sample.refused_body.as_deref(), Some("out of stock"));
    assert_eq!(sample.service_ns(), None);
    assert_eq!(
        (sample.reply_bytes, sample.replied_ns),
        (3, Some(sample.sent_ns))
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_consumer_ends_the_run() {
    let transport = Memory::new(Service::LosesItsConsumer);
    let samples = collect(plan(3, 3600), transport, Control::default()).await;
    assert_eq!(statuses(&samples), [Status::ConsumerFailure]);
    assert!(samples.len() <= 3, "{}", samples.len());
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_requests_in_flight() {
    let transport = Memory::new(Service::RepliesAfter(Duration::from_secs(2)));
    let control = Control::default();
    let stop = control.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
    });
    let samples = collect(plan(5, 3600), transport, control).await;
    assert_eq!(statuses(&samples), [Status::Ok]);
    assert_eq!(samples.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn aborting_records_what_is_in_flight_as_censored() {
    let transport = Memory::new(Service::Silent);
    let control = Control::default();
    let abort = control.abort.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        abort.cancel();
    });
    let samples = collect(plan(5, 3600), transport, control).await;
    assert_eq!(statuses(&samples), [Status::Censored]);
    assert_eq!(samples.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn warm_up_requests_are_flagged_by_their_send() {
    let mut plan = plan(1, 4);
    plan.warm_up = Duration::from_secs(2);
    let transport = Memory::new(Service::RepliesAfter(Duration::from_secs(1)));
    let samples = collect(plan, transport, Control::default()).await;
    let flags: Vec<_> = samples.iter().map(|sample| sample.warm_up).collect();
    assert_eq!(flags, [true, true, false, false]);
}

/// Runs a plan for a service that takes 100 ms. Returns the number of users, or requests in flight, at each of these
/// milliseconds. `steer` is called at second 2.
async fn active(plan: Plan, looks: &[u64], steer: impl FnOnce(&Control)) -> Vec<u32> {
    let control = Control::default();
    let (samples, _receiver) = Samples::channel();
    let start = tokio::time::Instant::now();
    let running = tokio::spawn({
        let control = control.clone();
        let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(100)));
        Engine::new(plan, scenario(), transport, samples, &control).run(by_timer)
    });
    let mut steer = Some(steer);
    let mut found = Vec::new();
    for look in looks {
        if *look > 2000
            && let Some(steer) = steer.take()
        {
            tokio::time::sleep_until(start + Duration::from_secs(2)).await;
            steer(&control);
        }
        tokio::time::sleep_until(start + Duration::from_millis(*look)).await;
        found.push(control.active());
    }
    control.stop.cancel();
    running.await.unwrap();
    found
}

/// Runs a plan for a service that takes 100 ms. Takes users away at the millisecond `at`. Wants them again `later`
/// milliseconds and `turns` turns of other tasks later. Returns when requests were sent.
async fn sent_while(plan: Plan, users: i32, at: u64, (later, turns): (u64, usize)) -> Vec<u64> {
    let control = Control::default();
    let steered = control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(at)).await;
        steered.add_users(-users);
        if later > 0 {
            tokio::time::sleep(Duration::from_millis(later)).await;
        }
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        steered.add_users(users);
    });
    let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(100)));
    sent(&collect(plan, transport, control).await)
}
