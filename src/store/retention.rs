//! Retention: deletes rows that are too old, and the oldest rows if the store is too large.
//!
//! The age of a row is how much time later rows cover (the recorded time), not its distance from the current clock: a
//! clock that is years ahead makes no row older, and neither does the time for which the host was off. See
//! [ADR 061](../../docs/adr/061-age-is-recorded-time.md). A pass deletes a bounded number of rows, so it is short.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::statements::{self, EXPLAINING};
use crate::reading::SubjectKind;

/// Limits of the retention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RetentionLimits {
    /// Bytes of the database with its log.
    pub(super) bytes: u64,
    /// Bytes of readings and snapshots that are kept longer to reproduce episodes.
    pub(super) episode_bytes: u64,
    /// Age of readings, in seconds of recorded time.
    pub(super) readings: f64,
    /// Age of points, episodes, markers, states of subjects and positions in logs, in seconds of recorded time.
    pub(super) points: f64,
}

/// Largest number of rows of each table that one pass deletes because of their age.
const ROWS_MAX: i64 = 1_500;
/// Largest number of steps in which one pass makes space.
const STEPS_MAX: usize = 500;
/// Share of the database size from which a pass makes space.
const FULL_SHARE: f64 = 0.95;
/// Largest size reserved for the write-ahead log.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// Largest number of pages that one pass returns to the file system.
const VACUUM_PAGES_MAX: i64 = 256;
/// Number of unused pages that stay in the file, because they are soon reused.
const UNUSED_PAGES_MAX: i64 = 256;

/// Smallest time without rows, in seconds, that counts as no more than itself: the host was off, or its clock was set.
const GAP_SECONDS_MIN: f64 = 3_600.0;
/// Largest number of steps in which an age is counted.
const AGE_STEPS_MAX: f64 = 1_000.0;

/// Condition of the readings that no episode needs.
const NOT_EXPLAINING: &str = "NOT EXISTS (SELECT 1 FROM episodes WHERE retained_from <= readings.last_at \
                              AND coalesce(retained_to, 9e99) >= readings.first_at)";

impl RetentionLimits {
    /// Largest size of the write-ahead log; the rest is for the database.
    pub(super) fn log_bytes(&self) -> u64 {
        (self.bytes / 4).min(LOG_BYTES_MAX)
    }

    /// Largest size of the database.
    pub(super) fn database_bytes(&self) -> u64 {
        self.bytes - self.log_bytes()
    }
}

/// Makes SQLite refuse to grow the database beyond its size; a larger database stays as it is.
pub(super) fn limit(connection: &Connection, keep: &RetentionLimits) -> Result<(), StoreError> {
    let page_bytes: i64 = pragma(connection, "page_size")?;
    let pages = i64::try_from(keep.database_bytes()).unwrap_or(i64::MAX) / page_bytes.max(1);
    Ok(connection.pragma_update(None, "max_page_count", pages.max(1))?)
}

/// Whether space must be made before this many more bytes are written.
pub(super) fn is_full(
    connection: &Connection,
    keep: &RetentionLimits,
    more: u64,
) -> Result<bool, StoreError> {
    Ok((used(connection)? + more) as f64 > keep.database_bytes() as f64 * FULL_SHARE)
}

/// One pass.
pub(super) fn prune(connection: &Connection, keep: &RetentionLimits) -> Result<(), StoreError> {
    let readings = older_than(connection, "readings", "last_at", keep.readings)?;
    connection.execute(
        &format!(
            "DELETE FROM readings WHERE id IN (SELECT id FROM readings WHERE last_at < ?1 AND {NOT_EXPLAINING} \
             ORDER BY last_at LIMIT {ROWS_MAX})"
        ),
        [readings],
    )?;
    let points = older_than(connection, "points", "at", keep.points)?;
    prune_points_of_many(connection)?;
    for table in ["points", "markers", "subject_states", "log_positions", "log_states"] {
        let sql = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at < ?1 ORDER BY at LIMIT {ROWS_MAX})"
        );
        connection.execute(&sql, [points])?;
    }
    connection.execute("DELETE FROM episodes WHERE ended < ?1", [points])?;
    connection.execute("DELETE FROM baselines WHERE last_updated < ?1", [points])?;
    release_beyond(connection, keep, readings)?;
    make_room(connection, keep, 0)
}

/// The time before which rows of a table are older than this, in seconds of recorded time; before all rows if none is. The
/// column has an index.
///
/// Time between two rows counts up to twice the length of a step. A longer gap counts as one step, because nobody knows
/// whether the host was off or its clock was set. So rows before a week without power are deleted later by a week, and
/// those before a step of the clock by years are not deleted because of it.
fn older_than(connection: &Connection, table: &str, column: &str, limit: f64) -> Result<f64, StoreError> {
    let step = GAP_SECONDS_MIN.max(limit / AGE_STEPS_MAX);
    let newest = format!("SELECT max({column}) FROM {table}");
    let newest: Option<f64> = connection.query_row(&newest, [], |row| row.get(0))?;
    let Some(mut at) = newest else { return Ok(f64::NEG_INFINITY) };
    let sql = format!("SELECT {column} FROM {table} WHERE {column} <= ?1 ORDER BY {column} DESC LIMIT 1");
    let mut before = connection.prepare_cached(&sql)?;
    let mut age = 0.0;
    while let Some(earlier) = before.query_row([at - step], |row| row.get::<_, f64>(0)).optional()? {
        let gap = at - earlier;
        age += if gap <= 2.0 * step { gap } else { step };
        if age >= limit {
            return Ok(earlier + (age - limit));
        }
        at = earlier;
    }
    Ok(f64::NEG_INFINITY)
}

