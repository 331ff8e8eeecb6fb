//! The queue between the sampling loop and the store's thread. If it is full, entries are refused.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::store_entry::StoreEntry;
use crate::clock;

/// Most entries that wait for the thread of the store; a further one is dropped and counted.
pub const QUEUE_MAX: usize = 512;

#[derive(Debug, Default)]
pub(super) struct StoreQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    entries: Vec<StoreEntry>,
    /// Whether the entries are not to wait for the next commit.
    is_urgent: bool,
    is_closed: bool,
}

impl StoreQueue {
    /// Adds an entry; says whether there was room.
    pub(super) fn put(&self, entry: StoreEntry) -> bool {
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

    /// Takes no more entries.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits until the instant, an urgent entry or the end; gives the entries so far, and whether the queue is closed.
    pub(super) fn wait(&self, until: Instant) -> (Vec<StoreEntry>, bool) {
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

    /// Nothing that holds the lock can panic in between, so that the state is whole.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
