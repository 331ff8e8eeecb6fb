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

use super::http2_frames::Http2Progress;

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
    pub(super) fn begin_request(&self) -> impl Drop + '_ {
        struct Handling<'a>(&'a ConnectionActivity);
        impl Drop for Handling<'_> {
            fn drop(&mut self) {
                self.0.handling.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.record_activity();
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

    fn record_activity(&self) {
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
    /// The frames of HTTP/2. In HTTP/1, each byte after a pause begins a request.
    http2: Option<Http2Progress>,
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
        Self { stream, activity, waiting, deadline, alarm, http2: None, lingered: None }
    }

    /// A stream of HTTP/2. A frame, or a head of several frames, must be whole [`REQUEST`] after its first byte. Without
    /// requests and responses it is kept for [`IDLE`], whatever else is said about the connection.
    pub(super) fn http2(stream: S, activity: Arc<ConnectionActivity>) -> Self {
        Self { http2: Some(Http2Progress::new(REQUEST, IDLE)), ..Self::new(stream, activity) }
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

    /// The client took some bytes.
    fn taken(&mut self) {
        match &self.http2 {
            None => {
                self.activity.record_activity();
                self.wait_for(TimeoutKind::Idle, IDLE);
            }
            Some(_) => self.wait_for_frames(),
        }
    }

    /// Waits for the rest of a frame or head, or else for anything.
    fn wait_for_frames(&mut self) {
        let Some(http2) = &self.http2 else { return };
        (self.waiting, self.deadline) = match http2.whole_until() {
            Some(deadline) => (TimeoutKind::Request, deadline),
            None => (TimeoutKind::Idle, http2.idle_until()),
        };
    }

    /// The client took these bytes, of which `written` says how many.
    fn took_frames(&mut self, written: &Poll<io::Result<usize>>, parts: &[&[u8]]) {
        let (Some(http2), Poll::Ready(Ok(count))) = (&mut self.http2, written) else { return };
        if http2.sent(parts, *count) {
            self.activity.record_activity();
        }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                self.taken();
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
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        let is_handling = self.activity.is_handling();
        if let Some(http2) = &mut self.http2 {
            http2.received(&into.filled()[before..]);
            if is_handling {
                http2.record_activity();
            }
            if self.waiting != TimeoutKind::Write {
                self.wait_for_frames();
            }
        } else if read.is_ready() && self.waiting == TimeoutKind::Idle {
            self.wait_for(TimeoutKind::Request, REQUEST);
        }
        match read {
            Poll::Ready(result) => Poll::Ready(result),
            // The client waits for us; hyper only wants to know whether it goes away meanwhile.
            Poll::Pending if is_handling => Poll::Pending,
            Poll::Pending => self.poll_timeout(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.took_frames(&written, &[bytes]);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        if self.http2.is_some() {
            let parts: Vec<&[u8]> = bytes.iter().map(|it| &**it).collect();
            self.took_frames(&written, &parts);
        }
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
                    match self.http2 {
                        None => self.wait_for(TimeoutKind::Idle, IDLE),
                        Some(_) => self.wait_for_frames(),
                    }
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
#[path = "timeouts_test.rs"]
mod tests;
