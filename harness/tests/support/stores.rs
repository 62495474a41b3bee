//! Stores for single tests, and one address in front of several stores.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::process::Child;
use harness::stack::free_port;
use redis::{FromRedisValue, RedisResult};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{LIMIT, wait_for};

/// A `redis-server` in its own folder.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) child: Child,
    folder: TempDir,
}

impl Server {
    /// Starts a server with further settings, and waits for its port.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    /// Starts a server on the files in a folder.
    pub(crate) fn start_in(folder: TempDir, settings: &[&str]) -> Self {
        let port = free_port().unwrap();
        let own = ["--port", &port.to_string(), "--bind", "127.0.0.1"].map(str::to_owned);
        let place = ["--dir".to_owned(), folder.path().display().to_string()];
        let disk = ["--save", "", "--appendonly", "no"].map(str::to_owned);
        let settings = settings.iter().map(|setting| (*setting).to_owned());
        let arguments = own.into_iter().chain(place).chain(disk).chain(settings);
        let log = folder.path().join("store.log");
        let child = Child::spawn("redis-server", Path::new("redis-server"), arguments, &log);
        let server = Self {
            port,
            child: child.unwrap(),
            folder,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_for("the store's port", || {
            std::net::TcpStream::connect(address).is_ok()
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command over a new connection. Blanks separate its words.
    pub(crate) async fn try_ask<T: FromRedisValue>(&self, command: &str) -> RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut asked = redis::Cmd::new();
        for word in command.split(' ') {
            asked.arg(word);
        }
        asked.query_async(&mut connection).await
    }

    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        let answer = self.try_ask(command).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Whether it keeps JSON documents.
    pub(crate) async fn has_documents(&self) -> bool {
        self.try_ask::<Option<String>>("JSON.GET none")
            .await
            .is_ok()
    }

    /// Asks until the answer contains the text.
    pub(crate) async fn until(&self, command: &str, wanted: &str) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let answer: RedisResult<String> = self.try_ask(command).await;
            if answer.as_ref().is_ok_and(|answer| answer.contains(wanted)) {
                return;
            }
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "{command} has no {wanted}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it, and returns its folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.child.stop(Duration::from_secs(10)).await.unwrap();
        self.folder
    }
}

/// One address whose server can change for new connections. Open connections stay with the old server, as with a proxy
/// or a virtual address.
pub(crate) struct OneAddress {
    pub(crate) port: u16,
    target: Arc<AtomicU16>,
    _connections: Arc<Mutex<JoinSet<()>>>,
}

impl OneAddress {
    pub(crate) async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(server.port));
        let connections = Arc::<Mutex<JoinSet<()>>>::default();
        let (now, all) = (Arc::clone(&target), Arc::downgrade(&connections));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Some(all) = all.upgrade() else { return };
                let port = now.load(Ordering::SeqCst);
                all.lock().unwrap().spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self {
            port,
            target,
            _connections: connections,
        }
    }

    pub(crate) fn now_leads_to(&self, server: &Server) {
        self.target.store(server.port, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// The program under test, in the harness's folder.
pub(crate) fn order_service() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_harness")).with_file_name("order-service")
}
