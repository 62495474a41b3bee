//! The closed loop: starts and ends users as they are wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};

use super::course::Course;
use super::engine::Engine;
use super::user::closed_loop;
use crate::load::shape::Target;
use crate::transport::Transport;

/// Users that run, by number.
struct Users {
    tasks: JoinSet<u32>,
    /// What wakes those that run from their pauses.
    running: Vec<Option<Arc<Notify>>>,
}

/// Lets users run until the run is over, and the last of them has ended.
pub(super) async fn drive<T: Transport>(engine: &Arc<Engine<T>>) {
    let mut users = Users {
        tasks: JoinSet::new(),
        running: Vec::new(),
    };
    let mut course = Course::new(&engine.plan);
    let mut changes = engine.control.changes();
    loop {
        let elapsed = engine.elapsed();
        let is_over = engine.plan.run_time.is_some_and(|end| end <= elapsed);
        if is_over || engine.control.stop.is_cancelled() {
            break;
        }
        if let Some(target) = course.follow(elapsed) {
            engine.control.follow(target);
        }
        if std::mem::replace(&mut changes, engine.control.changes()) != changes
            && let Some(Target::Users { users, spawn_rate }) = engine.control.target()
        {
            course.change(elapsed, users, spawn_rate);
        }
        let wanted = course.users(elapsed);
        if engine.control.allow(wanted) > wanted {
            users.dismiss_from(wanted);
        }
        users.start_missing(wanted, engine);
        let next = [course.next_change(elapsed), engine.plan.run_time];
        wait(engine, &mut users, next.into_iter().flatten().min()).await;
    }
    engine.sending_ended();
    engine.control.stop.cancel();
    while let Some(ended) = users.tasks.join_next().await {
        users.note(ended);
        engine.users_are(users.tasks.len());
    }
}

/// Waits for whatever changes the users that run, or are wanted.
async fn wait<T: Transport>(engine: &Arc<Engine<T>>, users: &mut Users, next: Option<Duration>) {
    let next = async {
        match next.and_then(|next| engine.start.checked_add(next)) {
            Some(next) => tokio::time::sleep_until(next.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = next => {}
        () = engine.control.stop.cancelled() => {}
        () = engine.control.changed() => {}
        Some(ended) = users.tasks.join_next() => {
            users.note(ended);
            engine.users_are(users.tasks.len());
        }
    }
}

impl Users {
    fn start_missing<T: Transport>(&mut self, wanted: u32, engine: &Arc<Engine<T>>) {
        let length = self.running.len().max(wanted as usize);
        self.running.resize(length, None);
        let slots = self.running.iter_mut().zip(0..wanted);
        for (running, user) in slots.filter(|(running, _)| running.is_none()) {
            let dismissed = Arc::new(Notify::new());
            *running = Some(Arc::clone(&dismissed));
            self.tasks
                .spawn(closed_loop(user, Arc::clone(engine), dismissed));
        }
        engine.users_are(self.tasks.len());
    }

    /// Wakes users that are not wanted any more: a long pause must not keep them.
    fn dismiss_from(&self, wanted: u32) {
        let surplus = self.running.iter().skip(wanted as usize);
        surplus
            .flatten()
            .for_each(|dismissed| dismissed.notify_one());
    }

    fn note(&mut self, ended: Result<u32, JoinError>) {
        match ended {
            Ok(user) => self.running[user as usize] = None,
            // A bug of ours: figures without that user's requests would mislead.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => {}
        }
    }
}
