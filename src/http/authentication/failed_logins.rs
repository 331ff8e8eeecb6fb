//! Counts failed logins by address, so that passwords cannot be guessed at speed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::token_bucket::TokenBucket;

/// Failed logins in a row after which an address waits, …
const FAILED_MAX: u32 = 10;
/// … for each further one.
const PAUSE: Duration = Duration::from_secs(6);
/// Most addresses that are remembered; for one more, the one that can be missed most is forgotten.
const ADDRESSES_MAX: usize = 1024;

/// The failed logins of each address.
#[derive(Debug, Default)]
pub(super) struct FailedLogins {
    addresses: BTreeMap<IpAddr, TokenBucket>,
}

impl FailedLogins {
    /// Whether another login is checked; says how long to wait where it is not.
    pub(super) fn check(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        self.addresses.get(&client(address)).map_or(Ok(()), |it| it.check(now))
    }

    /// A login from this address failed.
    pub(super) fn note(&mut self, address: IpAddr, now: Instant) {
        let address = client(address);
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address) {
            self.addresses.retain(|_, it| !it.is_full(now));
            if self.addresses.len() >= ADDRESSES_MAX {
                let soonest = self.addresses.iter().min_by_key(|(_, it)| it.full_at()).map(|(it, _)| *it);
                soonest.and_then(|it| self.addresses.remove(&it));
            }
        }
        let bucket =
            self.addresses.entry(address).or_insert_with(|| TokenBucket::new(PAUSE, FAILED_MAX, now));
        let _ = bucket.take(now);
    }
}

/// What belongs to one client: an IPv4 address, or an IPv6 network of 64 bits, of which one host has all addresses.
pub(in crate::http) fn client(address: IpAddr) -> IpAddr {
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

    #[test]
    fn who_fails_often_waits_and_others_do_not() {
        let (mut failed, now) = (FailedLogins::default(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["2001:db8::1", "192.0.2.1"].map(|it| it.parse().unwrap());
        for _ in 0..FAILED_MAX {
            assert_eq!(failed.check(one, now), Ok(()));
            failed.note(one, now);
        }
        assert_eq!(failed.check(one, now), Err(PAUSE));
        assert_eq!(failed.check("2001:db8::2".parse().unwrap(), now), Err(PAUSE), "the same network");
        assert_eq!(failed.check("2001:db8:0:1::1".parse().unwrap(), now), Ok(()));
        assert_eq!(failed.check(other, now), Ok(()));
        assert_eq!(failed.check(one, now + PAUSE), Ok(()));
    }

    #[test]
    fn addresses_are_bounded() {
        let (mut failed, now) = (FailedLogins::default(), Instant::now());
        let first = IpAddr::from([10, 0, 0, 0]);
        for _ in 0..FAILED_MAX {
            failed.note(first, now);
        }
        for number in 1..2 * ADDRESSES_MAX as u32 {
            failed.note(IpAddr::from((0x0a00_0000 + number).to_be_bytes()), now);
            assert!(failed.addresses.len() <= ADDRESSES_MAX);
        }
        assert!(failed.check(first, now).is_err(), "who failed more is remembered longer");
    }
}
