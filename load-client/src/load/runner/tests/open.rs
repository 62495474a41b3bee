//! Open loops, runs that are steered while they go on, and a server that stalls for a second under both models.

use hdrhistogram::Histogram;

use crate::load::runner::tests::*;

fn bounded(rate: f64, seconds: u64, max: usize) -> Plan {
    let mut plan = open_plan(rate, seconds);
    if let Model::Open(open) = &mut plan.model {
        open.max_in_flight = max;
    }
    plan
}

#[tokio::test(start_paused = true)]
async fn requests_go_by_the_schedule_whatever_the_replies_do() {
    let slow = Memory::new(Service::RepliesAfter(Duration::from_secs(7)));
    let control = Control::default();
    let samples = collect(open_plan(4.0, 2), slow, control.clone()).await;
    assert_eq!(sent(&samples), [0, 250, 500, 750, 1000, 1250, 1500, 1750]);
    assert_eq!(statuses(&samples), [Status::Ok]);
    let responses = samples.iter().map(Sample::response_ns);
    assert!(responses.eq([Some(7_000_000_000); 8]));
    assert!(samples.iter().all(|one| one.reply_bytes == 2));
    assert_eq!(samples[7].user, 7);
    let lag = control.lag().unwrap();
    assert_eq!((lag.requests, lag.max_ms, lag.warning()), (8, 0.0, None));
    assert_eq!(control.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_over_the_bound_are_sent_late_with_a_warning() {
    let slow = || Memory::new(Service::RepliesAfter(Duration::from_millis(200)));
    let control = Control::default();
    let log = tempfile::NamedTempFile::new().unwrap();
    let logged = tracing_subscriber::fmt().with_writer(Mutex::new(log.reopen().unwrap()));
    let _guard = tracing::subscriber::set_default(logged.finish());
    // The thread of another test may have reached this warning first, and cached that nobody listens.
    collect(bounded(10.0, 1, 1), slow(), Control::default().part()).await;
    tracing::callsite::rebuild_interest_cache();
    let told = || std::fs::read_to_string(log.path()).unwrap();
    let before = told().len();
    let samples = collect(bounded(10.0, 1, 1), slow(), control.part()).await;
    assert_eq!(samples.len(), 10);
    let lag = control.lag().unwrap();
    assert_eq!((lag.requests, lag.held_back, lag.unsent), (10, 9, 0));
    // Each request takes 200 ms, so each is 100 ms later than the one before. Tokio's timer has a resolution of 1 ms.
    assert!((900.0..950.0).contains(&lag.max_ms), "{lag:?}");
    let service = samples.iter().filter_map(Sample::service_ns).max();
    let response = samples.iter().filter_map(Sample::response_ns).max();
    assert!(service.unwrap() < 205_000_000);
    assert!(
        response.unwrap() > 1_090_000_000,
        "waiting to be sent counts"
    );
    let own = control.own_lag().unwrap();
    assert_eq!(
        (own.count, own.max_ms),
        (1, 0.0),
        "the first waited for none"
    );
    let warning = lag.warning().unwrap();
    assert!(
        warning.starts_with("9 request(s) were held back"),
        "{warning}"
    );
    // A second load has its own warning.
    collect(bounded(10.0, 1, 1), slow(), control.part()).await;
    assert_eq!(told()[before..].matches("WARN").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn due_requests_that_are_never_sent_are_counted() {
    let control = Control::default();
    let stop = control.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1950)).await;
        stop.cancel();
    });
    let transport = Memory::new(Service::Silent);
    let samples = collect(bounded(10.0, 100, 5), transport, control.clone()).await;
    assert_eq!(samples.len(), 5);
    assert_eq!(statuses(&samples), [Status::Timeout]);
    let lag = control.lag().unwrap();
    assert_eq!((lag.held_back, lag.unsent), (1, 15));
}

