//! Accepts connections, limits their number and duration, and closes them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::control_socket::{ControlSocket, ControlStream};
use super::metrics::ServerCounters;
use super::request_span;
use super::routes::AppState;
use super::timeouts::{ConnectionActivity, TimeoutStream};

/// Most connections from the network; for one more, the one without activity for the longest time is closed.
pub const CONNECTIONS_MAX: usize = 64;
/// Most connections to the control socket; the same holds for one more.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;
/// Longest head of a request, its first line included; a longer one is answered with 431.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Time that requests under way at the end are given to finish.
pub const GRACE: Duration = Duration::from_secs(3);
/// Pause after the system refused to give a connection, as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientOrigin {
    /// A client on the network.
    Network(SocketAddr),
    /// A client of the control socket, which its file permissions let in.
    Control,
}

/// A listener whose connections can be served.
trait Listener: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, ClientOrigin)>> + Send;
}

impl Listener for tokio::net::TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, ClientOrigin)> {
        let (stream, address) = self.accept().await?;
        // A response is written at once; waiting for more to send with it would only delay it.
        let _ = stream.set_nodelay(true);
        Ok((stream, ClientOrigin::Network(address)))
    }
}

impl Listener for ControlSocket {
    type Stream = ControlStream;

    async fn next(&self) -> io::Result<(Self::Stream, ClientOrigin)> {
        Ok((self.accept().await?, ClientOrigin::Control))
    }
}

/// Serves until `stop` is done, then finishes what is under way, within [`GRACE`].
///
/// # Errors
/// When the runtime does not take the listeners; afterwards nothing ends it but `stop`.
pub async fn serve(
    listeners: Vec<TcpListener>,
    control: impl Future<Output = Option<ControlSocket>> + Send + 'static,
    state: AppState,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let state = Arc::new(state);
    let graceful = Arc::new(GracefulShutdown::new());
    let acceptor = |connections_max| {
        let (state, graceful) = (Arc::clone(&state), Arc::clone(&graceful));
        Arc::new(Acceptor { state, graceful, connections_max, open: Mutex::default() })
    };
    // Dropped at the end of the scope, and with it the listeners.
    let mut accepting = JoinSet::new();
    let network = acceptor(CONNECTIONS_MAX);
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.spawn(Arc::clone(&network).accept(listener));
    }
    drop(network);
    // Its directory may be on a disk that hangs, for which the network does not wait.
    let local = acceptor(CONTROL_CONNECTIONS_MAX);
    accepting.spawn(async move {
        if let Some(socket) = control.await {
            local.accept(socket).await;
        }
    });
    stop.await;
    accepting.shutdown().await;
    let Some(graceful) = Arc::into_inner(graceful) else { return Ok(()) };
    let open = graceful.count();
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = open, "requests did not finish in time; their connections are closed");
    }
    Ok(())
}

/// Lets connections in, and keeps their number within a limit.
struct Acceptor {
    state: Arc<AppState>,
    graceful: Arc<GracefulShutdown>,
    connections_max: usize,
    open: Mutex<Vec<Connection>>,
}

/// An open connection.
struct Connection {
    activity: Arc<ConnectionActivity>,
    task: AbortHandle,
}

impl Acceptor {
    async fn accept(self: Arc<Self>, listener: impl Listener) {
        loop {
            match listener.next().await {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit<S>(&self, stream: S, peer: ClientOrigin)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Arc::new(ConnectionActivity::default());
        let stream = TimeoutStream::new(stream, Arc::clone(&activity));
        let (state, own) = (Arc::clone(&self.state), Arc::clone(&activity));
        let service = service_fn(move |request| {
            let (state, activity) = (Arc::clone(&state), Arc::clone(&own));
            async move {
                let response = request_span::respond(&state, &peer, &activity, request).await;
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // `TimeoutStream` limits the time, and tells a slow head from a pause between requests.
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        self.make_room();
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(Connection { activity, task: task.abort_handle() });
    }

    /// If there are too many connections, closes the one without activity for the longest time, preferably one without
    /// a request under way. Newcomers are always let in: a client that holds connections open without using them must
    /// not keep out a scraper or a health check.
    fn make_room(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|it| !it.task.is_finished());
        if open.len() < self.connections_max {
            return;
        }
        let oldest = open.iter().enumerate().min_by_key(|(_, it)| it.activity.eviction_order());
        if let Some(index) = oldest.map(|(index, _)| index) {
            open.swap_remove(index).task.abort();
            ServerCounters::add(&self.state.pages.counts().dropped);
        }
    }
}
