//! The bridge in the test's process, as a member of a group, with a handler from the test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use harness::stack::Stack;
use kafka_bridge::{Bridge, Dispatch, EchoSetHeaderLayer, Error, Operation, Status, Summary};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::LIMIT;

/// How often the handlers of all members began each request. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Handled(Arc<Mutex<BTreeMap<String, u32>>>);

impl Handled {
    pub(crate) fn note(&self, id: &str) {
        *self.0.lock().unwrap().entry(id.to_owned()).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap().clone()
    }
}

/// The beginning of a request's body that makes its handler block the thread.
pub(crate) const BLOCK: &str = "block ";

/// An application that takes the number of milliseconds in a request's body.
pub(crate) fn app(handled: &Handled) -> Router {
    let handle = |State(handled): State<Handled>, headers: HeaderMap, body: String| async move {
        let wish = headers.get("x-reply-set-header").unwrap();
        handled.note(wish.to_str().unwrap());
        let time = |milliseconds: &str| Duration::from_millis(milliseconds.parse().unwrap());
        match body.strip_prefix(BLOCK) {
            Some(milliseconds) => std::thread::sleep(time(milliseconds)),
            None => tokio::time::sleep(time(&body)).await,
        }
        body
    };
    Router::new()
        .route("/orders", post(handle))
        .layer(EchoSetHeaderLayer::default())
        .with_state(handled.clone())
}

/// A bridge that runs as a task.
pub(crate) struct Member {
    stop: CancellationToken,
    running: JoinHandle<Result<Summary, Error>>,
}

impl Member {
    /// Joins the group, and waits for an assignment. The topic is the group's name, a dash and `createOrder`.
    pub(crate) async fn join(
        stack: &Stack,
        group: &str,
        app: Router,
        dispatch: Dispatch,
        properties: &[(&str, &str)],
    ) -> Self {
        let operation = Operation::post(&format!("{group}-createOrder"), "/orders").unwrap();
        let builder = Bridge::builder(app)
            .operation(operation)
            .dispatch(dispatch)
            // The most that a poll interval of 6 s allows.
            .drain_timeout(Duration::from_secs(1));
        let builder = stack
            .client_properties()
            .into_iter()
            .fold(builder, |builder, (name, value)| {
                builder.property(name, value)
            });
        let builder = properties.iter().fold(builder, |builder, (name, value)| {
            builder.property(*name, *value)
        });
        let bridge = builder.connect(stack.kafka_url(), group).unwrap();
        let mut status = bridge.status();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let running = tokio::spawn(bridge.with_graceful_shutdown(stopped));
        let ready = timeout(LIMIT, status.wait_for(|Status { ready, .. }| *ready)).await;
        ready.expect("an assignment within the limit").unwrap();
        Self { stop, running }
    }

    /// Ends it at once, without finishing or committing anything.
    pub(crate) async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }

    /// Stops it gracefully.
    pub(crate) async fn leave(self) -> Summary {
        self.stop.cancel();
        let ended = timeout(LIMIT, self.running).await;
        ended.expect("the end within the limit").unwrap().unwrap()
    }
}
