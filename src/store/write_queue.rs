//! The queue between the sampling loop and the store's thread. If it is full, entries are refused.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::store_write::StoreWrite;
use crate::clock;

/// Largest number of entries that wait for the writer thread; further ones are dropped and counted.
pub const QUEUE_MAX: usize = 512;

#[derive(Debug, Default)]
pub(super) struct StoreQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    entries: Vec<StoreWrite>,
    /// Whether the entries must be committed at once.
    is_urgent: bool,
    is_closed: bool,
}

impl StoreQueue {
    /// Adds an entry; returns whether there was room.
    pub(super) fn put(&self, entry: StoreWrite) -> bool {
        let mut state = self.lock();
        if state.is_closed || state.entries.len() >= QUEUE_MAX {
            return false;
        }
        if entry.is_urgent() || state.entries.len() >= QUEUE_MAX / 2 {
            state.is_urgent = true;
            self.changed.notify_one();
        }
        state.entries.push(entry);
        true
    }

    /// Closes the queue to new entries.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits until the deadline, an urgent entry or the end; returns the entries so far, and whether the queue is
    /// closed.
    pub(super) fn wait(&self, until: Instant) -> (Vec<StoreWrite>, bool) {
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() || state.is_urgent || state.is_closed {
                state.is_urgent = false;
                return (std::mem::take(&mut state.entries), state.is_closed);
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// No holder of the lock can panic, so the state is consistent.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