#[tokio::test(start_paused = true)]
async fn time_outs_need_no_reply_and_no_further_request() {
    let mut plan = open_plan(2.0, 1);
    plan.timeout = Duration::from_secs(3);
    let samples = collect(plan, Memory::new(Service::Silent), Control::default()).await;
    assert_eq!(statuses(&samples), [Status::Timeout]);
    assert_eq!(sent(&samples), [0, 500]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_consumer_ends_an_open_loop() {
    let transport = Memory::new(Service::RepliesAfter(Duration::from_secs(10)));
    let pending = transport.pending.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        pending.close("fenced");
    });
    let samples = collect(open_plan(1.0, 3600), transport, Control::default()).await;
    assert_eq!(statuses(&samples), [Status::ConsumerFailure]);
    assert!(samples.len() <= 6, "{}", samples.len());
}

#[tokio::test(start_paused = true)]
async fn send_errors_do_not_slow_an_open_loop() {
    let transport = Memory::new(Service::Refuses);
    let samples = collect(open_plan(100.0, 2), transport, Control::default()).await;
    assert_eq!(samples.len(), 200);
    assert_eq!(statuses(&samples), [Status::SendError]);
}

#[tokio::test(start_paused = true)]
async fn aborting_an_open_loop_censors_what_is_in_flight() {
    let control = Control::default();
    let abort = control.abort.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(950)).await;
        abort.cancel();
    });
    let transport = Memory::new(Service::Silent);
    let samples = collect(open_plan(10.0, 3600), transport, control).await;
    assert_eq!(samples.len(), 10);
    assert_eq!(statuses(&samples), [Status::Censored]);
}

#[tokio::test(start_paused = true)]
async fn the_warm_up_is_flagged_by_what_was_intended() {
    let mut plan = open_plan(1.0, 4);
    plan.warm_up = Duration::from_secs(2);
    let control = Control::default();
    let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(1)));
    let samples = collect(plan, transport, control.clone()).await;
    let flags: Vec<_> = samples.iter().map(|sample| sample.warm_up).collect();
    assert_eq!(flags, [true, true, false, false]);
    assert_eq!(control.lag().unwrap().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn stages_of_rates_follow_each_other() {
    let stage = |rate, ramp| Stage {
        name: String::new(),
        duration: Duration::from_secs(2),
        target: Target::Rate(rate),
        ramp,
    };
    let mut plan = open_plan(0.0, 6);
    plan.stages = vec![stage(2.0, true), stage(1.0, false), stage(2.0, true)];
    let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(1)));
    let samples = collect(plan, transport, Control::default()).await;
    // The first ramp's integral is t²/2, so requests are due at 0 and √2 s. Tokio's timer wakes on whole milliseconds.
    // The second ramp's integral is t + t²/4.
    let expected = [0, 1415, 2000, 3000, 4000, 4829, 5465];
    assert_eq!(sent(&samples), expected);
}

/// The pacer's thread runs on real time, so the test checks which requests it sends, but not when.
#[tokio::test]
async fn the_thread_sends_the_same_schedule() {
    let (samples, receiver) = Samples::channel();
    let control = Control::default();
    let transport = Memory::new(Service::RepliesBeforeSendReturns);
    let mut plan = open_plan(1000.0, 1);
    plan.run_time = Some(Duration::from_millis(200));
    run(plan, scenario(), transport, samples, &control).await;
    let samples = receiver.take();
    let intended = samples.iter().map(|sample| sample.intended_ns);
    assert!(intended.eq((0..200).map(|index| index * 1_000_000)));
    assert!(samples.iter().all(|one| one.sent_ns >= one.intended_ns));
}

// A server that stalls for a second, under both load models, shows what a closed loop does not see. The expected
// figures come from a separate simulation of this server.

/// Serves one request after the other, each in 1 ms, and stalls from second 10 to second 11.
struct Stalling {
    pending: Pending,
    start: Instant,
    free: Mutex<Instant>,
}

impl Stalling {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            pending: Pending::default(),
            start: now(),
            free: Mutex::new(now()),
        })
    }
}