/// Deletes points of subjects other than the host after a day: 200 of them have as many points in a day as a host in half a
/// year. A restart needs those of the last day; what they taught is stored as state.
fn prune_points_of_many(connection: &Connection) -> Result<(), StoreError> {
    const AGE_SECONDS: f64 = 86_400.0;
    /// Only so far back, since the index is by time and older points are those of hosts.
    const SPAN_SECONDS: f64 = 21_600.0;
    /// The points of 500 subjects in an hour, the time between two passes.
    const ROWS_OF_MANY_MAX: i64 = 60_000;
    let before = older_than(connection, "points", "at", AGE_SECONDS)?;
    let from = older_than(connection, "points", "at", AGE_SECONDS + SPAN_SECONDS)?;
    let sql = format!(
        "DELETE FROM points WHERE id IN (SELECT id FROM points WHERE at < ?1 AND at >= ?2 AND kind <> ?3 \
         ORDER BY at LIMIT {ROWS_OF_MANY_MAX})"
    );
    connection.execute(&sql, params![before, from, SubjectKind::Host.name()])?;
    Ok(())
}

/// Releases the oldest episode if the rows for episodes exceed their size. The next pass deletes them and measures
/// again.
fn release_beyond(connection: &Connection, keep: &RetentionLimits, readings: f64) -> Result<(), StoreError> {
    let readings: i64 = connection.query_row(
        "SELECT coalesce(sum(length(block)), 0) FROM readings WHERE last_at < ?1",
        [readings],
        |row| row.get(0),
    )?;
    let sql = format!("SELECT coalesce(sum(length(content)), 0) FROM snapshots WHERE {EXPLAINING}");
    let snapshots: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    if u64::try_from(readings + snapshots).unwrap_or(0) > keep.episode_bytes {
        release_oldest(connection)?;
    }
    Ok(())
}

/// Releases the rows kept for the oldest episode; returns the number of episodes released.
fn release_oldest(connection: &Connection) -> Result<usize, StoreError> {
    let released = connection.execute(
        "UPDATE episodes SET retained_from = NULL, retained_to = NULL WHERE id = \
         (SELECT id FROM episodes WHERE retained_from IS NOT NULL AND outcome <> 'open' ORDER BY began LIMIT 1)",
        [],
    )?;
    statements::delete_unneeded(connection)?;
    Ok(released)
}

/// Deletes until the database has space for this many bytes: readings, rows for episodes, older snapshots, states of
/// gone subjects, points; each oldest first.
pub(super) fn make_room(
    connection: &Connection,
    keep: &RetentionLimits,
    more: u64,
) -> Result<(), StoreError> {
    let readings = format!(
        "DELETE FROM readings WHERE id IN (SELECT id FROM readings WHERE {NOT_EXPLAINING} ORDER BY id LIMIT 60)"
    );
    let snapshots = format!(
        "DELETE FROM snapshots WHERE id = (SELECT id FROM snapshots \
         WHERE id <> (SELECT max(id) FROM snapshots) AND NOT {EXPLAINING} ORDER BY id LIMIT 1)"
    );
    let states =
        "DELETE FROM subject_states WHERE id IN (SELECT id FROM subject_states ORDER BY at LIMIT 16)";
    let points = "DELETE FROM points WHERE id IN (SELECT id FROM points ORDER BY at LIMIT 500)";
    for _ in 0..STEPS_MAX {
        if !is_full(connection, keep, more)? {
            return Ok(());
        }
        let deleted = connection.execute(&readings, params![])? > 0
            || release_oldest(connection)? > 0
            || connection.execute(&snapshots, params![])? > 0
            || connection.execute(states, params![])? > 0
            || connection.execute(points, params![])? > 0;
        if !deleted {
            return Ok(());
        }
    }
    Ok(())
}

/// Bytes of the database in use.
fn used(connection: &Connection) -> Result<u64, StoreError> {
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    Ok(u64::try_from(pages * pragma(connection, "page_size")?).unwrap_or(0))
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached(&format!("PRAGMA {name}"))?.query_row([], |row| row.get(0))?)
}

/// Returns unused pages to the file system, in bounded steps.
pub(super) fn vacuum(connection: &Connection) -> Result<(), StoreError> {
    if pragma(connection, "freelist_count")? <= UNUSED_PAGES_MAX {
        return Ok(());
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES_MAX})"))?;
    let mut rows = statement.query([])?;
    // Each step returns one page.
    while rows.next()?.is_some() {}
    Ok(())
}
