//! What is deleted: what is older than its time, and the oldest where all of it together is too much.
//!
//! A pass deletes a bounded number of rows. So it never takes long, and a clock that is wrong for a while costs little of
//! what was stored.

use rusqlite::{Connection, params};

use super::Error;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Keep {
    /// Bytes of the whole file.
    pub(super) bytes: u64,
    /// Bytes of readings that are kept beyond their time because an episode is explained from them.
    pub(super) episode_bytes: u64,
    /// Seconds for readings.
    pub(super) readings: f64,
    /// Seconds for points, episodes and markers.
    pub(super) points: f64,
}

/// Rows of each kind that one pass deletes at most.
const ROWS_MAX: i64 = 1_500;
/// Steps in which one pass makes room at most.
const STEPS_MAX: usize = 500;
/// With this share of the bytes that are allowed in use, room is made.
const FULL_SHARE: f64 = 0.95;
/// Pages that one pass gives back at most.
const PAGES_MAX: i64 = 768;
/// Pages that may lie unused: they are soon written to.
const UNUSED_PAGES_MAX: i64 = 256;

/// Readings that no episode is explained from.
const NOT_FROZEN: &str = "NOT EXISTS (SELECT 1 FROM episodes WHERE keep_from <= readings.last_at \
                          AND coalesce(keep_to, 9e99) >= readings.first_at)";

/// One pass.
pub(super) fn prune(connection: &Connection, keep: &Keep, now: f64) -> Result<(), Error> {
    let (readings, points) = (now - keep.readings, now - keep.points);
    let sql = format!(
        "DELETE FROM readings WHERE id IN \
         (SELECT id FROM readings WHERE last_at < ?1 AND {NOT_FROZEN} ORDER BY last_at LIMIT {ROWS_MAX})"
    );
    connection.execute(&sql, [readings])?;
    for table in ["points", "markers"] {
        let sql = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at < ?1 ORDER BY at LIMIT {ROWS_MAX})"
        );
        connection.execute(&sql, [points])?;
    }
    connection.execute("DELETE FROM episodes WHERE ended < ?1", [points])?;
    connection.execute("DELETE FROM baselines WHERE last_updated < ?1", [points])?;
    thaw(connection, keep, readings)?;
    shrink(connection, keep)
}

/// Lets the oldest episodes go as long as what is kept for them is too much.
fn thaw(connection: &Connection, keep: &Keep, readings: f64) -> Result<(), Error> {
    let frozen: i64 = connection.query_row(
        "SELECT coalesce(sum(length(blob)), 0) FROM readings WHERE last_at < ?1",
        [readings],
        |row| row.get(0),
    )?;
    let sql = format!(
        "SELECT coalesce(sum(length(blob) + size), 0) FROM snapshots WHERE {}",
        super::tables::EXPLAINING
    );
    let snapshots: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    // What an episode freed is deleted by the next pass, which then counts again.
    if u64::try_from(frozen + snapshots).unwrap_or(0) > keep.episode_bytes {
        release_oldest(connection)?;
    }
    Ok(())
}

fn release_oldest(connection: &Connection) -> Result<usize, Error> {
    let released = connection.execute(
        "UPDATE episodes SET keep_from = NULL, keep_to = NULL WHERE id = \
         (SELECT id FROM episodes WHERE keep_from IS NOT NULL AND outcome <> 'open' ORDER BY began LIMIT 1)",
        [],
    )?;
    super::tables::needless(connection)?;
    Ok(released)
}

/// Deletes the oldest readings, then what is kept for episodes, then points, until the file is small enough.
fn shrink(connection: &Connection, keep: &Keep) -> Result<(), Error> {
    let most = (keep.bytes as f64 * FULL_SHARE) as u64;
    if used(connection)? <= most {
        return Ok(());
    }
    let free = format!(
        "DELETE FROM readings WHERE id IN (SELECT id FROM readings WHERE {NOT_FROZEN} ORDER BY id LIMIT 60)"
    );
    let points = "DELETE FROM points WHERE id IN (SELECT id FROM points ORDER BY at LIMIT 500)";
    for _ in 0..STEPS_MAX {
        if used(connection)? <= most {
            break;
        }
        let gone = match connection.execute(&free, params![])? {
            0 => release_oldest(connection)?,
            gone => gone,
        };
        if gone == 0 && connection.execute(points, params![])? == 0 {
            break;
        }
    }
    Ok(())
}

/// Bytes that the rows take, without pages that lie unused, and the files that they name.
fn used(connection: &Connection) -> Result<u64, Error> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    let mut files = connection.prepare_cached(
        "SELECT coalesce(sum(size), 0) FROM (SELECT size FROM models UNION ALL SELECT size FROM snapshots)",
    )?;
    let files: i64 = files.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(pages * pragma("page_size")? + files).unwrap_or(0))
}

/// Gives unused pages back to the filesystem, some at a time.
pub(super) fn vacuum(connection: &Connection) -> Result<(), Error> {
    let unused: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    if unused <= UNUSED_PAGES_MAX {
        return Ok(());
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_MAX})"))?;
    let mut rows = statement.query([])?;
    // Each step gives back one page.
    while rows.next()?.is_some() {}
    Ok(())
}
