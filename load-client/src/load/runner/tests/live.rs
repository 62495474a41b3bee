//! Runs that are steered while they go on.

use super::*;

/// Runs a plan for a service that takes 100 ms; answers how many users, or requests in flight, there were
/// at each of these milliseconds. `steer` is called at second 2.
async fn active(plan: Plan, looks: &[u64], steer: impl FnOnce(&Control)) -> Vec<u32> {
    let control = Control::default();
    let (samples, _receiver) = Samples::channel();
    let start = tokio::time::Instant::now();
    let running = tokio::spawn({
        let control = control.clone();
        let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(100)));
        let pacer = Pacer::Timer;
        async move { run_paced_by(pacer, plan, scenario(), transport, samples, &control).await }
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
    let control = Control::default();
    let steered = control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        steered.set_target(0, 1000.0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        steered.set_target(2, 100.0);
    });
    let transport = Memory::new(Service::RepliesAfter(Duration::from_millis(100)));
    let samples = collect(plan(2, 3), transport, control).await;
    let in_second = |second| {
        let sent = samples.iter().map(|sample| sample.sent_ns / 1_000_000_000);
        sent.filter(|sent| *sent == second).count()
    };
    // Those of 1.000 s were sent before the users were taken away, or in that instant.
    assert!(in_second(1) <= 2, "{}", in_second(1));
    assert_eq!(in_second(2), 20);
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
    plan.stages = vec![stage(4, 4, true), stage(4, 2, false), stage(4, 6, false)];
    let looks = [500, 1500, 3500, 4150, 7900, 8150];
    let found = active(plan, &looks, |_| {}).await;
    assert_eq!(found, [1, 2, 4, 2, 2, 6]);
}
