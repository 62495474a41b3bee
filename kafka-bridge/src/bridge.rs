//! Defines [`Bridge`], which `builder` creates, and runs it.

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

/// Serves an application from Kafka. Await it, or call [`Bridge::with_graceful_shutdown`].
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
    /// Starts to build a bridge to an application, for example an axum `Router`.
    ///
    /// The bridge calls the application's `poll_ready` for each record. While it is pending, the bridge takes no
    /// further record. A `Router` is always ready, whatever its own layers do. To hold records back, put a limit around
    /// the `Router`, for example `tower::limit::GlobalConcurrencyLimitLayer::new(64).layer(router)`. The value that was
    /// ready serves the record, so by tower's rule its clones must not share a permit. [`Status::unready`] says since
    /// when a record has been waiting.
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

    /// Returns a receiver of the bridge's status. It stays valid after the bridge has ended.
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
    /// Runs until `signal` resolves, then stops. A stop takes no further record, waits for records in flight up to the
    /// drain timeout, commits, and leaves the consumer group.
    ///
    /// # Errors
    ///
    /// Returns an error when the source or the sink has failed permanently. A bad record never causes an error.
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

    /// Runs until the source is exhausted or fails. A Kafka source is never exhausted.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.with_graceful_shutdown(std::future::pending()))
    }
}
