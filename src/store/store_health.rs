//! The health of the store in atomics: the writer thread sets it, the loop exposes it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;
use crate::metric::Metric;
use crate::reading::{MetricLabels, SubjectValues, Timestamp};

static SUCCESS: Metric = Metric::gauge(
    "hostnorm_store_success",
    "Whether the store commits (1) or fails (0); absent without a store. A store that has not responded for two commit intervals and 10 s counts as failed",
);
static SIZE: Metric =
    Metric::gauge("hostnorm_store_size_bytes", "Size of the store in bytes, including its write-ahead log");
static LAST_COMMIT: Metric = Metric::gauge(
    "hostnorm_store_last_commit_timestamp_seconds",
    "Unix time of the last commit to the store, in seconds",
);
static ERRORS: Metric = Metric::counter(
    "hostnorm_store_errors_total",
    "Store errors, by operation: open, write, or prune (delete old rows)",
)
.by(&["operation"]);
static DROPPED: Metric = Metric::counter(
    "hostnorm_store_rows_dropped_total",
    "Readings and other rows not stored, because the store was unavailable or full, or already knew 65,536 combinations of metric and labels",
);

/// Metrics of the store.
pub static METRICS: &[&Metric] = &[&SUCCESS, &SIZE, &LAST_COMMIT, &ERRORS, &DROPPED];

/// Time beyond two commit intervals after which an unresponsive store counts as failed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Operations that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreOperation {
    Open,
    Write,
    Prune,
}

impl StoreOperation {
    const ALL: [Self; 3] = [Self::Open, Self::Write, Self::Prune];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Write => "write",
            Self::Prune => "prune",
        }
    }
}

const UNKNOWN: u8 = 0;
const WORKS: u8 = 1;
const FAILS: u8 = 2;

#[derive(Debug)]
pub(super) struct StoreStatus {
    state: AtomicU8,
    /// Longest time without a sign of life.
    response_timeout: Duration,
    started: Instant,
    /// Milliseconds from the start to the last sign of life.
    alive: AtomicU64,
    /// Whether the log already says that the store does not respond.
    is_logged: AtomicBool,
    size: AtomicU64,
    /// Bits of the time in seconds since the epoch; 0 before the first commit.
    last_commit: AtomicU64,
    errors: [AtomicU64; StoreOperation::ALL.len()],
    dropped: AtomicU64,
}

impl StoreStatus {
    pub(super) fn new(commit_interval: Duration) -> Self {
        Self {
            state: AtomicU8::new(UNKNOWN),
            response_timeout: commit_interval * 2 + RESPONSE_TIMEOUT,
            started: clock::instant(),
            alive: AtomicU64::new(0),
            is_logged: AtomicBool::new(false),
            size: AtomicU64::new(0),
            last_commit: AtomicU64::new(0),
            errors: Default::default(),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn drop_rows(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn set_committed_at(&self, at: Timestamp) {
        self.last_commit.store(at.0.to_bits(), Ordering::Relaxed);
        self.set_healthy();
    }

    pub(super) fn set_healthy(&self) {
        self.lives();
        self.state.store(WORKS, Ordering::Relaxed);
    }

    /// Records a failed operation, which is a sign of life, too.
    pub(super) fn failed(&self, operation: StoreOperation) {
        self.errors[operation as usize].fetch_add(1, Ordering::Relaxed);
        self.lives();
        self.state.store(FAILS, Ordering::Relaxed);
    }

    fn lives(&self) {
        let millis = self.started.elapsed().as_millis();
        self.alive.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.is_logged.store(false, Ordering::Relaxed);
    }

    pub(super) fn measured(&self, bytes: u64) {
        self.size.store(bytes, Ordering::Relaxed);
    }

    /// Whether the store commits; `None` before it is opened, unless that takes longer than a commit may.
    fn success(&self) -> Option<bool> {
        let alive = Duration::from_millis(self.alive.load(Ordering::Relaxed));
        let silence = self.started.elapsed().saturating_sub(alive);
        if silence > self.response_timeout {
            if !self.is_logged.swap(true, Ordering::Relaxed) {
                let seconds = silence.as_secs();
                tracing::warn!(seconds, "the store does not respond; check its disk");
            }
            return Some(false);
        }
        match self.state.load(Ordering::Relaxed) {
            UNKNOWN => None,
            state => Some(state == WORKS),
        }
    }

    /// Adds the metrics.
    pub(super) fn values(&self, values: &mut SubjectValues) {
        let load = |it: &AtomicU64| it.load(Ordering::Relaxed);
        if let Some(success) = self.success() {
            values.set(&SUCCESS, f64::from(u8::from(success)));
        }
        values.set(&SIZE, load(&self.size) as f64);
        let last = f64::from_bits(load(&self.last_commit));
        if last != 0.0 {
            values.set(&LAST_COMMIT, last);
        }
        for (operation, count) in StoreOperation::ALL.iter().zip(&self.errors) {
            values.set_by(&ERRORS, &MetricLabels::new([operation.name()]), load(count) as f64);
        }
        values.set(&DROPPED, load(&self.dropped) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_does_not_respond_fails_whatever_it_said_last() {
        let mut status = StoreStatus::new(Duration::from_secs(5));
        assert_eq!(status.success(), None);
        status.set_healthy();
        assert_eq!(status.success(), Some(true));
        status.failed(StoreOperation::Write);
        assert_eq!(status.success(), Some(false));
        status.set_committed_at(Timestamp(1.0));
        // As if it had started long ago and been silent since.
        status.started = clock::instant().checked_sub(Duration::from_secs(60)).unwrap();
        assert_eq!(status.success(), Some(false));
        status.set_healthy();
        assert_eq!(status.success(), Some(true));
    }
}
