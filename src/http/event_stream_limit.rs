//! How many streams of events are open, of whom, and their common end.

use std::net::IpAddr;

use tokio::sync::watch;

use super::client_quota::{ClientQuota, QuotaExceeded, QuotaLimits, QuotaPermit};

/// Most streams of events; one more is refused. Fewer than connections, so that scrapers are never kept out.
pub const EVENT_STREAMS_MAX: usize = 16;
/// Most streams for one address, or for one IPv6 network of 64 bits.
pub const EVENT_STREAMS_PER_CLIENT_MAX: usize = 4;
/// Most streams for loopback and the control socket together: a proxy speaks for many clients, and others still get
/// permits.
pub const LOCAL_EVENT_STREAMS_MAX: usize = EVENT_STREAMS_MAX - EVENT_STREAMS_PER_CLIENT_MAX;

/// The streams that are open, and whether they must end.
#[derive(Debug)]
pub struct EventStreamLimit {
    open: ClientQuota,
    ended: watch::Sender<bool>,
}

impl Default for EventStreamLimit {
    fn default() -> Self {
        let open = ClientQuota::new(QuotaLimits {
            all: EVENT_STREAMS_MAX,
            client: EVENT_STREAMS_PER_CLIENT_MAX,
            local: LOCAL_EVENT_STREAMS_MAX,
        });
        Self { open, ended: watch::Sender::default() }
    }
}

impl EventStreamLimit {
    /// Ends all streams, so that the end of the server does not wait for their clients.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// A permit for one more stream of this client.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(super) fn acquire(&self, client: Option<IpAddr>) -> Result<QuotaPermit, QuotaExceeded> {
        self.open.acquire(client, 1)
    }

    /// Becomes true at the end.
    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }
}
