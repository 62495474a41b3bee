//! Tokens of SASL/OAUTHBEARER: asked for on a thread of their own, so that no wait for one holds up records.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::client::OAuthToken;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use crate::Error;
use crate::health::obstacles::{Blocked, Obstacles};

type BoxError = Box<dyn StdError + Send + Sync>;

/// How soon a source that has failed is asked again. Below the 10 s after which librdkafka asks for a token again.
const RETRY_WAIT: Duration = Duration::from_secs(5);
/// How soon a source is asked again whose tokens live no longer than that.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How long the clients wait for the source's first answer before they tell that there is none.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// What longer lifetimes are cut to: librdkafka reckons in microseconds.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A bearer token, and until when it is good. `Debug` shows the end and not the token.
#[derive(Clone)]
pub struct Token {
    value: String,
    expires: SystemTime,
}

impl Token {
    /// Makes a token of its text, as it goes to the broker, and the time at which it expires.
    pub fn new(value: impl Into<String>, expires: SystemTime) -> Self {
        let value = value.into();
        Self { value, expires }
    }

    fn left(&self) -> Duration {
        let left = self.expires.duration_since(SystemTime::now());
        left.unwrap_or_default().min(LONGEST_LIFE)
    }

    /// Refuses what librdkafka would refuse in words that repeat the token.
    fn checked(self) -> Result<Self, String> {
        if self.value.is_empty() || !self.value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "the token is empty, or has characters other than visible ASCII".to_owned(),
            );
        }
        if self.left().is_zero() {
            return Err("the token has expired already".to_owned());
        }
        Ok(self)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Where the tokens of SASL/OAUTHBEARER come from (KIP-255, RFC 7628); given by [`crate::Builder::token_source`].
///
/// The bridge asks on a thread of its own, `kafka-token`, which it starts when it is built. The call may block: no
/// record waits for it. An async client of a token service is called through
/// [`tokio::runtime::Handle::block_on`]. The consumer and the producers share each token.
///
/// The bridge asks when it is built, and again after three quarters of a token's lifetime, before the clients need
/// the next one. A source that fails is asked again after 5 s; until then the clients go on with the token that they
/// have, as long as it is good. The failure is logged. Without a good token it is an obstacle,
/// [`crate::Blocked::Login`], too, and so is a call that takes longer than the clients can wait. No call is cut short:
/// give it a time-out of its own. When the bridge has ended, the source is asked no more and dropped.
///
/// # Errors
///
/// The error is told in logs and in [`crate::Status::obstacles`]: it should not hold what is secret.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kafka_bridge::kafka::{Token, TokenSource};
///
/// /// Reads the token that a sidecar renews each quarter of an hour.
/// struct Mounted;
///
/// impl TokenSource for Mounted {
///     fn token(&self) -> Result<Token, Box<dyn std::error::Error + Send + Sync>> {
///         let token = std::fs::read_to_string("/var/run/secrets/kafka/token")?;
///         Ok(Token::new(token.trim(), SystemTime::now() + Duration::from_secs(900)))
///     }
/// }
/// ```
pub trait TokenSource: Send + Sync + 'static {
    /// Returns a token that is good for a while.
    ///
    /// # Errors
    ///
    /// Fails when there is none to be had at present.
    fn token(&self) -> Result<Token, BoxError>;
}

/// What the builder was given; `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub(crate) struct GivenSource(pub(crate) Option<Arc<dyn TokenSource>>);

impl fmt::Debug for GivenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_given = self.0.is_some();
        f.debug_tuple("GivenSource").field(&is_given).finish()
    }
}

/// The tokens of one cluster's clients; clones share them. The source's thread ends with the last one.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    latest: watch::Receiver<Latest>,
    /// Until when the clients wait for the first answer.
    deadline: Instant,
    obstacles: Obstacles,
    _held: Arc<Sender<()>>,
}

/// What the source has answered.
#[derive(Debug, Default)]
struct Latest {
    token: Option<Token>,
    /// Why the last answer brought none.
    failure: Option<String>,
}

impl Latest {
    fn is_answered(&self) -> bool {
        self.token.is_some() || self.failure.is_some()
    }

    fn good(&self) -> Option<&Token> {
        self.token.as_ref().filter(|token| !token.left().is_zero())
    }
}

