//! A token bucket: so many at once, then one each interval.

use std::time::Duration;

use tokio::time::Instant;

/// Tokens that come back one each interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenBucket {
    interval: Duration,
    burst: u32,
    /// When the bucket is full again: each token that is missing adds an interval.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn new(interval: Duration, burst: u32, now: Instant) -> Self {
        Self { interval, burst, full_at: now }
    }

    /// Takes a token, or returns the wait for the next one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.check(now)?;
        self.full_at = self.full_at.max(now) + self.interval;
        Ok(())
    }

    /// Checks for a token, or returns the wait for the next one.
    pub(super) fn check(&self, now: Instant) -> Result<(), Duration> {
        let missing = self.full_at.saturating_duration_since(now) + self.interval;
        match missing.checked_sub(self.interval * self.burst) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// When no token is missing anymore, if none is taken.
    pub(super) fn full_at(&self) -> Instant {
        self.full_at
    }

    /// Whether no token is missing.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_each_interval() {
        const SECOND: Duration = Duration::from_secs(1);
        let start = Instant::now();
        let mut bucket = TokenBucket::new(SECOND, 3, start);
        assert!(bucket.is_full(start));
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(SECOND));
        assert_eq!(bucket.take(start + SECOND / 2), Err(SECOND / 2));
        assert_eq!(bucket.take(start + SECOND), Ok(()));
        assert!(bucket.take(start + SECOND).is_err() && !bucket.is_full(start + SECOND));
        assert!(bucket.is_full(start + 4 * SECOND));
    }
}
