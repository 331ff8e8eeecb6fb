//! A connection that does not wait for ever: for the head of a request, for the next request, for a client that
//! does not take its answer.
//!
//! hyper has one limit for the head and for the pause before it. A scraper pauses for a minute and should keep its
//! connection; a head that takes as long is an attack or a broken peer.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// A request's head must be there this long after its first byte, the first one after the connection's start.
pub(super) const HEAD: Duration = Duration::from_secs(5);
/// A connection without a request is kept this long: longer than the usual scrape intervals.
pub(super) const IDLE: Duration = Duration::from_secs(150);
/// A client must take some of its answer within this time.
pub(super) const WRITE: Duration = Duration::from_secs(10);
/// What a client still sends after its request was refused is thrown away for this long, …
const LINGER: Duration = Duration::from_secs(1);
/// … and no more than this of it: closing with unread bytes would reset the connection and lose the answer.
const LINGER_BYTES_MAX: usize = 64 * 1024;

/// A stream that fails with [`ErrorKind::TimedOut`] when its peer is too slow.
#[derive(Debug)]
pub(super) struct Paced {
    stream: TcpStream,
    waiting: Waiting,
    /// When the patience ends.
    deadline: Instant,
    /// Wakes the connection; only set when something is really waited for, as a timer costs more than a clock.
    alarm: Pin<Box<Sleep>>,
    /// Bytes thrown away since the connection was shut down.
    lingered: Option<usize>,
}

/// What the peer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The rest of a head.
    Head,
    /// Any request.
    Idle,
    /// Room for the answer.
    Write,
}

impl Paced {
    pub(super) fn new(stream: TcpStream) -> Self {
        let deadline = Instant::now() + HEAD;
        Self { stream, waiting: Waiting::Head, deadline, alarm: Box::pin(sleep(HEAD)), lingered: None }
    }

    fn wait_for(&mut self, what: Waiting, patience: Duration) {
        self.waiting = what;
        self.deadline = Instant::now() + patience;
    }

    /// Pending until the deadline, then an error.
    fn poll_patience<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(self.deadline);
        }
        // The alarm may have been set for an earlier wait that is over.
        while self.alarm.as_mut().poll(cx).is_ready() {
            if self.deadline <= self.alarm.deadline() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(self.deadline);
        }
        Poll::Pending
    }

    fn wrote(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                self.wait_for(Waiting::Idle, IDLE);
                Poll::Ready(result)
            }
            Poll::Pending => {
                if self.waiting != Waiting::Write {
                    self.wait_for(Waiting::Write, WRITE);
                }
                self.poll_patience(cx)
            }
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, into) {
            Poll::Ready(result) => {
                if self.waiting == Waiting::Idle {
                    self.wait_for(Waiting::Head, HEAD);
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_patience(cx),
        }
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingered.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.lingered = Some(0);
            self.deadline = Instant::now() + LINGER;
        }
        let mut scratch = [0; 4096];
        while self.lingered.is_some_and(|it| it < LINGER_BYTES_MAX) {
            let mut into = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    self.lingered = self.lingered.map(|it| it + into.filled().len());
                }
                // Who sent nothing more will not mind the end.
                Poll::Pending if self.lingered != Some(0) => {
                    let patience: Poll<io::Result<()>> = self.poll_patience(cx);
                    return patience.map(|_| Ok(()));
                }
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (Paced, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Paced::new(listener.accept().await.unwrap().0), peer)
    }

    /// The clock is paused: it jumps to the next alarm when everybody waits.
    async fn check_read(paced: &mut Paced, patience: Duration) {
        let started = Instant::now();
        let error = paced.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let waited = started.elapsed();
        assert!(patience <= waited && waited < patience + Duration::from_secs(1), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_must_send_a_head() {
        let (mut paced, mut peer) = pair().await;
        peer.write_all(b"GE").await.unwrap();
        assert_eq!(paced.read_u16().await.unwrap(), u16::from_be_bytes(*b"GE"));
        check_read(&mut paced, HEAD).await;
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_more_time_until_the_next_one_begins() {
        let (mut paced, mut peer) = pair().await;
        paced.write_all(b"HTTP").await.unwrap();
        check_read(&mut paced, IDLE).await;
        let (mut paced, mut other) = pair().await;
        paced.write_all(b"HTTP").await.unwrap();
        other.write_all(b"G").await.unwrap();
        paced.read_u8().await.unwrap();
        check_read(&mut paced, HEAD).await;
        peer.shutdown().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut paced, _peer) = pair().await;
        let started = Instant::now();
        let answer = vec![0; 64 * 1024 * 1024];
        assert_eq!(paced.write_all(&answer).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(WRITE <= started.elapsed() && started.elapsed() < WRITE * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_still_sent_is_taken_before_the_end() {
        let (mut paced, mut peer) = pair().await;
        peer.write_all(&[0; 1000]).await.unwrap();
        paced.write_all(b"no").await.unwrap();
        paced.shutdown().await.unwrap();
        drop(paced);
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"no");
    }
}
