//! How far each log was read and what it taught, on the way between the threads that read logs and the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::StopFlag;
use crate::clock;

/// Largest number of positions of all logs; the store keeps no more either.
pub const POSITIONS_MAX: usize = 20_000;
/// Longest key or value, in bytes.
pub const POSITION_BYTES_MAX: usize = 4_096;

/// Time between two looks at the flag that ends a thread.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How far one part of a log was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPosition {
    /// The part: a file, or a fixed word if a log has one part only.
    pub key: String,
    /// The position in the form of its source.
    pub value: String,
}

/// The positions of all logs, by the name of the log and the key. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct LogPositions(Arc<(Mutex<SharedPositions>, Condvar)>);

#[derive(Debug, Default)]
struct SharedPositions {
    /// Whether the store was read, or no store is used.
    is_restored: bool,
    known: BTreeMap<(String, String), String>,
    /// What earlier runs taught, by the name of the log, until its thread takes it.
    states: BTreeMap<String, Vec<u8>>,
    /// Changes since [`LogPositions::take_changes`]; none for a position to delete.
    changed: BTreeMap<(String, String), Option<String>>,
}

/// A change to store: log, key, and the value, or none if the position is gone.
pub type PositionChange = (String, String, Option<String>);

impl LogPositions {
    /// Takes over stored positions; one that was set since stays as it is.
    pub fn restore(&self, stored: impl IntoIterator<Item = (String, LogPosition)>) {
        let mut shared = self.shared();
        for (log, position) in stored {
            shared.known.entry((log, position.key)).or_insert(position.value);
        }
    }

    /// Takes over what a log taught an earlier run.
    pub fn restore_state(&self, log: String, state: Vec<u8>) {
        self.shared().states.insert(log, state);
    }

    /// What a log taught an earlier run, once.
    pub(super) fn take_state(&self, log: &str) -> Option<Vec<u8>> {
        self.shared().states.remove(log)
    }

    /// Notes that all stored positions are known: threads that wait for them start.
    pub fn set_restored(&self) {
        self.shared().is_restored = true;
        self.0.1.notify_all();
    }

    /// Waits until the stored positions are known, `stop` is set, or this time is over.
    pub(super) fn wait_until_restored(&self, stop: &StopFlag, most: Duration) {
        let until = clock::instant() + most;
        let mut shared = self.shared();
        while !shared.is_restored && !stop.is_set() && clock::instant() < until {
            shared = self.0.1.wait_timeout(shared, LOOK_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The position of a part of a log; none if it was never read.
    pub fn get(&self, log: &str, key: &str) -> Option<String> {
        self.shared().known.get(&(log.to_owned(), key.to_owned())).cloned()
    }

    /// All positions of a log.
    pub fn of(&self, log: &str) -> Vec<LogPosition> {
        let shared = self.shared();
        let own = shared.known.range((log.to_owned(), String::new())..).take_while(|((it, _), _)| it == log);
        own.map(|((_, key), value)| LogPosition { key: key.clone(), value: value.clone() }).collect()
    }

    /// Sets a position, which the store writes with its next commit. Returns whether there was room.
    pub fn set(&self, log: &str, key: &str, value: String) -> bool {
        let mut shared = self.shared();
        let at = (log.to_owned(), key.to_owned());
        let is_new = !shared.known.contains_key(&at);
        if key.len().max(value.len()) > POSITION_BYTES_MAX || (is_new && shared.known.len() >= POSITIONS_MAX)
        {
            return false;
        }
        if shared.known.get(&at) != Some(&value) {
            shared.known.insert(at.clone(), value.clone());
            shared.changed.insert(at, Some(value));
        }
        true
    }

    /// Deletes the position of a part that is gone.
    pub fn remove(&self, log: &str, key: &str) {
        let mut shared = self.shared();
        let at = (log.to_owned(), key.to_owned());
        if shared.known.remove(&at).is_some() {
            shared.changed.insert(at, None);
        }
    }

    /// What changed since the last call.
    pub fn take_changes(&self) -> Vec<PositionChange> {
        let changed = std::mem::take(&mut self.shared().changed);
        changed.into_iter().map(|((log, key), value)| (log, key, value)).collect()
    }

    /// Takes back changes that could not be stored; newer ones stay.
    pub fn return_unstored(&self, changes: Vec<PositionChange>) {
        let mut shared = self.shared();
        for (log, key, value) in changes {
            shared.changed.entry((log, key)).or_insert(value);
        }
    }

    /// A thread that panicked leaves a complete map.
    fn shared(&self) -> MutexGuard<'_, SharedPositions> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_by_log_and_key() {
        let positions = LogPositions::default();
        let stored = LogPosition { key: "a".into(), value: "1".into() };
        positions.restore([("nginx".to_owned(), stored.clone()), ("nginx2".to_owned(), stored.clone())]);
        assert_eq!(positions.get("nginx", "a").as_deref(), Some("1"));
        assert_eq!(positions.of("nginx"), [stored]);
        assert_eq!(positions.get("ngin", "a"), None);
        assert!(positions.take_changes().is_empty(), "what was stored is not written again");
    }

    #[test]
    fn only_changes_are_stored() {
        let positions = LogPositions::default();
        assert!(positions.set("nginx", "a", "1".into()));
        assert!(positions.set("nginx", "a", "2".into()));
        positions.remove("nginx", "b");
        assert_eq!(positions.take_changes(), [("nginx".into(), "a".into(), Some("2".into()))]);
        assert!(positions.set("nginx", "a", "2".into()));
        assert!(positions.take_changes().is_empty());
        positions.remove("nginx", "a");
        assert_eq!(positions.take_changes(), [("nginx".into(), "a".into(), None)]);
        assert!(!positions.set("nginx", &"k".repeat(POSITION_BYTES_MAX + 1), String::new()));
    }
}
