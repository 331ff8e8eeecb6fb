//! The other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientOrigin {
    /// A client on the network.
    Network(SocketAddr),
    /// A client of the control socket, which its file permissions let in.
    Control,
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct ConnectionPeer {
    /// Where it comes from.
    pub(super) origin: ClientOrigin,
    /// With which settings the connection was encrypted; `None` for plain HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// The name in its certificate, if a known authority signed that.
    pub(super) certificate: Option<String>,
}
