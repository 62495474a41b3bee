//! A second port for the embedded broker, whose own port cannot be chosen.
//!
//! A client bootstraps through this port. The broker's metadata then lead it to the broker's own port.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until it is dropped.
#[derive(Debug)]
pub(super) struct Forwarded {
    _accepting: AbortOnDropHandle<()>,
}

impl Forwarded {
    /// Connects each client of `port` with `address`, which is `host:port`.
    pub(super) async fn start(port: u16, address: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("--kafka-port {port}"))?;
        Ok(Self {
            _accepting: AbortOnDropHandle::new(tokio::spawn(accept(listener, address))),
        })
    }
}

async fn accept(listener: TcpListener, address: String) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(forward(client, address.clone()));
            }
            // The client has closed the connection, or there are no file descriptors at the moment.
            Err(_) => sleep(RETRY_PAUSE).await,
        }
    }
}

async fn forward(mut client: TcpStream, address: String) {
    // An error needs no report: both ends see that the connection has ended.
    if let Ok(mut broker) = TcpStream::connect(address).await {
        let _ = copy_bidirectional(&mut client, &mut broker).await;
    }
}
