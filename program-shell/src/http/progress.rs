//! A connection whose client has to accept what is sent. Otherwise a request could hold memory and a place forever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Fails a write if the client accepts nothing for `wait`. Silence without a write is allowed.
pub(super) struct Progressing<S> {
    stream: S,
    wait: Duration,
    /// Set while a write waits.
    late: Option<Pin<Box<Sleep>>>,
}

impl<S> Progressing<S> {
    pub(super) fn new(stream: S, wait: Duration) -> Self {
        Self {
            stream,
            wait,
            late: None,
        }
    }

    fn bounded(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.late = None;
            return written;
        }
        let wait = self.wait;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(wait)));
        let over = late.as_mut().poll(context);
        over.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progressing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progressing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const WAIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn h29_a_write_fails_if_nothing_of_it_is_taken_in_time() {
        let (ours, _theirs) = duplex(4);
        let begin = tokio::time::Instant::now();
        let failed = Progressing::new(ours, WAIT).write_all(&[0; 5]).await;
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed().as_secs(), WAIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn h29_a_write_may_take_long_if_some_of_it_is_always_taken() {
        let (ours, mut theirs) = duplex(4);
        let reader = tokio::spawn(async move {
            for _ in 0..20 {
                sleep(WAIT - Duration::from_secs(1)).await;
                theirs.read_u8().await.unwrap();
            }
        });
        let mut ours = Progressing::new(ours, WAIT);
        ours.write_all(&[0; 20]).await.unwrap();
        reader.await.unwrap();
        sleep(2 * WAIT).await;
        assert!(ours.late.is_none(), "silence is not a write that waits");
    }
}
