//! Keeps the tokens of SASL/OAUTHBEARER. Its own thread asks for them, so that records never wait for a token.

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

/// The wait after a source has failed. Below the 10 s after which librdkafka asks for a token again.
const RETRY_WAIT: Duration = Duration::from_secs(5);
/// The wait for a source whose tokens have shorter lifetimes.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How long the clients wait for the source's first answer before they report that there is no token.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The limit of lifetimes: librdkafka counts in microseconds.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A bearer token and its expiry time. `Debug` shows the time but not the token.
#[derive(Clone)]
pub struct Token {
    value: String,
    expires: SystemTime,
}

impl Token {
    /// Creates a token from its text, as sent to the broker, and its expiry time.
    pub fn new(value: impl Into<String>, expires: SystemTime) -> Self {
        let value = value.into();
        Self { value, expires }
    }

    fn left(&self) -> Duration {
        let left = self.expires.duration_since(SystemTime::now());
        left.unwrap_or_default().min(LONGEST_LIFE)
    }

    /// Refuses tokens that librdkafka would refuse with an error that repeats the token.
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

/// Provides the tokens for SASL/OAUTHBEARER (KIP-255, RFC 7628). Pass it to [`crate::Builder::token_source`].
///
/// The bridge calls it on its own thread, `kafka-token`, which starts when the bridge is built. The call may block,
/// because no record waits for it. Use [`tokio::runtime::Handle::block_on`] to call an async client of a token service.
/// The consumer and the producers share each token.
///
/// The first call is when the bridge is built. The next one is after three quarters of a token's lifetime, before the
/// clients need the next token. After a failure, the bridge calls again after 5 s. Until then the clients keep their
/// token while it is valid. Each failure is logged. A failure without a valid token is also an obstacle,
/// [`crate::Blocked::Login`], and so is a call that takes longer than the clients can wait. The bridge interrupts no
/// call, so give it its own timeout. When the bridge has ended, it makes no further call and drops the source.
///
/// # Errors
///
/// Logs and [`crate::Status::obstacles`] show the error, so it should not contain secrets.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kafka_bridge::kafka::{Token, TokenSource};
///
/// /// Reads the token that a sidecar renews every quarter of an hour.
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
    /// Returns a token that is valid for a while.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no token at present.
    fn token(&self) -> Result<Token, BoxError>;
}

/// The builder's token source. `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub(crate) struct GivenSource(pub(crate) Option<Arc<dyn TokenSource>>);

impl fmt::Debug for GivenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_given = self.0.is_some();
        f.debug_tuple("GivenSource").field(&is_given).finish()
    }
}

/// The tokens of one cluster's clients. Clones share them. The source's thread ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    latest: watch::Receiver<Latest>,
    /// Until when the clients wait for the first answer.
    deadline: Instant,
    obstacles: Obstacles,
    _held: Arc<Sender<()>>,
}

/// The source's latest answer.
#[derive(Debug, Default)]
struct Latest {
    token: Option<Token>,
    /// Why the latest answer had no token.
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
    /// Starts to ask the source.
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

    /// Waits for the source's first answer, for a limited time. A client that asks earlier is refused, and asks again
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
                // The broker reads the principal from the token.
                principal_name: String::new(),
                lifetime_ms: i64::try_from(end).unwrap_or(i64::MAX),
            });
        }
        let failure = latest.failure.as_deref();
        let cause = failure.unwrap_or("it has not answered yet");
        // Raised while the answer is borrowed, so that a newer answer comes later and clears it.
        self.obstacles
            .raise_awaited(Blocked::Login, cause.to_owned(), Instant::now());
        Err(format!("the token source has no valid token: {cause}"))
    }
}

/// Answers a client that asks for a token. Does not wait.
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
    /// Runs until no `Tokens` are left.
    fn run(self, holders: &Receiver<()>) {
        loop {
            let wait = self.ask();
            if holders.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    /// Asks once. Returns when to ask again.
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
            info!("the token source returns tokens again");
        }
        self.obstacles.clear(&Blocked::Login);
        wait
    }

    fn failed(&self, cause: String) -> Duration {
        let is_news = self.tell.borrow().failure.as_ref() != Some(&cause);
        if is_news {
            warn!(cause, "the token source returned no token");
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
