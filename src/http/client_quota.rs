//! A quantity that all clients share within limits, so that no client takes all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The limits of a [`ClientQuota`].
#[derive(Debug, Clone, Copy)]
pub(super) struct QuotaLimits {
    /// Most for all clients together.
    pub(super) all: usize,
    /// Most for one address, or for one IPv6 network of 64 bits.
    pub(super) client: usize,
    /// Most for loopback and the control socket together: a proxy speaks for many clients.
    pub(super) local: usize,
}

/// Use by client; that of loopback and the control socket has no address.
type QuotaUse = BTreeMap<Option<IpAddr>, usize>;

/// How much of a quantity is in use, and by whom.
#[derive(Debug)]
pub(super) struct ClientQuota {
    limits: QuotaLimits,
    used: Arc<Mutex<QuotaUse>>,
}

/// A part of the quantity; given back when it is dropped.
#[derive(Debug)]
pub(super) struct QuotaPermit {
    used: Arc<Mutex<QuotaUse>>,
    client: Option<IpAddr>,
    count: usize,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuotaExceeded {
    All(usize),
    Client(usize),
    Local(usize),
}

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(max) => write!(f, "the maximum is {max}"),
            Self::Client(max) => write!(f, "the maximum for each address is {max}"),
            Self::Local(max) => write!(f, "the maximum for this host is {max}"),
        }
    }
}

impl ClientQuota {
    pub(super) fn new(limits: QuotaLimits) -> Self {
        Self { limits, used: Arc::default() }
    }

    /// A permit of this client for so much.
    ///
    /// # Errors
    /// The limit that this would exceed.
    pub(super) fn acquire(&self, client: Option<IpAddr>, count: usize) -> Result<QuotaPermit, QuotaExceeded> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let own = used.get(&client).map_or(count, |it| it.saturating_add(count));
        let QuotaLimits { all, client: client_max, local } = self.limits;
        if all < used.values().sum::<usize>().saturating_add(count) {
            return Err(QuotaExceeded::All(all));
        }
        match client {
            Some(_) if client_max < own => return Err(QuotaExceeded::Client(client_max)),
            None if local < own => return Err(QuotaExceeded::Local(local)),
            _ => _ = used.insert(client, own),
        }
        Ok(QuotaPermit { used: Arc::clone(&self.used), client, count })
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = used.get_mut(&self.client) {
            *own -= self.count;
        }
        // A client that uses nothing is forgotten.
        used.retain(|_, it| 0 < *it);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_takes_all_places() {
        let quota = ClientQuota::new(QuotaLimits { all: 16, client: 4, local: 12 });
        let client = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        let all = |client| std::iter::from_fn(|| quota.acquire(client, 1).ok()).collect::<Vec<_>>();
        let local = all(None);
        assert_eq!(local.len(), 12);
        assert_eq!(quota.acquire(None, 1).unwrap_err().to_string(), "the maximum for this host is 12");
        let one = all(client(1));
        assert_eq!(one.len(), 4);
        assert_eq!(quota.acquire(client(2), 1).unwrap_err().to_string(), "the maximum is 16");
        drop(local);
        let refused = quota.acquire(client(1), 1).unwrap_err();
        assert_eq!(refused.to_string(), "the maximum for each address is 4");
        assert_eq!(quota.acquire(client(2), 5).unwrap_err(), QuotaExceeded::Client(4));
        let large = quota.acquire(client(2), 4).unwrap();
        assert_eq!(quota.acquire(client(2), 1).unwrap_err(), QuotaExceeded::Client(4));
        drop((one, large));
        assert!(quota.used.lock().unwrap().is_empty(), "who uses nothing is forgotten");
    }
}
