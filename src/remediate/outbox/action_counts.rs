//! What happened since the start, by kind of action.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::remediate) struct KindCounts {
    /// Actions done.
    pub(in crate::remediate) sent: u64,
    /// Attempts that failed and are repeated.
    pub(in crate::remediate) failed: u64,
    /// Actions given up.
    pub(in crate::remediate) dropped: u64,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(in crate::remediate) struct OutboxCounts {
    /// Notifications committed.
    pub(in crate::remediate) notifications: AtomicU64,
    /// Notifications refused.
    pub(in crate::remediate) refused: AtomicU64,
    /// Alerts in committed notifications.
    pub(in crate::remediate) alerts: AtomicU64,
    /// Actions asked for that were known already.
    pub(in crate::remediate) repeated: AtomicU64,
    by_kind: Mutex<BTreeMap<String, KindCounts>>,
}

impl OutboxCounts {
    /// Adds to a counter.
    pub(in crate::remediate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts what became of an action; `action` ends in its kind.
    pub(in crate::remediate) fn change(&self, action: &str, change: impl FnOnce(&mut KindCounts)) {
        let kind = kind_of(action);
        let mut by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        change(by_kind.entry(kind.to_owned()).or_default());
    }

    /// Counts dropped actions.
    pub(in crate::remediate) fn dropped(&self, action: &str, count: u64) {
        self.change(action, |it| it.dropped += count);
    }

    /// The counts of a kind.
    pub(in crate::remediate) fn of(&self, kind: &str) -> KindCounts {
        let by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        by_kind.get(kind).copied().unwrap_or_default()
    }
}

/// The last part of `RULE/POSITION/KIND`.
pub(in crate::remediate) fn kind_of(action: &str) -> &str {
    action.rsplit('/').next().unwrap_or_default()
}
