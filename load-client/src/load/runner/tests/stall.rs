//! A server that stalls for a second, under both load models: what a closed loop does not see. The
//! expected figures are of a simulation of this server that was made apart from this code.

use hdrhistogram::Histogram;

use super::*;

/// Serves one request after the other, each in 1 ms, and stands still from second 10 to second 11.
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

/// Microseconds in ascending order, and their nearest-rank percentiles.
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
    // The client was not what was late.
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
    // The request behind the stalled one waited for its reply; the 98 that were left out show nowhere.
    assert_eq!((response.0.len(), service.at(0.999)), (1901, 1000));
    assert_eq!((service.0[1899], response.0[1899]), (1000, 992_000));
    assert_eq!((service.at(1.0), response.at(1.0)), (1_001_000, 1_001_000));
    assert_eq!(control.lag().unwrap().max_ms.round(), 991.0);

    // HdrHistogram's correction estimates what the open loop measured; it counts in bins of 4 µs here.
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
    // What is due is tried for so long after the run time.
    open.timeout = Duration::from_secs(1);
    for (plan, expected) in [(plan(2, 1), 2), (open, 1)] {
        let (samples, receiver) = Samples::channel();
        let mut waiting = 0;
        while samples.has_room() {
            assert!(samples.send(Sample::test(0, 1, Outcome::Ok)));
            waiting += 1;
        }
        let control = Control::default();
        let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(1)));
        run_paced_by(Pacer::Timer, plan, scenario(), transport, samples, &control).await;
        assert_eq!(control.held_back_by_recorder(), expected);
        assert_eq!(receiver.take().len(), waiting, "nothing was sent");
    }
}
