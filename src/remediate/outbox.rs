//! The outbox: actions that are to be done, in SQLite, and what is remembered of those that were done.
//!
//! A notification is acknowledged after its actions are committed with `synchronous=FULL`, so not even a power failure loses
//! them. One process has it open. An action that was being sent when the process ended is tried again, and its sender finds
//! out where it can whether it arrived.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::plan::PlannedAction;

mod action_counts;
mod error;
mod issues;

pub(super) use action_counts::OutboxCounts;
pub use error::OutboxError;
pub(super) use issues::AlertIssue;

/// The schema's version, in `user_version`.
const VERSION: i64 = 3;
/// Renames the columns that had other names before version 3.
const RENAME: &str = "ALTER TABLE action RENAME COLUMN action TO rule_action;
    ALTER TABLE action RENAME COLUMN seen_at TO last_requested_at;";
/// Most actions that are removed in one transaction.
const REMOVED_MAX: u32 = 5_000;
/// The file.
const FILE: &str = "remediate.db";
/// Size of a page, in bytes.
const PAGE_BYTES: u64 = 4096;

/// What is kept at most.
#[derive(Debug, Clone, Copy)]
pub struct OutboxLimits {
    /// Most actions that wait; a notification with more is not taken.
    pub waiting_max: u32,
    /// Most actions that are remembered after they were done.
    pub finished_max: u32,
    /// Largest database, in bytes.
    pub bytes_max: u64,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { waiting_max: 100_000, finished_max: 500_000, bytes_max: 1 << 30 }
    }
}

/// An action that is being sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClaimedAction {
    pub(super) id: i64,
    pub(super) key: String,
    pub(super) lane: String,
    pub(super) payload: String,
    /// Attempts before this one. If there are any, it may have arrived.
    pub(super) attempts: u32,
    /// What an earlier attempt noted.
    pub(super) memo: String,
    /// Unix time.
    pub(super) created_at: f64,
}

/// What is written about an action that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AttemptResult {
    /// It is done.
    Done,
    /// It is tried again at this time.
    Retry(f64),
    /// It is given up.
    Dropped,
}

/// Actions that are not done yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WaitingActions {
    /// Their number, by action.
    pub(super) by_action: Vec<(String, u32)>,
    /// Unix time of the oldest.
    pub(super) oldest_at: Option<f64>,
}

/// The outbox. Its transactions are short, so that a notification waits for none of them for long.
#[derive(Debug)]
pub struct Outbox {
    connection: Mutex<Connection>,
    changed: Condvar,
    limits: OutboxLimits,
    counts: OutboxCounts,
}

