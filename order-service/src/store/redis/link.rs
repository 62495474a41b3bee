//! The one connection to the store. Commands are pipelined over it. A new connection replaces it when it breaks, or
//! when another server may serve better.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::command::{self, Encoding};
use super::refusal;

/// How long sent data may stay without acknowledgement before the system closes the connection.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// How long a connection may be silent before the first keepalive probe.
const SILENT: Duration = Duration::from_secs(10);
const SILENT_AGAIN: Duration = Duration::from_secs(3);
/// An error of the server does not replace a connection that is younger. Otherwise a server that always answers so
/// would get a new connection for each request.
const YOUNG: Duration = Duration::from_millis(250);

/// The address of a server, and the current connection.
pub(super) struct Link {
    client: Client,
    patience: Duration,
    slot: Mutex<Slot>,
}

/// A connection. The first command that needs it makes it, for all that need it meanwhile.
type Slot = Arc<OnceCell<Made>>;

struct Made {
    at: Instant,
    connection: Result<Connection, RedisError>,
}

struct Connection {
    pipeline: MultiplexedConnection,
    /// How this server keeps orders. Asked until it answers.
    encoding: OnceCell<Encoding>,
}

/// The subject of a command. Only a command about an order depends on the server's encoding.
enum About<F> {
    Order(F),
    Server(Cmd),
}

impl Connection {
    async fn encoding(&self) -> Result<Encoding, RedisError> {
        let asked = || ask_for_encoding(self.pipeline.clone());
        self.encoding.get_or_try_init(asked).await.copied()
    }
}

impl Link {
    /// Prepares the connection. `patience` limits a command, with the time to connect and to retry.
    pub(super) fn new(url: &str, patience: Duration) -> Result<Self, RedisError> {
        let url = url.into_connection_info()?;
        // Proxies that do not know `CLIENT SETINFO` may close the connection for it.
        let settings = url.redis_settings().clone().set_skip_set_lib_name();
        let info = url
            .set_tcp_settings(tcp_settings())
            .set_redis_settings(settings);
        Ok(Self {
            client: Client::open(info)?,
            patience,
            slot: Mutex::default(),
        })
    }

    /// Sends a command about an order, in the server's encoding.
    pub(super) async fn send<T: FromRedisValue>(
        &self,
        command: impl Fn(Encoding) -> Cmd,
    ) -> Result<T, RedisError> {
        self.deliver(&About::Order(command)).await
    }

    /// Sends a command about the server itself, without a question about the encoding, which the server may refuse.
    pub(super) async fn send_plain<T: FromRedisValue>(
        &self,
        command: Cmd,
    ) -> Result<T, RedisError> {
        let about: About<fn(Encoding) -> Cmd> = About::Server(command);
        self.deliver(&about).await
    }

    /// Sends a command. If it fails because of the connection, it is sent once more over a new one, so it must be
    /// harmless to run twice. The first attempt has half of the patience, so that time is left for the second.
    async fn deliver<T: FromRedisValue>(
        &self,
        about: &About<impl Fn(Encoding) -> Cmd>,
    ) -> Result<T, RedisError> {
        let begin = Instant::now();
        let deadline = begin + self.patience;
        match self.attempt(begin + self.patience / 2, about).await {
            Err((_, true)) if Instant::now() < deadline => {
                let again = self.attempt(deadline, about).await;
                again.map_err(|(error, _)| error)
            }
            once => once.map_err(|(error, _)| error),
        }
    }

    /// Sends the command once. Fails with the cause, and with whether the connection was given up.
    async fn attempt<T: FromRedisValue>(
        &self,
        deadline: Instant,
        about: &About<impl Fn(Encoding) -> Cmd>,
    ) -> Result<T, (RedisError, bool)> {
        let slot = Arc::clone(&self.slot());
        let answer = timeout_at(deadline, self.ask(&slot, about)).await;
        answer
            .unwrap_or_else(|_| Err(self.no_answer()))
            .map_err(|error| {
                let stale = is_stale(&slot, &error);
                if stale {
                    self.give_up(&slot);
                }
                (error, stale)
            })
    }

    async fn ask<T: FromRedisValue>(
        &self,
        slot: &Slot,
        about: &About<impl Fn(Encoding) -> Cmd>,
    ) -> Result<T, RedisError> {
        let made = slot.get_or_init(|| self.make()).await;
        let connection = made.connection.as_ref().map_err(Clone::clone)?;
        let pipeline = &mut connection.pipeline.clone();
        match about {
            About::Order(command) => {
                let command = command(connection.encoding().await?);
                command.query_async(pipeline).await
            }
            About::Server(command) => command.query_async(pipeline).await,
        }
    }

    async fn make(&self) -> Made {
        // The caller has a deadline.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let client = &self.client;
        let pipeline = client.get_multiplexed_async_connection_with_config(&config);
        let connection = pipeline.await.map(|pipeline| Connection {
            pipeline,
            encoding: OnceCell::new(),
        });
        Made {
            at: Instant::now(),
            connection,
        }
    }

    /// Lets the next command make a new connection. Commands in flight end on the old one.
    fn give_up(&self, slot: &Slot) {
        let mut current = self.slot();
        if Arc::ptr_eq(&current, slot) {
            *current = Slot::default();
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_answer(&self) -> RedisError {
        let told = format!("no answer within {:?}", self.patience);
        std::io::Error::new(std::io::ErrorKind::TimedOut, told).into()
    }
}

fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(SILENT)
        .with_interval(SILENT_AGAIN);
    let settings = TcpSettings::default()
        // The commands are small, and a requester waits for each.
        .set_nodelay(true)
        .set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED);
    settings
}

async fn ask_for_encoding(mut pipeline: MultiplexedConnection) -> Result<Encoding, RedisError> {
    let asked = command::ask_for_document();
    let encoding = match asked.query_async::<Option<String>>(&mut pipeline).await {
        Ok(_) => Encoding::JsonDocument,
        Err(error) if refusal::is_unknown_command(&error) => Encoding::String,
        Err(error) => return Err(error),
    };
    tracing::info!(?encoding, "store connected");
    Ok(encoding)
}

/// Whether a new connection may help.
fn is_stale(slot: &Slot, error: &RedisError) -> bool {
    let Some(made) = slot.get() else {
        return true;
    };
    if refusal::is_broken(error) {
        return true;
    }
    let better = match &made.connection {
        Err(_) => true,
        Ok(connection) => {
            // On a server with documents, the order is from before it had them.
            let other_kind = refusal::is_wrong_type(error)
                && connection.encoding.get() == Some(&Encoding::String);
            other_kind || refusal::may_differ_elsewhere(error)
        }
    };
    better && made.at.elapsed() >= YOUNG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h28_the_socket_sends_at_once_and_notices_a_peer_that_is_gone() {
        for url in ["redis://127.0.0.1:1", "redis://127.0.0.1:1/3"] {
            let link = Link::new(url, Duration::from_secs(1)).unwrap();
            let settings = link.client.get_connection_info().tcp_settings();
            assert!(settings.nodelay());
            assert!(settings.keepalive().is_some());
            #[cfg(target_os = "linux")]
            assert_eq!(settings.user_timeout(), Some(UNACKNOWLEDGED));
        }
    }
}
