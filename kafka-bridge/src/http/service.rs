//! The adapter: serves records with an HTTP service.
//!
//! It resolves the return address, makes the request, guards the call (timeout, panic, size of the answer) and makes
//! the reply. It produces nothing and knows no offsets: see `dispatch`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use metrics::Histogram;
use tower_service::Service;
use tracing::{error, info, warn};

use crate::dispatch::Answer;
use crate::http::call::{Broken, Guarded, guarded, panic_text};
use crate::http::deadline::{self, Allowance, Late};
use crate::http::problem::Problem;
use crate::http::{echo, request, response};
use crate::outcome::may_pass;
use crate::reply::address::{self, Address, ReplyPartition};
use crate::reply::refusal::Unserved;
use crate::settings::{Settings, WithoutReplyTo};
use crate::telemetry::labels::BridgeLabel;
use crate::telemetry::metric_names;
use crate::telemetry::trace_context::{self, BAGGAGE, TRACEPARENT};
use crate::{Body, Coordinates, Operation, Outcome, Record, ReplyPolicy, ReplyProfile, SkipReason};

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// Serves records with an HTTP service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct RecordService<S> {
    app: S,
    shared: Arc<Shared>,
}

/// An operation, and the histogram of the application's time for it.
#[derive(Debug)]
struct Served {
    operation: Operation,
    handler: OnceLock<Histogram>,
    /// The histograms of a pattern, by the topic that matches it.
    by_topic: Mutex<BTreeMap<Arc<str>, Histogram>>,
}

impl Served {
    fn new(operation: Operation) -> Self {
        Self {
            operation,
            handler: OnceLock::new(),
            by_topic: Mutex::default(),
        }
    }

    /// Records the application's time for one request. Each histogram is made at its first use, so that a recorder can
    /// be installed before.
    fn took(&self, label: &BridgeLabel, topic: &Arc<str>, time: Duration) {
        if self.operation.topic_pattern().is_none() {
            return self.handler(label).record(time);
        }
        let mut by_topic = self.by_topic.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = by_topic.entry(Arc::clone(topic)).or_insert_with(|| {
            let own = [("topic", Arc::clone(topic).into())];
            label.histogram(metric_names::HANDLER, own)
        });
        meter.record(time);
    }

    fn handler(&self, label: &BridgeLabel) -> &Histogram {
        self.handler.get_or_init(|| {
            let topic = self.operation.topic().to_owned();
            label.histogram(metric_names::HANDLER, [("topic", topic.into())])
        })
    }
}

#[derive(Debug)]
struct Shared {
    /// A map by order: there are few, and comparing finds them faster than hashing.
    operations: BTreeMap<Arc<str>, Served>,
    /// The operations of patterns, in the order in which they are tried.
    patterns: Vec<Served>,
    policy: ReplyPolicy,
    settings: Settings,
    label: BridgeLabel,
    /// Profiles that are not active. A record with such a profile's header may get no answer for that reason.
    unserved: Vec<ReplyProfile>,
}

impl<S> RecordService<S> {
    /// Wraps an application.
    pub(crate) fn new(
        app: S,
        operations: Vec<Operation>,
        policy: ReplyPolicy,
        settings: Settings,
    ) -> Self {
        let is_pattern = |own: &Operation| own.topic_pattern().is_some();
        let (patterns, topics): (Vec<_>, Vec<_>) = operations.into_iter().partition(is_pattern);
        let by_topic = |operation: Operation| (operation.topic().into(), Served::new(operation));
        let operations = topics.into_iter().map(by_topic).collect();
        let patterns = patterns.into_iter().map(Served::new).collect();
        let is_unserved = |other: &ReplyProfile| {
            let mut served = settings.profiles.iter();
            !served.any(|own| own.reply_topic.eq_ignore_ascii_case(&other.reply_topic))
        };
        let unserved = ReplyProfile::all().into_iter().filter(is_unserved);
        Self {
            app,
            shared: Arc::new(Shared {
                unserved: unserved.collect(),
                operations,
                patterns,
                policy,
                label: BridgeLabel::of(&settings),
                settings,
            }),
        }
    }
}

