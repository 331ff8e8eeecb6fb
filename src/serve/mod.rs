//! The HTTP server: what the last tick produced, for whoever asks.
//!
//! A request never touches the sampling loop: it reads the newest page, which is replaced whole. Every limit is a
//! constant here or in `pace.rs`, so that neither a slow nor a greedy client disturbs the others.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

mod ask;
mod inherited;
mod listen;
mod route;
mod negotiate;
mod page;
mod metrics;
mod families;
mod text;
mod landing;
mod pace;
mod span;
mod ticks;

pub use ask::{Sick, health};
pub use inherited::inherited;
pub use listen::{Error, bind};
pub use metrics::{Build, Counts, METRICS, Options};
pub use negotiate::Format;
pub use page::Page;
pub use route::Site;
pub use ticks::Ticks;

use pace::Paced;

/// Connections that may be open at once; one more is refused and counted.
pub const CONNECTIONS_MAX: usize = 64;
/// Longest head of a request, its first line included; a longer one is answered with 431.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// What requests under way at the end are given to finish.
pub const GRACE: Duration = Duration::from_secs(3);
/// Pause after the system refused to give a connection, as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What a connection over the limit is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 26\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\ntoo many open connections\n";

/// Serves until `stop` is done, then finishes what is under way, within [`GRACE`].
///
/// # Errors
/// When the runtime does not take the listeners; afterwards nothing ends it but `stop`.
pub async fn serve(
    listeners: Vec<TcpListener>,
    site: Site,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let door = Arc::new(Door {
        site: Arc::new(site),
        permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        graceful: GracefulShutdown::new(),
    });
    // Dropped at the end of the scope, and with it the listeners.
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let door = Arc::clone(&door);
        accepting.spawn(async move { door.accept(listener).await });
    }
    stop.await;
    accepting.shutdown().await;
    let Some(door) = Arc::into_inner(door) else { return Ok(()) };
    let open = door.graceful.count();
    if timeout(GRACE, door.graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = open, "requests under way did not end in time and are cut off");
    }
    Ok(())
}

/// What connections are let in by.
struct Door {
    site: Arc<Site>,
    permits: Arc<Semaphore>,
    graceful: GracefulShutdown,
}

impl Door {
    async fn accept(&self, listener: tokio::net::TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match Arc::clone(&self.permits).try_acquire_owned() {
                    Ok(permit) => self.let_in(stream, peer, permit),
                    Err(_) => self.refuse(stream),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // An answer is written at once; waiting for more to send with it would only delay it.
        let _ = stream.set_nodelay(true);
        let site = Arc::clone(&self.site);
        let service = service_fn(move |request| {
            let answer = span::answer(&site, &request, Some(peer));
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // `Paced` limits the time, and tells a slow head from a pause between requests.
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(Paced::new(stream)), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
            drop(permit);
        });
    }

    /// Says so where that is possible without waiting; the peer learns it by the end of the connection otherwise.
    fn refuse(&self, stream: TcpStream) {
        Counts::add(&self.site.counts.dropped);
        if let Ok(mut stream) = stream.into_std() {
            let _ = stream.write(REFUSAL);
        }
    }
}
