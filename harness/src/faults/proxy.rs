//! A proxy between clients and a server on loopback that can make connections bad: late, narrow, cut or frozen. It can
//! lead new connections to another server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

const CHUNK: usize = 16 << 10;
/// Most chunks on their way in one direction. Then the sender has to wait.
const CHUNKS: usize = 256;

/// The quality of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quality {
    Good,
    /// Open connections are closed, and new ones are closed at once.
    Cut,
    /// Open and new connections stay open but pass nothing. That does not change when the quality changes.
    Frozen,
    /// All data is late by this time, in both directions.
    Late(Duration),
    /// This number of bytes per second, in each direction of each connection.
    Narrow(u32),
}

/// A proxy that serves until it is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    quality: watch::Sender<Quality>,
    upstream: watch::Sender<SocketAddr>,
    server: JoinHandle<()>,
}

/// An open port for a proxy whose server does not run yet.
#[derive(Debug)]
pub(super) struct Waiting(TcpListener);

impl Waiting {
    /// Listens at this port of loopback.
    pub(super) async fn at(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        Ok(Self(listener.context("cannot listen for the proxy")?))
    }

    pub(super) fn port(&self) -> Result<u16> {
        let address = self.0.local_addr();
        Ok(address.context("the proxy has no address")?.port())
    }

    /// Serves in front of the server at that port of loopback. The server sees that address as the one of its clients.
    pub(super) fn serve(self, port: u16, clients: Ipv4Addr) -> Proxy {
        let (quality, watched) = watch::channel(Quality::Good);
        let (upstream, server) = watch::channel(at(port));
        Proxy {
            quality,
            upstream,
            server: tokio::spawn(serve(self.0, server, clients, watched)),
        }
    }
}

impl Proxy {
    pub(super) fn set(&self, quality: Quality) {
        self.quality.send_replace(quality);
    }

    /// Leads new connections to the server at that port of loopback. Open connections stay with the old one.
    pub(super) fn lead_to(&self, port: u16) {
        self.upstream.send_replace(at(port));
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections end by themselves, because the sender that they watch is dropped.
        self.server.abort();
    }
}

/// The address of clients behind a proxy. Clients without a proxy have another one, so that a broker can deny rights to
/// one kind only.
pub(super) const CLIENTS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

async fn serve(
    listener: TcpListener,
    upstream: watch::Receiver<SocketAddr>,
    clients: Ipv4Addr,
    quality: watch::Receiver<Quality>,
) {
    loop {
        match listener.accept().await {
            Ok((client, _)) if *quality.borrow() != Quality::Cut => {
                let upstream = *upstream.borrow();
                tokio::spawn(connect(client, upstream, clients, quality.clone()));
            }
            Ok((refused, _)) => drop(refused),
            // For example too many open files, which passes.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connect(
    client: TcpStream,
    upstream: SocketAddr,
    clients: Ipv4Addr,
    quality: watch::Receiver<Quality>,
) {
    let Ok(server) = reach(upstream, clients).await else {
        return;
    };
    // Without Nagle's algorithm, so that only the proxy delays data.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let mut watched = quality.clone();
    let (there, back) = (
        pass(client_read, server_write, quality.clone()),
        pass(server_read, client_write, quality),
    );
    // Kept while frozen: a drop would close the connection.
    tokio::pin!(there, back);
    let is_over = |quality: &Quality| matches!(quality, Quality::Cut | Quality::Frozen);
    tokio::select! { biased;
        _ = watched.wait_for(is_over) => {}
        () = &mut there => return,
        () = &mut back => return,
    }
    let _ = watched.wait_for(|quality| *quality == Quality::Cut).await;
}

async fn reach(upstream: SocketAddr, clients: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((clients, 0)))?;
    socket.connect(upstream).await
}

/// Passes on data, each chunk at its time, until either side ends.
async fn pass(from: OwnedReadHalf, to: OwnedWriteHalf, quality: watch::Receiver<Quality>) {
    let (chunks, queue) = mpsc::channel(CHUNKS);
    tokio::select! {
        () = read(from, &chunks, &quality) => {}
        () = write(to, queue, &quality) => {}
    }
}

type Chunk = (Instant, Vec<u8>);

async fn read(
    mut from: OwnedReadHalf,
    chunks: &mpsc::Sender<Chunk>,
    quality: &watch::Receiver<Quality>,
) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let late = match *quality.borrow() {
            Quality::Late(late) => late,
            _ => Duration::ZERO,
        };
        let chunk = (Instant::now() + late, buffer[..count].to_vec());
        if chunks.send(chunk).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::Receiver<Chunk>,
    quality: &watch::Receiver<Quality>,
) {
    while let Some((due, bytes)) = chunks.recv().await {
        sleep_until(due).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
        let narrow = match *quality.borrow() {
            Quality::Narrow(rate) => Some(rate),
            _ => None,
        };
        if let Some(rate) = narrow {
            sleep(Duration::from_secs_f64(
                bytes.len() as f64 / f64::from(rate),
            ))
            .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that echoes, and a proxy in front of it.
    async fn echo() -> (Proxy, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let waiting = Waiting::at(0).await.unwrap();
        let port = waiting.port().unwrap();
        (waiting.serve(server, CLIENTS), port)
    }

    async fn ask(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        stream.write_all(text).await.unwrap();
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn bytes_pass_as_they_are_late_or_narrow() {
        let (proxy, port) = echo().await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let text: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        assert_eq!(ask(&mut stream, &text).await, text);
        proxy.set(Quality::Late(Duration::from_millis(30)));
        let begin = Instant::now();
        assert_eq!(ask(&mut stream, b"late").await, b"late");
        // There and back. Only the lower bound is certain.
        assert!(begin.elapsed() >= Duration::from_millis(60));
        proxy.set(Quality::Narrow(10_000));
        let begin = Instant::now();
        assert_eq!(ask(&mut stream, &[7; 1000]).await, [7; 1000]);
        assert_eq!(ask(&mut stream, b"next").await, b"next");
        assert!(begin.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn what_was_frozen_stays_so_and_what_is_new_then_passes() {
        let (proxy, port) = echo().await;
        let mut open = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(ask(&mut open, b"x").await, b"x");
        proxy.set(Quality::Frozen);
        let mut meanwhile = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        open.write_all(b"x").await.unwrap();
        meanwhile.write_all(b"x").await.unwrap();
        sleep(Duration::from_millis(50)).await;
        proxy.set(Quality::Good);
        let mut new = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(ask(&mut new, b"y").await, b"y");
        for frozen in [&mut open, &mut meanwhile] {
            let nothing = frozen.try_read(&mut [0; 1]).unwrap_err();
            assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
        }
    }

    #[tokio::test]
    async fn a_new_connection_is_led_to_the_new_server_and_an_open_one_stays() {
        let (proxy, port) = echo().await;
        let mut open = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(ask(&mut open, b"x").await, b"x");
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        proxy.lead_to(other.local_addr().unwrap().port());
        let _new = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (_led, from) = other.accept().await.unwrap();
        assert_eq!(from.ip(), CLIENTS);
        assert_eq!(ask(&mut open, b"y").await, b"y");
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_open_and_refuses_what_is_new_until_it_is_over() {
        let (proxy, port) = echo().await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(ask(&mut stream, b"x").await, b"x");
        proxy.set(Quality::Cut);
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        let mut refused = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert!(matches!(refused.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        proxy.set(Quality::Good);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(ask(&mut stream, b"y").await, b"y");
    }
}
