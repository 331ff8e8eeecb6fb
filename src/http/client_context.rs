//! The client of the request that is being answered: limits for each client need its address far below the route.
//!
//! It belongs to the task, because a tool for assistants reads the store through other routes, which have no connection.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::client_buckets::remote_client;
use super::connection_peer::{ClientOrigin, ConnectionPeer};
use super::web_security::{ActiveConfig, WebSecurity};

tokio::task_local! {
    static CLIENT: ClientContext;
}

/// The client of a request.
#[derive(Debug, Clone)]
pub(super) struct ClientContext {
    /// Its IPv4 address or IPv6 network; `None` for the control socket and for loopback, where a proxy speaks for many
    /// clients.
    pub(super) address: Option<IpAddr>,
    /// Changes once the web configuration that let the client in is replaced.
    pub(super) web_config: watch::Receiver<Arc<ActiveConfig>>,
}

impl ClientContext {
    /// The context of a request that is not authenticated yet: a later change of the web configuration is noticed.
    pub(super) fn new(peer: &ConnectionPeer, security: &WebSecurity) -> Self {
        let address = match peer.origin {
            ClientOrigin::Network(address) => remote_client(address.ip()),
            ClientOrigin::Control => None,
        };
        Self { address, web_config: security.changes() }
    }

    /// Answers a request of this client.
    pub(super) async fn scope<F: Future>(self, answering: F) -> F::Output {
        CLIENT.scope(self, answering).await
    }

    /// The client of the request that is being answered; `None` without a connection.
    pub(super) fn current() -> Option<Self> {
        CLIENT.try_with(Self::clone).ok()
    }
}
