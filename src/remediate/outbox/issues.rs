//! Which issue belongs to an alert, and whether all issues are known.
//!
//! After all open issues were listed once, each further one is opened by the action that remembers it. So an alert without a
//! known issue has none, unless an attempt to open it did not end.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Outbox, OutboxError};

/// The issue of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remediate) struct AlertIssue {
    /// Its number.
    pub(in crate::remediate) number: u32,
    /// Comments that hostnorm wrote.
    pub(in crate::remediate) comments: u32,
    /// Whether it is open, as far as hostnorm knows.
    pub(in crate::remediate) is_open: bool,
    /// Hash of the key of the action that opened it.
    pub(in crate::remediate) opened_by: u64,
}

impl Outbox {
    /// The issue of a lane, by its hash.
    pub(in crate::remediate) fn issue(&self, lane: u64) -> Result<Option<AlertIssue>, OutboxError> {
        let connection = self.lock();
        let mut select = connection
            .prepare_cached("SELECT number, comments, is_open, opened_by FROM issue WHERE lane = ?1")?;
        let issue = select.query_row([lane.cast_signed()], |row| {
            let opened_by = row.get::<_, i64>(3)?.cast_unsigned();
            Ok(AlertIssue { number: row.get(0)?, comments: row.get(1)?, is_open: row.get(2)?, opened_by })
        });
        Ok(issue.optional()?)
    }

    /// Remembers the issue of a lane.
    pub(in crate::remediate) fn remember_issue(
        &self,
        lane: u64,
        issue: AlertIssue,
        now: f64,
    ) -> Result<(), OutboxError> {
        Ok(remember(&self.lock(), lane, issue, now)?)
    }

    /// Whether each open issue of an action is known.
    pub(in crate::remediate) fn are_issues_known(&self, action: &str) -> Result<bool, OutboxError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached("SELECT 1 FROM listed WHERE action = ?1")?;
        Ok(select.exists([action])?)
    }

    /// Notes whether each open issue of an action is known.
    pub(in crate::remediate) fn set_issues_known(
        &self,
        action: &str,
        are_known: bool,
    ) -> Result<(), OutboxError> {
        Ok(set_known(&self.lock(), action, are_known)?)
    }

    /// Remembers the issues that were open from `since` on, by the hashes of their lanes, after which all of the action are
    /// known. What is remembered of open ones, and of those that another action closed meanwhile, stays.
    pub(in crate::remediate) fn take_issues(
        &self,
        action: &str,
        issues: &[(u64, AlertIssue)],
        since: f64,
    ) -> Result<(), OutboxError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let stays = "SELECT 1 FROM issue WHERE lane = ?1 AND (is_open = 1 OR changed_at >= ?2)";
        for (lane, issue) in issues {
            if !transaction.prepare_cached(stays)?.exists(params![lane.cast_signed(), since])? {
                remember(&transaction, *lane, *issue, since)?;
            }
        }
        set_known(&transaction, action, true)?;
        Ok(transaction.commit()?)
    }
}

fn remember(connection: &Connection, lane: u64, issue: AlertIssue, now: f64) -> Result<(), rusqlite::Error> {
    let AlertIssue { number, comments, is_open, opened_by } = issue;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO issue (lane, number, comments, is_open, opened_by, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![lane.cast_signed(), number, comments, is_open, opened_by.cast_signed(), now])?;
    Ok(())
}

fn set_known(connection: &Connection, action: &str, are_known: bool) -> Result<(), rusqlite::Error> {
    let change = match are_known {
        true => "INSERT OR IGNORE INTO listed (action) VALUES (?1)",
        false => "DELETE FROM listed WHERE action = ?1",
    };
    connection.prepare_cached(change)?.execute([action])?;
    Ok(())
}
