//! The open connections, and which is closed for a new one.
//!
//! Newcomers are always let in: a client that holds connections open without using them must not keep out a scraper or a
//! health check. One address may hold a quarter of the connections from the network at most, so that even a client that keeps
//! its connections busy closes its own before those of others.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::client_buckets::remote_client;
use super::timeouts::ConnectionActivity;

/// Most connections from one address, or from one IPv6 network of 64 bits. Loopback is exempt: a proxy on this host speaks for
/// many clients.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;

/// The open connections of one kind of listener.
#[derive(Debug)]
pub(super) struct ConnectionTable {
    connections_max: usize,
    open: Vec<TrackedConnection>,
}

#[derive(Debug)]
struct TrackedConnection {
    /// Nothing for those of the control socket and of loopback.
    address: Option<IpAddr>,
    activity: Arc<ConnectionActivity>,
    task: AbortHandle,
}

impl ConnectionTable {
    /// No connections yet, and never more than this many.
    pub(super) fn new(connections_max: usize) -> Self {
        Self { connections_max, open: Vec::new() }
    }

    /// Adds a connection; closes others where there are too many, and says how many.
    pub(super) fn add(
        &mut self,
        address: Option<IpAddr>,
        activity: Arc<ConnectionActivity>,
        task: AbortHandle,
    ) -> usize {
        let address = address.and_then(remote_client);
        self.open.retain(|it| !it.task.is_finished());
        let mut closed = 0;
        if address.is_some() {
            let of_address = |it: &TrackedConnection| it.address == address;
            closed += self.close_beyond(CONNECTIONS_PER_ADDRESS_MAX - 1, of_address);
        }
        closed += self.close_beyond(self.connections_max - 1, |_| true);
        self.open.push(TrackedConnection { address, activity, task });
        closed
    }

    /// Of the connections that fit, leaves at most this many: closes those without activity for the longest time, preferably
    /// without a request under way.
    fn close_beyond(&mut self, most: usize, fits: impl Fn(&TrackedConnection) -> bool) -> usize {
        let mut closed = 0;
        while self.open.iter().filter(|it| fits(it)).count() > most {
            let those = self.open.iter().enumerate().filter(|(_, it)| fits(it));
            let Some((oldest, _)) = those.min_by_key(|(_, it)| it.activity.eviction_order()) else { break };
            self.open.swap_remove(oldest).task.abort();
            closed += 1;
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds a connection from this address; gives its task and how many were closed for it.
    fn add(table: &mut ConnectionTable, address: Option<&str>) -> (tokio::task::JoinHandle<()>, usize) {
        let task = tokio::spawn(std::future::pending());
        let address = address.map(|it| it.parse().unwrap());
        let closed = table.add(address, Arc::default(), task.abort_handle());
        (task, closed)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_closes_its_own_connections_first() {
        let mut table = ConnectionTable::new(64);
        let (scraper, _) = add(&mut table, Some("192.0.2.1"));
        for number in 0..100 {
            let (_, closed) = add(&mut table, Some("192.0.2.9"));
            assert_eq!(closed, usize::from(number >= CONNECTIONS_PER_ADDRESS_MAX), "{number}");
        }
        tokio::task::yield_now().await;
        assert!(!scraper.is_finished());
        assert_eq!(table.open.len(), 1 + CONNECTIONS_PER_ADDRESS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn loopback_and_the_socket_have_only_the_limit_of_all() {
        for address in [Some("127.0.0.1"), Some("::1"), Some("::ffff:127.0.0.1"), None] {
            let mut table = ConnectionTable::new(64);
            let closed: usize = (0..70).map(|_| add(&mut table, address).1).sum();
            assert_eq!((closed, table.open.len()), (6, 64), "{address:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_is_one_client() {
        let mut table = ConnectionTable::new(64);
        let add = |it: u32| add(&mut table, Some(&format!("2001:db8::{it:x}"))).1;
        assert_eq!((1..=20).map(add).sum::<usize>(), 4);
    }
}
