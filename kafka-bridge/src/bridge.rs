//! A bridge that was built (`builder`), and its run.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::IntoFuture;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::watch;
use tower_service::Service;

use crate::dispatch::{Engine, JobFactory, Pools, StatusSender};
use crate::http::service::RecordService;
use crate::ports::{RecordSource, ReplySink};
use crate::settings::Handling;
use crate::{Body, Builder, Error, Settings, Status, Summary};

/// A bridge, ready to be run by awaiting it or by [`Bridge::with_graceful_shutdown`].
#[must_use = "a bridge serves nothing until it is awaited"]
#[derive(Debug)]
pub struct Bridge<A, Source, Sink> {
    service: RecordService<A>,
    source: Source,
    sink: Sink,
    settings: Settings,
    handling: Vec<Handling>,
    status: StatusSender,
}

impl Bridge<(), (), ()> {
    /// Begins to build a bridge to an application, say an axum `Router`.
    ///
    /// While the application's `poll_ready` is pending, no record is taken but the one that waits for it. A `Router` is
    /// always ready, whatever its own layers do: a limit that is to hold records back goes around it, such as
    /// `tower::limit::GlobalConcurrencyLimitLayer::new(64).layer(router)`. The value that was ready serves the record, so
    /// its clones must not share a permit, which is tower's rule. [`Status::unready`] tells for how long a record waits.
    pub fn builder<A>(app: A) -> Builder<A> {
        Builder::new(app)
    }
}

impl<A, Source, Sink> Bridge<A, Source, Sink> {
    pub(crate) fn new(
        service: RecordService<A>,
        (source, sink): (Source, Sink),
        settings: Settings,
        handling: Vec<Handling>,
        status: Status,
    ) -> Self {
        Self {
            service,
            source,
            sink,
            settings,
            handling,
            status: watch::Sender::new(status),
        }
    }

    /// Returns a view of the bridge's health that outlives it.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }
}

impl<A, B, Source, Sink> Bridge<A, Source, Sink>
where
    A: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    A::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    Source: RecordSource,
    Sink: ReplySink,
{
    /// Runs until the signal resolves, then stops: takes no further record, waits for those in
    /// flight (no longer than the drain time-out), commits, and leaves the group.
    ///
    /// # Errors
    ///
    /// Fails when the source or the sink failed for good, never because of a record.
    pub async fn with_graceful_shutdown(
        self,
        signal: impl Future<Output = ()> + Send,
    ) -> Result<Summary, Error> {
        let mut jobs = JobFactory::new(self.sink, &self.settings);
        let shared = jobs.shared();
        let make_job = |record, arrived, service| jobs.job(record, arrived, service);
        let pools = Pools::new(&self.settings, self.handling);
        let jobs = (self.service, make_job);
        Engine::new(self.source, jobs, shared, self.settings, pools, self.status)
            .run(signal)
            .await
    }
}

impl<A, B, Source, Sink> IntoFuture for Bridge<A, Source, Sink>
where
    A: Service<Request<Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    A::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    Source: RecordSource + 'static,
    Sink: ReplySink,
{
    type Output = Result<Summary, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Runs until the source is exhausted or fails, which over Kafka means: for ever.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.with_graceful_shutdown(std::future::pending()))
    }
}
