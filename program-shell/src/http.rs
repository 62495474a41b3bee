//! An HTTP/1.1 server for the pages of a program. It limits the memory and time that a client can use: `axum::serve`
//! limits neither connections nor waits.

mod progress;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use self::progress::Progressing;

/// The maximum size of a request's head, in bytes.
const HEAD_BYTES: usize = 1 << 16;
/// The maximum number of connections of one server.
const CONNECTIONS: usize = 4096;
/// The wait after the system has refused a connection.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Limits what clients may use.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The maximum number of connections at the same time. Further ones wait in the system's queue.
    pub connections: usize,
    /// The longest wait for a client to begin a request (an idle connection), to finish its head, to send the next part
    /// of its body, and to accept some of the response.
    pub wait: Duration,
    /// The same after the server was asked to stop, for everything that is not a whole request yet.
    pub wait_at_stop: Duration,
}

impl Default for Bounds {
    /// Returns a connection limit of a quarter of the files that the process may open. The process may have two
    /// servers, and its own work gets half of the files.
    fn default() -> Self {
        let files = getrlimit(Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| {
            usize::try_from(files).unwrap_or(usize::MAX)
        });
        Self {
            connections: connections_for(files),
            wait: Duration::from_secs(30),
            wait_at_stop: Duration::from_millis(500),
        }
    }
}

fn connections_for(files: usize) -> usize {
    (files / 4).clamp(1, CONNECTIONS)
}

/// Serves an application until `stop`, and returns when all requests that have begun are answered. A client that reads
/// slowly can delay that, so the caller needs its own time limit.
pub async fn serve(listener: TcpListener, app: Router, bounds: Bounds, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < bounds.connections;
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            stream = accept(&listener), if has_room => {
                connections.spawn(connection(stream, app.clone(), bounds, stop.clone()));
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits for a connection. Ignores connections that fail. If the system has no files or memory left, waits and tries
/// again.
async fn accept(listener: &TcpListener) -> TcpStream {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => match error.kind() {
                ConnectionAborted | ConnectionRefused | ConnectionReset => {}
                _ => {
                    tracing::warn!("no connection can be accepted, trying again: {error}");
                    sleep(REFUSED_PAUSE).await;
                }
            },
        }
    }
}

async fn connection(stream: TcpStream, app: Router, bounds: Bounds, stop: CancellationToken) {
    // Each request has a clone until its answer is written.
    let open = Arc::new(());
    let requests = Arc::downgrade(&open);
    let stopping = stop.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let request = request.map(|body| bounded(body, bounds, stopping.clone()));
        answer(app.clone(), request, Arc::clone(&open))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.wait)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Progressing::new(stream, bounds.wait)), service);
    let mut connection = std::pin::pin!(connection);
    // It does not matter how a connection ended.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let quiet = async {
        loop {
            sleep(bounds.wait_at_stop).await;
            // Only the service holds a clone, so the client has not sent a whole request.
            if requests.strong_count() == 1 {
                return;
            }
        }
    };
    tokio::select! {
        _ = connection => {}
        () = quiet => {}
    }
}

async fn answer(
    mut app: Router,
    request: Request<Body>,
    open: Arc<()>,
) -> Result<Response<Body>, Infallible> {
    let response = app.call(request).await?;
    Ok(response.map(|body| {
        let body = body.map_err(move |error| {
            let _until_it_is_written = &open;
            error
        });
        Body::new(body)
    }))
}

/// Limits the wait for each part of a body.
fn bounded(body: Incoming, bounds: Bounds, stop: CancellationToken) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    let parts = stream::unfold((body, stop), move |(mut body, stop)| async move {
        let stopping = async {
            stop.cancelled().await;
            sleep(bounds.wait_at_stop).await;
        };
        let part = tokio::select! {
            frame = body.frame() => match frame? {
                // Applications here ignore trailers.
                Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
                Err(error) => Err(io::Error::other(error)),
            },
            () = sleep(bounds.wait) => Err(io::ErrorKind::TimedOut.into()),
            () = stopping => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((part, (body, stop)))
    });
    Body::from_stream(parts)
}

#[cfg(test)]
mod tests;
