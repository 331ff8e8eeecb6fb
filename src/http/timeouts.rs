//! Timeouts of a connection: for a request, for the next request, and for a client that does not read its response.
//!
//! hyper has one timeout for the head and the idle time before it. A scraper may idle for a minute; a head that takes as
//! long is an attack or a broken client.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A request must be there whole this long after its first byte, the first one after the connection's start.
pub(super) const REQUEST: Duration = Duration::from_secs(5);
/// A connection without a request is kept this long: longer than the usual scrape intervals.
pub(super) const IDLE: Duration = Duration::from_secs(150);
/// A client must take some of its response within this time.
pub(super) const WRITE: Duration = Duration::from_secs(10);
/// What a client still sends after its request was refused is thrown away for this long, …
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// … and no more than this of it: closing with unread bytes would reset the connection and lose the response.
pub(super) const LINGER_BYTES_MAX: usize = 64 * 1024;

/// What happens on a connection.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    /// Requests whose head was read and that are being handled: then nobody waits for the client. HTTP/2 may have several.
    handling: AtomicUsize,
    /// When a request was last read whole, or some of a response taken, or else the connection began.
    last: Mutex<Instant>,
}

impl Default for ConnectionActivity {
    fn default() -> Self {
        Self { handling: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }
}

impl ConnectionActivity {
    /// A request is being handled until this is dropped.
    pub(super) fn handling(&self) -> impl Drop + '_ {
        struct Handling<'a>(&'a ConnectionActivity);
        impl Drop for Handling<'_> {
            fn drop(&mut self) {
                self.0.handling.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.note();
        self.handling.fetch_add(1, Ordering::Relaxed);
        Handling(self)
    }

    /// Orders connections: those that can be missed most come first, without a request under way and without activity
    /// for the longest time. Bytes of an unfinished request are no activity.
    pub(super) fn eviction_order(&self) -> (bool, Instant) {
        (self.is_handling(), *self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_handling(&self) -> bool {
        self.handling.load(Ordering::Relaxed) > 0
    }

    fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A stream that fails with [`ErrorKind::TimedOut`] when its peer is too slow.
#[derive(Debug)]
pub(super) struct TimeoutStream<S> {
    stream: S,
    activity: Arc<ConnectionActivity>,
    waiting: TimeoutKind,
    /// When the wait ends.
    deadline: Instant,
    /// Wakes the connection; only set when something is really waited for, as a timer costs more than a clock.
    alarm: Pin<Box<Sleep>>,
    /// Whether each byte after a pause begins a request, as in HTTP/1. In HTTP/2 it may be a word about the connection.
    bytes_are_requests: bool,
    /// Bytes thrown away since the connection was shut down.
    lingered: Option<usize>,
}

/// What the peer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeoutKind {
    /// The rest of a request.
    Request,
    /// Any request.
    Idle,
    /// Room for the response.
    Write,
}

impl<S> TimeoutStream<S> {
    pub(super) fn new(stream: S, activity: Arc<ConnectionActivity>) -> Self {
        let (waiting, deadline) = (TimeoutKind::Request, Instant::now() + REQUEST);
        let alarm = Box::pin(sleep(REQUEST));
        Self { stream, activity, waiting, deadline, alarm, bytes_are_requests: true, lingered: None }
    }

    /// A stream of HTTP/2, whose handshake is its first request: it may be idle, but not longer than [`IDLE`].
    pub(super) fn http2(stream: S, activity: Arc<ConnectionActivity>) -> Self {
        Self { bytes_are_requests: false, ..Self::new(stream, activity) }
    }

    fn wait_for(&mut self, what: TimeoutKind, time: Duration) {
        self.waiting = what;
        self.deadline = Instant::now() + time;
    }

    /// Pending until the deadline, then an error.
    fn poll_timeout<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
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
                self.activity.note();
                self.wait_for(TimeoutKind::Idle, IDLE);
                Poll::Ready(result)
            }
            Poll::Pending => {
                if self.waiting != TimeoutKind::Write {
                    self.wait_for(TimeoutKind::Write, WRITE);
                }
                self.poll_timeout(cx)
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, into) {
            Poll::Ready(result) => {
                if self.waiting == TimeoutKind::Idle && self.bytes_are_requests {
                    self.wait_for(TimeoutKind::Request, REQUEST);
                }
                Poll::Ready(result)
            }
            // The client waits for us; hyper only wants to know whether it goes away meanwhile.
            Poll::Pending if self.activity.is_handling() => Poll::Pending,
            Poll::Pending => self.poll_timeout(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
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
        // TLS takes more than it can send at once, so that here too the client may be waited for.
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(result) => {
                if self.waiting == TimeoutKind::Write {
                    self.wait_for(TimeoutKind::Idle, IDLE);
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.wrote(cx, Poll::Pending).map_ok(|_| ()),
        }
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
                // A client that sent nothing more does not mind the end.
                Poll::Pending if self.lingered != Some(0) => {
                    let timeout: Poll<io::Result<()>> = self.poll_timeout(cx);
                    return timeout.map(|_| Ok(()));
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::net::{TcpListener, TcpStream};

    /// In memory, because a paused clock jumps while bytes are still on their way through the kernel.
    fn pair() -> (TimeoutStream<DuplexStream>, DuplexStream) {
        let (stream, peer) = tokio::io::duplex(64 * 1024);
        (TimeoutStream::new(stream, Arc::default()), peer)
    }

    /// The clock is paused: it jumps to the next alarm when everybody waits.
    async fn check_read(stream: &mut TimeoutStream<DuplexStream>, time: Duration) {
        let started = Instant::now();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let waited = started.elapsed();
        assert!(time <= waited && waited < time + Duration::from_secs(1), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_must_send_a_request() {
        let (mut stream, mut peer) = pair();
        peer.write_all(b"GE").await.unwrap();
        assert_eq!(stream.read_u16().await.unwrap(), u16::from_be_bytes(*b"GE"));
        check_read(&mut stream, REQUEST).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_cut_off_while_the_request_is_handled() {
        let (mut stream, mut peer) = pair();
        let activity = Arc::clone(&stream.activity);
        let handling = activity.handling();
        let read = tokio::time::timeout(IDLE * 2, stream.read_u8()).await;
        assert!(read.is_err(), "still waiting");
        drop(handling);
        stream.write_all(b"HTTP").await.unwrap();
        peer.write_all(b"G").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'G');
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_more_time_until_the_next_one_begins() {
        let (mut stream, mut peer) = pair();
        stream.write_all(b"HTTP").await.unwrap();
        check_read(&mut stream, IDLE).await;
        let (mut stream, mut other) = pair();
        stream.write_all(b"HTTP").await.unwrap();
        other.write_all(b"G").await.unwrap();
        stream.read_u8().await.unwrap();
        check_read(&mut stream, REQUEST).await;
        peer.shutdown().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut stream, _peer) = pair();
        let started = Instant::now();
        let answer = vec![0; 64 * 1024 * 1024];
        assert_eq!(stream.write_all(&answer).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(WRITE <= started.elapsed() && started.elapsed() < WRITE * 2);
    }

    /// Over TCP, whose kernel resets a connection that is closed with unread bytes.
    #[tokio::test]
    async fn what_is_still_sent_is_taken_before_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = TimeoutStream::new(listener.accept().await.unwrap().0, Arc::default());
        peer.write_all(&[0; 1000]).await.unwrap();
        stream.stream.readable().await.unwrap();
        stream.write_all(b"no").await.unwrap();
        stream.shutdown().await.unwrap();
        drop(stream);
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"no");
    }
}