impl Transport for Stalling {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn send(&self, request: &Request) {
        let (id, pending) = (request.id, self.pending.clone());
        let mut free = self.free.lock().unwrap();
        let mut begin = now().max(*free);
        let second = |second| self.start + Duration::from_secs(second);
        if (second(10)..second(11)).contains(&begin) {
            begin = second(11);
        }
        *free = begin + Duration::from_millis(1);
        let end = *free;
        tokio::spawn(async move {
            tokio::time::sleep_until(end.into()).await;
            pending.complete(&id, answered(end));
        });
    }
}

/// Latencies in microseconds, ascending, with nearest-rank percentiles.
struct Latencies(Vec<u64>);

impl Latencies {
    fn of(samples: &[Sample], latency: impl Fn(&Sample) -> Option<u64>) -> Self {
        let mut all: Vec<_> = samples
            .iter()
            .map(|sample| latency(sample).unwrap() / 1000)
            .collect();
        all.sort_unstable();
        Self(all)
    }

    fn at(&self, quantile: f64) -> u64 {
        let rank = (quantile * self.0.len() as f64).ceil() as usize;
        self.0[rank.max(1) - 1]
    }

    fn mean(&self) -> u64 {
        self.0.iter().sum::<u64>() / self.0.len() as u64
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_loop_sees_the_stall() {
    let control = Control::default();
    let samples = collect(open_plan(100.0, 20), Stalling::new(), control.clone()).await;
    let response = Latencies::of(&samples, Sample::response_ns);
    assert_eq!(response.0.len(), 2000);
    assert_eq!(response.mean(), 29_028);
    assert_eq!(
        [0.5, 0.95, 0.99, 0.999, 1.0].map(|q| response.at(q)),
        [1000, 101_000, 821_000, 983_000, 1_001_000]
    );
    let slow = response.0.iter().filter(|latency| **latency > 1000);
    assert_eq!(slow.count(), 112);
    // The client itself was not late.
    assert_eq!(control.lag().unwrap().max_ms, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_does_not() {
    let mut plan = plan(1, 20);
    plan.model = Model::Closed(Pause::Pace(Duration::from_millis(10)));
    let control = Control::default();
    let samples = collect(plan, Stalling::new(), control.clone()).await;
    let response = Latencies::of(&samples, Sample::response_ns);
    let service = Latencies::of(&samples, Sample::service_ns);
    // The request behind the stalled one waited for its reply. The 98 requests that were left out appear nowhere.
    assert_eq!((response.0.len(), service.at(0.999)), (1901, 1000));
    assert_eq!((service.0[1899], response.0[1899]), (1000, 992_000));
    assert_eq!((service.at(1.0), response.at(1.0)), (1_001_000, 1_001_000));
    assert_eq!(control.lag().unwrap().max_ms.round(), 991.0);

    // HdrHistogram's correction estimates what the open loop measured. It counts in bins of 4 µs here.
    let mut corrected = Histogram::<u64>::new(5).unwrap();
    for latency in &service.0 {
        corrected.record_correct(*latency, 10_000).unwrap();
    }
    assert_eq!(corrected.len(), 2000);
    let p99 = corrected.value_at_quantile(0.99);
    assert!(p99.abs_diff(801_000) < 10, "{p99}");
    assert!(
        (corrected.mean() - 26_250.0).abs() < 1.0,
        "{}",
        corrected.mean()
    );
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_stands_still_holds_requests_back_and_is_counted() {
    let mut open = open_plan(10.0, 1);
    // Due requests are tried for this long after the run time.
    open.timeout = Duration::from_secs(1);
    for (plan, expected) in [(plan(2, 1), 2), (open, 1)] {
        let (samples, receiver) = Samples::channel();
        let mut waiting = 0;
        while samples.has_room() {
            assert!(samples.send(Sample::test(0, 1, Status::Ok)));
            waiting += 1;
        }
        let control = Control::default();
        let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(1)));
        let engine = Engine::new(plan, scenario(), transport, samples, &control);
        engine.run(by_timer).await;
        assert_eq!(control.held_back_by_recorder(), expected);
        assert_eq!(receiver.take().len(), waiting, "nothing was sent");
    }
}

// Runs that are steered while they go on.

#[tokio::test(start_paused = true)]
async fn users_are_added_at_the_spawn_rate_and_end_after_their_request() {
    let mut plan = plan(4, 60);
    plan.spawn_rate = 100.0;
    let looks = [1000, 2005, 2050, 3000];
    let found = active(plan.clone(), &looks, |control| control.add_users(3)).await;
    assert_eq!(found, [4, 5, 7, 7]);
    let found = active(plan.clone(), &[1000, 2150], |control| control.add_users(-3)).await;
    assert_eq!(found, [4, 1]);
    let found = active(plan, &[1000, 3050], |control| control.set_target(8, 2.0)).await;
    assert_eq!(found, [4, 7]);
}

#[tokio::test(start_paused = true)]
async fn users_that_think_end_at_once_when_they_are_not_wanted() {
    let mut plan = plan(4, 60);
    plan.spawn_rate = 100.0;
    plan.model = Model::Closed(Pause::Think {
        least: Duration::from_secs(30),
        most: Duration::from_secs(30),
        seed: 1,
    });
    let found = active(plan, &[1000, 2150], |control| control.add_users(-3)).await;
    assert_eq!(found, [4, 1]);
}

#[tokio::test(start_paused = true)]
async fn users_come_back_after_there_were_none() {
    let sent = sent_while(plan(2, 3), 2, 1000, (1000, 0)).await;
    let in_second = |second| sent.iter().filter(|sent| *sent / 1000 == second).count();
    // The requests of 1.000 s were sent before the users were taken away, or at that moment.
    assert!(in_second(1) <= 2, "{}", in_second(1));
    assert_eq!(in_second(2), 20);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_wanted_again_before_it_has_ended_goes_on_with_its_pauses() {
    let second = Duration::from_secs(1);
    let (least, most, seed) = (second, second, 1);
    for (pause, expected) in [
        (Pause::Pace(second), [0, 1000, 2000, 3000]),
        (Pause::Think { least, most, seed }, [0, 1100, 2200, 3300]),
    ] {
        let mut plan = plan(1, 4);
        plan.model = Model::Closed(pause);
        // The second request is in flight.
        let sent = sent_while(plan.clone(), 1, expected[1] + 50, (20, 0)).await;
        assert_eq!(sent, expected);
        // The user is in a pause. If it has already left the pause, it starts anew.
        for turns in 0..10 {
            let sent = sent_while(plan.clone(), 1, 500, (0, turns)).await;
            assert!(sent.len() >= 4, "{turns}: {sent:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_an_open_loop_changes_at_once() {
    // Little's law: 100 ms at 50 a second are 5 in flight.
    let plan = open_plan(50.0, 60);
    let looks = [1995, 2995];
    let found = active(plan.clone(), &looks, |control| control.set_rate(200.0)).await;
    assert_eq!(found, [5, 20]);
    let found = active(plan, &looks, |control| control.add_users(-50)).await;
    assert_eq!(found, [5, 0]);
}

#[tokio::test(start_paused = true)]
async fn stages_of_users_follow_each_other() {
    let stage = |seconds, users, ramp| Stage {
        name: String::new(),
        duration: Duration::from_secs(seconds),
        target: Target::Users {
            users,
            spawn_rate: 100.0,
        },
        ramp,
    };
    let mut plan = plan(0, 60);
    plan.stages = vec![
        stage(4, 4, true),
        stage(4, 2, false),
        stage(4, 6, false),
        stage(4, 2, true),
    ];
    let looks = [500, 1500, 3500, 4150, 7900, 8150, 12_500, 15_500];
    let found = active(plan, &looks, |_| {}).await;
    assert_eq!(found, [1, 2, 4, 2, 2, 6, 5, 2]);
}