impl<S, B> Answer for RecordService<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Treats a panic as ready: the request then meets it inside its own barrier.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let ready = catch_unwind(AssertUnwindSafe(|| self.app.poll_ready(context)));
        ready.map_or(Poll::Ready(()), |ready| ready.map(|Ok(())| ()))
    }

    // One function body, with steps that do not wait: each further async function would reserve space for the record,
    // and a job is moved.
    async fn answer(self, record: Record) -> Outcome {
        let Self { app, shared } = self;
        let Some(served) = shared.served(record.topic()) else {
            return Outcome::Skip(SkipReason::NoOperation);
        };
        let address = match shared.address(&record, &served.operation) {
            Ok(address) => address,
            Err(reason) => return Outcome::Skip(reason),
        };
        let key = record.key.clone().filter(|_| shared.settings.reply_key);
        let requested = shared.requested(&record);
        let allowance = shared.allowance(&record, &served.operation);
        let request = request::from_record(
            record,
            &served.operation,
            &shared.settings.limits,
            &shared.settings.request_headers,
        );
        let answer = match request {
            Ok(_) if allowance.is_over() => Err(shared.late(&requested.coordinates, "before")),
            Ok(mut request) => {
                request::set_host(&mut request, &shared.settings.host);
                let started = Instant::now();
                let max = shared.settings.limits.max_reply_bytes;
                let answer = guarded(app, request, allowance, max).await;
                let topic = &requested.coordinates.topic_partition.topic;
                served.took(&shared.label, topic, started.elapsed());
                shared.told(answer, &requested.coordinates, allowance)
            }
            Err(problem) => Err(problem),
        };
        let problem = answer.as_ref().err();
        let is_late = problem.is_some_and(|problem| problem.is_late);
        let answered = problem.and_then(|problem| problem.answered);
        match address {
            None if is_late => Outcome::Skip(SkipReason::DeadlinePassed),
            address => {
                let mut outcome =
                    shared.outcome(requested.response(answer), answered, address, key);
                if let Outcome::Reply { failed, .. } = &mut outcome {
                    *failed &= !is_late;
                }
                outcome
            }
        }
    }
}

/// The data of a record that its answer needs.
struct Requested {
    coordinates: Coordinates,
    lines: Option<echo::Lines>,
    trace: Option<String>,
    baggage: Vec<HeaderValue>,
}

impl Requested {
    /// Always answers: an error becomes a problem, which is echoed like any answer.
    fn response(self, answer: Result<Response<Bytes>, Problem>) -> Response<Bytes> {
        let lines = self.lines;
        let mut response = answer.unwrap_or_else(|problem| {
            let mut response = problem.into_response();
            echo::set(&mut response, lines.unwrap_or_default().wanted());
            response
        });
        // Headers that the application has set stay.
        let headers = response.headers_mut();
        if !headers.contains_key(BAGGAGE) {
            for value in self.baggage {
                let _ = headers.try_append(BAGGAGE, value);
            }
        }
        let trace = self.trace;
        if let Some(trace) = trace.and_then(|trace| HeaderValue::try_from(trace).ok())
            && !headers.contains_key(TRACEPARENT)
        {
            let _ = headers.try_insert(TRACEPARENT, trace);
        }
        response
    }
}

fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

impl Shared {
    /// Returns the operation of a topic; `None` for topics that match no pattern or are for replies.
    fn served(&self, topic: &str) -> Option<&Served> {
        self.operations.get(topic).or_else(|| {
            let pattern = |own: &&Served| {
                own.operation
                    .topic_pattern()
                    .is_some_and(|own| own.is_match(topic))
            };
            let served = self.patterns.iter().find(pattern)?;
            self.policy.is_consumed(topic).then_some(served)
        })
    }