impl Tokens {
    /// Begins to ask the source.
    pub(super) fn start(source: Arc<dyn TokenSource>, obstacles: Obstacles) -> Result<Self, Error> {
        let (tell, latest) = watch::channel(Latest::default());
        let (held, holders) = channel();
        let keeper = Keeper {
            source,
            tell,
            obstacles: obstacles.clone(),
        };
        let thread = thread::Builder::new().name("kafka-token".to_owned());
        let started = thread.spawn(move || keeper.run(&holders));
        started.map_err(|error| Error::Kafka {
            context: "starting the token source's thread".to_owned(),
            is_configuration: false,
            source: Box::new(error),
        })?;
        Ok(Self {
            latest,
            deadline: Instant::now() + FIRST_WAIT,
            obstacles,
            _held: Arc::new(held),
        })
    }

    /// Waits for the source's first answer, but not for long. A client that asks before it is refused, and asks again
    /// only after 10 s.
    pub(super) async fn first(&self) {
        let mut latest = self.latest.clone();
        let answered = latest.wait_for(|latest| latest.is_answered());
        let _ = timeout_at(self.deadline, answered).await;
    }

    /// Returns whether [`Tokens::first`] would wait.
    pub(super) fn is_first_awaited(&self) -> bool {
        !self.latest.borrow().is_answered() && Instant::now() < self.deadline
    }

    fn current(&self) -> Result<OAuthToken, String> {
        let latest = self.latest.borrow();
        if let Some(token) = latest.good() {
            let end = (SystemTime::now() + token.left()).duration_since(UNIX_EPOCH);
            let end = end.unwrap_or_default().as_millis();
            return Ok(OAuthToken {
                token: token.value.clone(),
                // The broker reads it from the token.
                principal_name: String::new(),
                lifetime_ms: i64::try_from(end).unwrap_or(i64::MAX),
            });
        }
        let failure = latest.failure.as_deref();
        let cause = failure.unwrap_or("it has not answered yet");
        // While the answer is borrowed, so that a new one comes after this and clears it.
        self.obstacles
            .raise_awaited(Blocked::Login, cause.to_owned(), Instant::now());
        Err(format!("the token source brings none: {cause}"))
    }
}

/// Answers a client that asks for a token; does not wait.
pub(super) fn answer(tokens: Option<&Tokens>) -> Result<OAuthToken, Box<dyn StdError>> {
    let tokens = tokens.ok_or("no token source: see Builder::token_source")?;
    Ok(tokens.current()?)
}

/// Asks the source ahead of the clients.
struct Keeper {
    source: Arc<dyn TokenSource>,
    tell: watch::Sender<Latest>,
    obstacles: Obstacles,
}

impl Keeper {
    /// Runs until nobody holds the tokens any more.
    fn run(self, holders: &Receiver<()>) {
        loop {
            let wait = self.ask();
            if holders.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    /// Asks once; returns when to ask again.
    fn ask(&self) -> Duration {
        let answer = catch_unwind(AssertUnwindSafe(|| self.source.token()));
        let token = match answer {
            Ok(Ok(token)) => token.checked(),
            Ok(Err(error)) => Err(chain(&*error)),
            Err(_) => Err("it panicked".to_owned()),
        };
        match token {
            Ok(token) => self.renewed(token),
            Err(cause) => self.failed(cause),
        }
    }

    fn renewed(&self, token: Token) -> Duration {
        let wait = (token.left() / 4 * 3).max(SHORTEST_WAIT);
        debug!(?token, ?wait, "token renewed");
        let before = self.tell.send_replace(Latest {
            token: Some(token),
            failure: None,
        });
        if before.failure.is_some() {
            info!("the token source brings tokens again");
        }
        self.obstacles.clear(&Blocked::Login);
        wait
    }

    fn failed(&self, cause: String) -> Duration {
        let is_news = self.tell.borrow().failure.as_ref() != Some(&cause);
        if is_news {
            warn!(cause, "the token source brings no token");
        }
        if self.tell.borrow().good().is_none() {
            let now = Instant::now();
            self.obstacles
                .raise_awaited(Blocked::Login, cause.clone(), now);
        }
        self.tell.send_modify(|latest| latest.failure = Some(cause));
        RETRY_WAIT
    }
}

fn chain(error: &dyn StdError) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        told = format!("{told}: {one}");
        cause = one.source();
    }
    told
}

#[cfg(test)]
mod tests;
