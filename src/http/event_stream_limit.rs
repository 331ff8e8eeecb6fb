//! How many streams of events are open, of whom, and their common end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Most streams of events; one more is refused. Fewer than connections, so that scrapers are never kept out.
pub const EVENT_STREAMS_MAX: usize = 16;
/// Most streams for one address, or for one IPv6 network of 64 bits.
pub const EVENT_STREAMS_PER_CLIENT_MAX: usize = 4;
/// Most streams for loopback and the control socket together: a proxy speaks for many clients, and others still get
/// permits.
pub const LOCAL_EVENT_STREAMS_MAX: usize = EVENT_STREAMS_MAX - EVENT_STREAMS_PER_CLIENT_MAX;

/// The open streams by address; those of loopback and the control socket have none.
type OpenStreams = BTreeMap<Option<IpAddr>, usize>;

/// The streams that are open, and whether they must end.
#[derive(Debug, Default)]
pub struct EventStreamLimit {
    open: Arc<Mutex<OpenStreams>>,
    ended: watch::Sender<bool>,
}

/// The permit of one stream; given back when it is dropped.
#[derive(Debug)]
pub(super) struct StreamPermit {
    open: Arc<Mutex<OpenStreams>>,
    client: Option<IpAddr>,
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
    pub(super) fn acquire(&self, client: Option<IpAddr>) -> Result<StreamPermit, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= EVENT_STREAMS_MAX {
            return Err(format!("the maximum is {EVENT_STREAMS_MAX}"));
        }
        let own_max = if client.is_some() { EVENT_STREAMS_PER_CLIENT_MAX } else { LOCAL_EVENT_STREAMS_MAX };
        if open.get(&client).is_some_and(|it| *it >= own_max) {
            let whose = if client.is_some() { "each address" } else { "this host" };
            return Err(format!("the maximum for {whose} is {own_max}"));
        }
        *open.entry(client).or_default() += 1;
        Ok(StreamPermit { open: Arc::clone(&self.open), client })
    }

    /// Becomes true at the end.
    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.client) {
            *own -= 1;
        }
        open.retain(|_, it| 0 < *it);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_takes_all_places() {
        let streams = EventStreamLimit::default();
        let client = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        let all = |client| std::iter::from_fn(|| streams.acquire(client).ok()).collect::<Vec<_>>();
        let local = all(None);
        assert_eq!(local.len(), LOCAL_EVENT_STREAMS_MAX);
        let one = all(client(1));
        assert_eq!(one.len(), EVENT_STREAMS_PER_CLIENT_MAX);
        assert_eq!(streams.acquire(client(2)).unwrap_err(), "the maximum is 16");
        drop(local);
        assert_eq!(streams.acquire(client(1)).unwrap_err(), "the maximum for each address is 4");
        assert_eq!(all(client(2)).len(), EVENT_STREAMS_PER_CLIENT_MAX);
        drop(one);
        assert!(streams.open.lock().unwrap().is_empty(), "who has no stream is forgotten");
    }
}
