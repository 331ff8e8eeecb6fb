//! Which issue belongs to an alert.

use rusqlite::{OptionalExtension, params};

use super::{Outbox, OutboxError};

/// The issue of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remediate) struct KnownIssue {
    /// Its number.
    pub(in crate::remediate) number: u32,
    /// Comments that hostnorm wrote.
    pub(in crate::remediate) comments: u32,
    /// Whether it is open, as far as hostnorm knows.
    pub(in crate::remediate) is_open: bool,
}

impl Outbox {
    /// The issue of a lane.
    pub(in crate::remediate) fn issue(&self, lane: &str) -> Result<Option<KnownIssue>, OutboxError> {
        let connection = self.lock();
        let mut select =
            connection.prepare_cached("SELECT number, comments, is_open FROM issue WHERE lane = ?1")?;
        let issue = select.query_row([lane], |row| {
            Ok(KnownIssue { number: row.get(0)?, comments: row.get(1)?, is_open: row.get(2)? })
        });
        Ok(issue.optional()?)
    }

    /// Remembers the issue of a lane.
    pub(in crate::remediate) fn remember_issue(
        &self,
        lane: &str,
        issue: KnownIssue,
        now: f64,
    ) -> Result<(), OutboxError> {
        self.lock().execute(
            "INSERT OR REPLACE INTO issue (lane, number, comments, is_open, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![lane, issue.number, issue.comments, issue.is_open, now],
        )?;
        Ok(())
    }
}