impl Outbox {
    /// Opens the outbox in this directory, or creates both.
    ///
    /// # Errors
    /// If the directory or the database cannot be used, or another process has it open.
    pub fn open(directory: &Path, limits: OutboxLimits) -> Result<Self, OutboxError> {
        create_private(directory).map_err(|error| OutboxError::Directory(directory.to_owned(), error))?;
        let connection = Connection::open(directory.join(FILE))?;
        connection.busy_timeout(Duration::from_secs(1))?;
        // One process only, or both would send.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        let pages = i64::try_from(limits.bytes_max / PAGE_BYTES).unwrap_or(i64::MAX);
        connection.pragma_update(None, "max_page_count", pages)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0..VERSION => {
                let transaction = connection.unchecked_transaction()?;
                transaction.execute_batch(if version == 0 {
                    include_str!("outbox/schema.sql")
                } else {
                    RENAME
                })?;
                if version == 1 {
                    // Its issues are found again by their markers.
                    transaction.execute_batch("DROP TABLE issue")?;
                }
                if version < 2 {
                    transaction.execute_batch(include_str!("outbox/issues.sql"))?;
                }
                transaction.pragma_update(None, "user_version", VERSION)?;
                transaction.commit()?;
            }
            VERSION => {}
            found => return Err(OutboxError::Newer { found, known: VERSION }),
        }
        let connection = Mutex::new(connection);
        Ok(Self { connection, changed: Condvar::new(), limits, counts: OutboxCounts::default() })
    }

    /// What was counted since the start.
    pub(super) fn counts(&self) -> &OutboxCounts {
        &self.counts
    }

    /// Adds actions, all or none; those that are known already are not added. Returns the number of new ones.
    ///
    /// # Errors
    /// If they cannot be committed, or too many wait.
    pub fn add(&self, planned: &[PlannedAction], now: f64) -> Result<u32, OutboxError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let waiting: u32 =
            transaction.query_row("SELECT count(*) FROM action WHERE state < 2", [], |row| row.get(0))?;
        let (mut added, mut cancelled) = (0, Vec::new());
        for action in planned {
            let Some(payload) = &action.payload else {
                let count = cancel(&transaction, &action.lane)?;
                cancelled.extend((count > 0).then_some((&action.action, count)));
                continue;
            };
            let count = transaction.prepare_cached(
                "INSERT INTO action (rule_action, key, lane, payload, state, created_at, last_requested_at, next_at)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5, ?5) ON CONFLICT (key) DO NOTHING",
            )?;
            let mut insert = count;
            match insert.execute(params![action.action, action.key, action.lane, payload, now])? {
                0 => {
                    let mut seen = transaction.prepare_cached(
                        "UPDATE action SET last_requested_at = max(last_requested_at, ?2) WHERE key = ?1",
                    )?;
                    seen.execute(params![action.key, now])?;
                }
                _ => added += 1,
            }
        }
        if added > 0 && waiting + added > self.limits.waiting_max {
            return Err(OutboxError::Full(waiting));
        }
        transaction.commit()?;
        drop(connection);
        cancelled.into_iter().for_each(|(action, count)| self.counts.dropped(action, count));
        self.changed.notify_all();
        Ok(added)
    }

    /// Takes up to `most` actions that are due, and notes that they are being sent.
    ///
    /// # Errors
    /// If that cannot be committed; then nothing may be sent.
    pub(super) fn claim_due_actions(
        &self,
        action: &str,
        now: f64,
        most: u32,
    ) -> Result<Vec<ClaimedAction>, OutboxError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = {
            let mut select = transaction.prepare_cached(
                "SELECT id, key, lane, payload, attempts, memo, created_at FROM action AS it
                 WHERE rule_action = ?1 AND state < 2 AND next_at <= ?2 AND NOT EXISTS
                     (SELECT 1 FROM action AS earlier WHERE earlier.lane = it.lane AND earlier.state < 2 AND earlier.id < it.id)
                 ORDER BY id LIMIT ?3",
            )?;
            let rows = select.query_map(params![action, now, most], |row| {
                Ok(ClaimedAction {
                    id: row.get(0)?,
                    key: row.get(1)?,
                    lane: row.get(2)?,
                    payload: row.get(3)?,
                    attempts: row.get(4)?,
                    memo: row.get(5)?,
                    created_at: row.get(6)?,
                })
            })?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        for row in &rows {
            let mut update = transaction.prepare_cached(
                "UPDATE action SET state = 1, attempts = attempts + 1, tried_at = ?2 WHERE id = ?1",
            )?;
            update.execute(params![row.id, now])?;
        }
        transaction.commit()?;
        Ok(rows)
    }

    /// Sets the memo of an action before it is sent, for the next attempt.
    pub(super) fn set_memo(&self, id: i64, memo: &str) -> Result<(), OutboxError> {
        self.lock().execute("UPDATE action SET memo = ?2 WHERE id = ?1", params![id, memo])?;
        Ok(())
    }

    /// Writes what became of actions.
    pub(super) fn settle(&self, settled: &[(i64, AttemptResult)]) -> Result<(), OutboxError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, settlement) in settled {
            let (state, next_at) = match settlement {
                AttemptResult::Done => (2, None),
                AttemptResult::Dropped => (3, None),
                AttemptResult::Retry(at) => (0, Some(*at)),
            };
            let mut update = transaction.prepare_cached(
                "UPDATE action SET state = ?2, next_at = coalesce(?3, next_at), payload = iif(?2 < 2, payload, '')
                 WHERE id = ?1 AND state < 2",
            )?;
            update.execute(params![id, state, next_at])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// When the next action is due, as Unix time; `None` if none waits.
    pub(super) fn next_at(&self, action: &str) -> Result<Option<f64>, OutboxError> {
        let next = self.lock().query_row(
            "SELECT min(next_at) FROM action AS it WHERE rule_action = ?1 AND state < 2 AND NOT EXISTS
                 (SELECT 1 FROM action AS earlier WHERE earlier.lane = it.lane AND earlier.state < 2 AND earlier.id < it.id)",
            [action],
            |row| row.get(0),
        )?;
        Ok(next)
    }

    /// The times of attempts since a time, oldest first.
    pub(super) fn attempt_times_since(&self, action: &str, since: f64) -> Result<Vec<f64>, OutboxError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT tried_at FROM action WHERE rule_action = ?1 AND tried_at > ?2 ORDER BY tried_at",
        )?;
        let rows = select.query_map(params![action, since], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Waits until something was added, or for this long.
    pub(super) fn wait(&self, timeout: Duration) {
        let guard = self.lock();
        drop(self.changed.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner));
    }

    /// Wakes all that wait.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Drops the actions that wait for rules that are not there any more, and those done long ago.
    pub(super) fn clean_up<'a>(
        &self,
        known: impl IntoIterator<Item = &'a str>,
        forgotten_before: f64,
    ) -> Result<(), OutboxError> {
        let known: Vec<&str> = known.into_iter().collect();
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let waiting: Vec<(String, u32)> = {
            let mut select = transaction
                .prepare("SELECT rule_action, count(*) FROM action WHERE state < 2 GROUP BY rule_action")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        let gone: Vec<_> = waiting.into_iter().filter(|(action, _)| !known.contains(&&**action)).collect();
        for (action, _) in &gone {
            transaction.execute(
                "UPDATE action SET state = 3, payload = '' WHERE rule_action = ?1 AND state < 2",
                [action],
            )?;
        }
        transaction.execute(
            "DELETE FROM action WHERE id IN (SELECT id FROM action WHERE state >= 2 AND last_requested_at < ?1 LIMIT ?2)",
            params![forgotten_before, REMOVED_MAX],
        )?;
        transaction.execute(
            "DELETE FROM action WHERE id IN (SELECT id FROM action WHERE state >= 2 ORDER BY last_requested_at
             LIMIT min(?2, max(0, (SELECT count(*) FROM action WHERE state >= 2) - ?1)))",
            params![self.limits.finished_max, REMOVED_MAX],
        )?;
        transaction.execute("DELETE FROM cluster_action WHERE at < ?1", [forgotten_before])?;
        transaction.execute("DELETE FROM issue WHERE is_open = 0 AND changed_at < ?1", [forgotten_before])?;
        transaction.commit()?;
        drop(connection);
        for (action, count) in gone {
            tracing::warn!(action, count, "actions dropped: their rule is not in the file any more");
            self.counts.dropped(&action, u64::from(count));
        }
        Ok(())
    }

    /// What waits.
    pub(super) fn waiting(&self) -> Result<WaitingActions, OutboxError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT rule_action, count(*) FROM action WHERE state < 2 GROUP BY rule_action",
        )?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let by_action = rows.collect::<Result<_, _>>()?;
        let oldest_at =
            connection
                .query_row("SELECT min(created_at) FROM action WHERE state < 2", [], |row| row.get(0))?;
        Ok(WaitingActions { by_action, oldest_at })
    }

    /// Takes one of `per_hour` permits for an action on the cluster; a permit that an earlier attempt took is still good.
    pub(super) fn take_permit(
        &self,
        action: &str,
        key: &str,
        per_hour: u32,
        now: f64,
    ) -> Result<bool, OutboxError> {
        const HOUR_SECONDS: f64 = 3600.0;
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let own: Option<i64> = transaction
            .query_row("SELECT 1 FROM cluster_action WHERE key = ?1", [key], |row| row.get(0))
            .optional()?;
        if own.is_some() {
            return Ok(true);
        }
        let used: u32 = transaction.query_row(
            "SELECT count(*) FROM cluster_action WHERE action = ?1 AND at > ?2",
            params![action, now - HOUR_SECONDS],
            |row| row.get(0),
        )?;
        if used >= per_hour {
            return Ok(false);
        }
        transaction.execute("INSERT INTO cluster_action VALUES (?1, ?2, ?3)", params![action, key, now])?;
        transaction.commit()?;
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what waits in a lane; what is being sent goes on.
fn cancel(transaction: &Transaction<'_>, lane: &str) -> Result<u64, rusqlite::Error> {
    let mut update = transaction
        .prepare_cached("UPDATE action SET state = 3, payload = '' WHERE lane = ?1 AND state = 0")?;
    Ok(update.execute([lane])? as u64)
}

/// Creates a directory that only its owner may access.
fn create_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

#[cfg(test)]
mod tests;
