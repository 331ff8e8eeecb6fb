//! Accepts connections, limits their number and duration, and closes them.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::app_state::AppState;
use super::connection_peer::{ClientOrigin, ConnectionPeer};
use super::connection_table::ConnectionTable;
use super::control_socket::{ControlSocket, ControlStream};
use super::message::{BODY_BYTES_MAX, HEAD_BYTES_MAX, Response};
use super::server_counters::ServerCounters;
use super::timeouts::{ConnectionActivity, LINGER, LINGER_BYTES_MAX, REQUEST, TimeoutStream};
use super::tls::{self, ServerTls};
use super::web_app::WebApp;
use crate::open_files;
use crate::request_cpu;

/// Most connections from the network; for one more, the one without activity for the longest time is closed.
pub const CONNECTIONS_MAX: usize = 64;
/// Most connections to the control socket; the same holds for one more.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;
/// Most requests at a time on a connection of HTTP/2: the streams of events of a client and a page. Each may keep a response in
/// memory for as long as its client takes it.
const STREAMS_MAX: u32 = 8;
/// Most bytes of bodies that a connection of HTTP/2 keeps until they are read: those of one request.
const WINDOW_BYTES: u32 = BODY_BYTES_MAX as u32;
/// Time between two looks at the CPU time of the thread that serves.
const CPU_PAUSE: Duration = Duration::from_secs(5);
/// Time for current requests to finish when the server stops.
pub const GRACE: Duration = Duration::from_secs(3);
/// File descriptors of the runtime, signals, listeners and standard streams, which no connection can have.
const DESCRIPTORS_TAKEN: usize = 12;
/// Other file descriptors of the process for each connection, so that files and the store have some.
const DESCRIPTORS_PER_CONNECTION: usize = 4;
/// Shortest time between two warnings that the system refuses.
const WARN_PAUSE: Duration = Duration::from_secs(60);
/// Pause after the system refused to give a connection, as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A listener whose connections can be served.
trait Listener: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, ClientOrigin)>> + Send;

    /// Serves a connection to its end.
    fn serve(
        stream: Self::Stream,
        origin: ClientOrigin,
        connection: ConnectionContext,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

impl Listener for tokio::net::TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, ClientOrigin)> {
        let (stream, address) = self.accept().await?;
        // A response is written at once; waiting for more to send with it would only delay it.
        let _ = stream.set_nodelay(true);
        Ok((stream, ClientOrigin::Network(address)))
    }

    async fn serve(
        stream: TcpStream,
        origin: ClientOrigin,
        mut connection: ConnectionContext,
    ) -> io::Result<()> {
        let active = connection.state.security().active();
        let Some(tls) = &active.tls else {
            return connection.http1(stream, ConnectionPeer { origin, tls: None, certificate: None }).await;
        };
        let shaken = tokio::select! {
            shaken = timeout(REQUEST, handshake(stream, tls)) => shaken?,
            // The sender is dropped at the end of the server.
            _ = connection.stopping.changed() => return Ok(()),
        };
        let Some(stream) = shaken? else {
            connection.state.counts().requests.note_unreadable(StatusCode::BAD_REQUEST);
            return Ok(());
        };
        let end = stream.get_ref().1;
        let certificate = end.peer_certificates().filter(|_| tls.verifies_clients).and_then(<[_]>::first);
        let certificate = certificate.map(|it| tls::subject_name(it).unwrap_or_default());
        let peer = ConnectionPeer { origin, tls: Some(Arc::clone(&tls.server)), certificate };
        match tls::chose_http2(end) {
            true => connection.http2(stream, peer).await,
            false => connection.http1(stream, peer).await,
        }
    }
}

impl Listener for ControlSocket {
    type Stream = ControlStream;

    async fn next(&self) -> io::Result<(Self::Stream, ClientOrigin)> {
        Ok((self.accept().await?, ClientOrigin::Control))
    }

    async fn serve(
        stream: ControlStream,
        origin: ClientOrigin,
        connection: ConnectionContext,
    ) -> io::Result<()> {
        connection.http1(stream, ConnectionPeer { origin, tls: None, certificate: None }).await
    }
}

/// The encrypted stream; `None` for a client that speaks plain HTTP, which gets a response that says so.
async fn handshake(stream: TcpStream, tls: &ServerTls) -> io::Result<Option<TlsStream<TcpStream>>> {
    const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nhostnorm serves HTTPS here; use https:// in the URL\n";
    let mut first = [0; 1];
    stream.peek(&mut first).await?;
    // TLS starts with the byte 22, a method of HTTP with a letter.
    if first[0].is_ascii_uppercase() {
        return say_and_close(stream, PLAIN).await.map(|()| None);
    }
    match TlsAcceptor::from(Arc::clone(&tls.server)).accept(stream).into_fallible().await {
        Ok(stream) => Ok(Some(stream)),
        Err((error, stream)) => {
            // The alert that says why is sent already.
            say_and_close(stream, b"").await?;
            Err(error)
        }
    }
}

/// Sends the last bytes and takes what the client still sends, which would otherwise reset the connection and lose them.
async fn say_and_close(mut stream: TcpStream, last: &[u8]) -> io::Result<()> {
    stream.write_all(last).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES_MAX as u64);
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}

/// Serves until `stop` completes, then finishes current requests within [`GRACE`].
///
/// # Errors
/// When the runtime does not take the listeners; afterwards nothing ends it but `stop`.
pub async fn serve(
    listeners: Vec<TcpListener>,
    control: impl Future<Output = Option<ControlSocket>> + Send + 'static,
    state: AppState,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_app(listeners, control, Arc::new(state), stop).await
}