    /// Returns where the answer goes; `None` if nobody wants it but the application is called.
    fn address(
        &self,
        record: &Record,
        operation: &Operation,
    ) -> Result<Option<Address<'_>>, SkipReason> {
        let address = address::resolve(&record.headers, &self.policy, &self.settings.profiles)
            .map_err(SkipReason::AddressDenied)?;
        let address = address.or_else(|| {
            let topic = operation.default_reply_topic()?;
            address::default(&record.headers, topic, &self.settings.profiles)
        });
        if address.is_none() && self.settings.without_reply_to == WithoutReplyTo::Skip {
            let other = Unserved::find(&record.headers, &self.unserved);
            return Err(SkipReason::NoReplyTo(other));
        }
        if address
            .as_ref()
            .is_some_and(|own| own.partition == ReplyPartition::Unreadable)
        {
            warn!(record = %record.coordinates, "reply partition is unreadable, using any partition");
            let own = [("reason", "unreadable".into())];
            self.label.count(metric_names::IGNORED_PARTITIONS, own);
        }
        Ok(address)
    }

    /// Returns how long the application may take: the limit of the operation or the bridge, and the rest of the
    /// requester's time.
    fn allowance(&self, record: &Record, operation: &Operation) -> Allowance {
        let limit = operation
            .time_limit()
            .unwrap_or(self.settings.request_timeout);
        let header = self.settings.deadline_header.as_ref();
        let given = header.and_then(|name| deadline::given(&record.headers, name));
        // A negative timestamp means that there is none.
        let written = record.timestamp.filter(|written| *written >= 0);
        let left = given
            .zip(written)
            .map(|(given, written)| deadline::left(given, written, unix_millis()));
        Allowance { limit, left }
    }

    fn requested(&self, record: &Record) -> Requested {
        let echo_header = self.settings.echo_header.as_ref();
        Requested {
            coordinates: record.coordinates.clone(),
            lines: echo_header.map(|name| echo::Lines::of(&record.headers, name)),
            trace: trace_context::of(&record.headers).map(str::to_owned),
            baggage: trace_context::baggage(&record.headers),
        }
    }

    /// Counts and reports a deadline that has passed `before` or `during` the request.
    fn late(&self, at: &Coordinates, when: &'static str) -> Problem {
        let topic = Arc::clone(&at.topic_partition.topic).into();
        let own = [("topic", topic), ("when", when.into())];
        self.label.count(metric_names::DEADLINES, own);
        info!(record = %at, when, "the requester's deadline has passed");
        Problem::late(match when {
            "before" => "the request's deadline passed before the handler was called",
            _ => "the handler did not answer before the request's deadline",
        })
    }

    /// Converts the application's answer, or its failure, to the requester's answer.
    fn told(
        &self,
        answer: Guarded,
        at: &Coordinates,
        allowance: Allowance,
    ) -> Result<Response<Bytes>, Problem> {
        match answer {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(Broken::TooLarge(status)))) => {
                let limit = self.settings.limits.max_reply_bytes;
                error!(record = %at, %status, limit, "response body is too large");
                let detail = format!("the response is larger than {limit} bytes");
                let mut problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail);
                problem.answered = Some(status);
                Err(problem)
            }
            Ok(Ok(Err(Broken::Body(body)))) => {
                error!(record = %at, error = %body, "response body failed");
                Err(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the response body is incomplete",
                ))
            }
            Err(panic) => {
                error!(record = %at, panic = panic_text(&*panic), "handler panicked");
                Err(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the handler failed",
                ))
            }
            Ok(Err(Late::Deadline)) => Err(self.late(at, "during")),
            Ok(Err(Late::Limit)) => {
                let limit = allowance.limit;
                warn!(record = %at, timeout = ?limit, "handler timed out");
                let detail = format!("the handler did not answer within {limit:?}");
                Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, detail))
            }
        }
    }

    /// Makes the outcome. `answered` is the application's own status if the response has a different one.
    fn outcome(
        &self,
        response: Response<Bytes>,
        answered: Option<StatusCode>,
        address: Option<Address<'_>>,
        key: Option<Bytes>,
    ) -> Outcome {
        let told = response.status();
        let status = answered.unwrap_or(told);
        match address {
            Some(address) => {
                let profiles = &self.settings.profiles;
                Outcome::Reply {
                    record: response::into_reply(response, address, key, profiles),
                    status: told,
                    failed: may_pass(status),
                }
            }
            None if status.is_success() => Outcome::Skip(SkipReason::ReplyDropped),
            None => Outcome::Skip(SkipReason::FailedUnanswered(status)),
        }
    }
}
