//! A token bucket for each client, by its address: for failed logins, and for requests.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use super::token_bucket::TokenBucket;

/// Most addresses that are remembered; for one more, the one that can be missed most is forgotten.
const ADDRESSES_MAX: usize = 1024;

/// The buckets of all clients, which are alike.
#[derive(Debug)]
pub(super) struct ClientBuckets {
    interval: Duration,
    burst: u32,
    addresses: BTreeMap<IpAddr, TokenBucket>,
}

impl ClientBuckets {
    /// Each client has this many tokens at once, then one each interval.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, addresses: BTreeMap::new() }
    }

    /// Checks for a token of this client, or returns the wait for the next one.
    pub(super) fn check(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        self.addresses.get(&client(address)).map_or(Ok(()), |it| it.check(now))
    }

    /// Takes a token of this client, or returns the wait for the next one.
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let address = client(address);
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address) {
            self.addresses.retain(|_, it| !it.is_full(now));
            if self.addresses.len() >= ADDRESSES_MAX {
                let soonest = self.addresses.iter().min_by_key(|(_, it)| it.full_at()).map(|(it, _)| *it);
                soonest.and_then(|it| self.addresses.remove(&it));
            }
        }
        let new = || TokenBucket::new(self.interval, self.burst, now);
        self.addresses.entry(address).or_insert_with(new).take(now)
    }
}

/// The client with this address; `None` for loopback, because a proxy on this host forwards requests of many clients.
pub(super) fn remote_client(address: IpAddr) -> Option<IpAddr> {
    Some(client(address)).filter(|it| !it.is_loopback())
}

/// What belongs to one client: an IPv4 address, or an IPv6 network of 64 bits, of which one host has all addresses.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) if !six.is_loopback() => {
            let [a, b, c, d, ..] = six.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(6);
    const MOST: u32 = 10;

    #[test]
    fn who_takes_too_many_waits_and_others_do_not() {
        let (mut buckets, now) = (ClientBuckets::new(PAUSE, MOST), Instant::now());
        let [one, other]: [IpAddr; 2] = ["2001:db8::1", "192.0.2.1"].map(|it| it.parse().unwrap());
        for _ in 0..MOST {
            assert_eq!(buckets.check(one, now), Ok(()));
            assert_eq!(buckets.take(one, now), Ok(()));
        }
        assert_eq!(buckets.take(one, now), Err(PAUSE));
        assert_eq!(buckets.check(one, now), Err(PAUSE));
        assert_eq!(buckets.check("2001:db8::2".parse().unwrap(), now), Err(PAUSE), "the same network");
        assert_eq!(buckets.check("2001:db8:0:1::1".parse().unwrap(), now), Ok(()));
        assert_eq!(buckets.check(other, now), Ok(()));
        assert_eq!(buckets.check(one, now + PAUSE), Ok(()));
    }

    #[test]
    fn addresses_are_bounded() {
        let (mut buckets, now) = (ClientBuckets::new(PAUSE, MOST), Instant::now());
        let first = IpAddr::from([10, 0, 0, 0]);
        for _ in 0..MOST {
            assert_eq!(buckets.take(first, now), Ok(()));
        }
        for number in 1..2 * ADDRESSES_MAX as u32 {
            assert_eq!(buckets.take(IpAddr::from((0x0a00_0000 + number).to_be_bytes()), now), Ok(()));
            assert!(buckets.addresses.len() <= ADDRESSES_MAX);
        }
        assert!(buckets.check(first, now).is_err(), "who took more is remembered longer");
    }
}