/// As [`serve`], for any web app.
pub(super) async fn serve_app(
    listeners: Vec<TcpListener>,
    control: impl Future<Output = Option<ControlSocket>> + Send + 'static,
    state: Arc<dyn WebApp>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let graceful = Arc::new(GracefulShutdown::new());
    let (stopped, stopping) = watch::channel(());
    let acceptor = |connections_max: usize| {
        let (state, graceful, stopping) = (Arc::clone(&state), Arc::clone(&graceful), stopping.clone());
        let free = open_files::descriptors_max().saturating_sub(DESCRIPTORS_TAKEN);
        let affordable = (free / DESCRIPTORS_PER_CONNECTION).max(1);
        let open = Mutex::new(ConnectionTable::new(connections_max.min(affordable)));
        Arc::new(ConnectionAcceptor { state, graceful, stopping, open })
    };
    // Dropped at the end of the scope, and with it the listeners.
    let mut accepting = JoinSet::new();
    let network = acceptor(CONNECTIONS_MAX);
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let network = Arc::clone(&network);
        accepting.spawn(async move { network.accept(&listener).await });
    }
    drop(network);
    // Its directory may be on a disk that hangs, for which the network does not wait.
    let local = acceptor(CONTROL_CONNECTIONS_MAX);
    accepting.spawn(async move {
        let Some(mut socket) = control.await else { return };
        loop {
            tokio::select! {
                () = local.accept(&socket) => {}
                () = socket.lost() => {}
            }
            socket = socket.bind_again().await;
        }
    });
    // The loop subtracts it from that of the process.
    accepting.spawn(async {
        let mut last = request_cpu::note_serving_thread(None);
        loop {
            sleep(CPU_PAUSE).await;
            last = request_cpu::note_serving_thread(last);
        }
    });
    let status = Arc::clone(&state.counts().web_config);
    accepting.spawn(Arc::clone(state.security()).follow(status, state.clock()));
    stop.await;
    drop(stopped);
    state.end_streams();
    accepting.shutdown().await;
    let Some(graceful) = Arc::into_inner(graceful) else { return Ok(()) };
    let open = graceful.count();
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = open, "requests did not finish in time; their connections are closed");
    }
    Ok(())
}

/// Lets connections in, and keeps their number within a limit.
struct ConnectionAcceptor {
    state: Arc<dyn WebApp>,
    graceful: Arc<GracefulShutdown>,
    stopping: watch::Receiver<()>,
    open: Mutex<ConnectionTable>,
}

impl ConnectionAcceptor {
    async fn accept<L: Listener>(&self, listener: &L) {
        let mut warned: Option<Instant> = None;
        loop {
            match listener.next().await {
                Ok((stream, origin)) => {
                    self.admit::<L>(stream, origin);
                    // It may read its request before a flood of others makes it the one idle for longest.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    if warned.is_none_or(|it| WARN_PAUSE <= it.elapsed()) {
                        tracing::warn!(%error, "cannot accept connections; trying again");
                        warned = Some(Instant::now());
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection on a task of its own, so that a handshake keeps nobody waiting.
    fn admit<L: Listener>(&self, stream: L::Stream, origin: ClientOrigin) {
        let activity = Arc::new(ConnectionActivity::default());
        let connection = ConnectionContext {
            state: Arc::clone(&self.state),
            watcher: self.graceful.watcher(),
            stopping: self.stopping.clone(),
            activity: Arc::clone(&activity),
        };
        let task = tokio::spawn(async move {
            if let Err(error) = L::serve(stream, origin, connection).await {
                tracing::debug!(%error, ?origin, "connection ended early");
            }
        });
        let address = match origin {
            ClientOrigin::Network(address) => Some(address.ip()),
            ClientOrigin::Control => None,
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = open.add(address, activity, task.abort_handle());
        (0..dropped).for_each(|_| ServerCounters::add(&self.state.counts().dropped));
    }
}

/// The status with which hyper answers a head that it cannot read, before it ends the connection.
fn unreadable_head(error: &hyper::Error) -> Option<StatusCode> {
    if error.is_parse_too_large() {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    (error.is_parse() && !error.is_parse_version_h2()).then_some(StatusCode::BAD_REQUEST)
}

/// What a connection is served with.
struct ConnectionContext {
    state: Arc<dyn WebApp>,
    watcher: Watcher,
    stopping: watch::Receiver<()>,
    activity: Arc<ConnectionActivity>,
}

impl ConnectionContext {
    /// Answers the requests of this connection.
    fn responder(
        &self,
        peer: ConnectionPeer,
    ) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + use<> {
        let (state, activity, peer) = (Arc::clone(&self.state), Arc::clone(&self.activity), Arc::new(peer));
        service_fn(move |request| {
            let (state, activity, peer) = (Arc::clone(&state), Arc::clone(&activity), Arc::clone(&peer));
            async move { Ok(state.respond(&peer, &activity, request).await) }
        })
    }

    async fn http1<S>(self, stream: S, peer: ConnectionPeer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TimeoutStream::new(stream, Arc::clone(&self.activity));
        let state = Arc::clone(&self.state);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // `TimeoutStream` limits the time, and tells a slow head from a pause between requests.
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), self.responder(peer));
        self.watcher.watch(connection).await.map_err(|error| {
            let status = unreadable_head(&error);
            status.iter().for_each(|it| state.counts().requests.note_unreadable(*it));
            io::Error::other(error)
        })
    }

    async fn http2<S>(self, stream: S, peer: ConnectionPeer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TimeoutStream::http2(stream, Arc::clone(&self.activity));
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .serve_connection(TokioIo::new(stream), self.responder(peer));
        self.watcher.watch(connection).await.map_err(io::Error::other)
    }
}

#[cfg(test)]
#[path = "server_test.rs"]
mod tests;
