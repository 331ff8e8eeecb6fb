//! Statements that write rows, one function per table.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::points;
use super::row_types::{
    BackfillCounts, BackfillPoints, BaselineRow, IMPORTED, LogPositionRow, LogStateRow, MarkerRow, ModelRow,
    RECORDED, SnapshotRow, SubjectStateRow, VerdictRow,
};
use super::series_index::labels_json;
use crate::clock;
use crate::counter_reset::OffsetChanges;
use crate::window::Point;

/// Largest number of snapshots, besides those that reproduce an episode.
const SNAPSHOTS_MAX: i64 = 3;
/// Largest number of snapshots with a cause kept for the next episode.
const CAUSED_MAX: i64 = 8;
/// Largest number of states of evicted subjects.
pub const SUBJECT_STATES_MAX: i64 = 4_096;
/// Largest number of positions in logs.
pub const LOG_POSITIONS_MAX: i64 = 32_768;
/// Largest number of logs of which is stored what they taught.
pub const LOG_STATES_MAX: i64 = 256;
/// Largest state of a subject, in bytes; a larger one is not stored.
pub const SUBJECT_STATE_BYTES_MAX: usize = 4 << 20;

/// Condition of the snapshots that reproduce an episode: the one before its readings, and those with a cause since.
pub(super) const EXPLAINING: &str = "EXISTS (SELECT 1 FROM episodes WHERE retained_from = snapshots.at OR \
    (snapshots.cause IS NOT NULL AND snapshots.at BETWEEN retained_from AND coalesce(retained_to, 9e99)))";

/// Condition of a model that a snapshot names.
pub(super) const IN_MODELS: &str = "instr(' ' || snapshots.model || ' ', ' ' || models.id || ' ') > 0";

pub(super) fn baselines(connection: &Connection, rows: &[BaselineRow]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO baselines \
         (kind, subject, signal, mean, stddev, min, max, sample_count, last_updated, p95, p99) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for it in rows {
        let finite = |value: f64| value.is_finite().then_some(value);
        statement.execute(params![
            it.subject.kind().name(),
            it.subject.name(),
            it.signal,
            it.mean,
            it.stddev,
            finite(it.min),
            finite(it.max),
            it.points,
            it.at.0,
            it.p95,
            it.p99,
        ])?;
    }
    Ok(())
}

pub(super) fn snapshot(connection: &Connection, it: &SnapshotRow) -> Result<(), StoreError> {
    let models = (!it.models.is_empty()).then(|| it.models.join(" "));
    connection
        .prepare_cached(
            "INSERT INTO snapshots (at, format, model, cause, readings, markers, content) \
             SELECT ?1, ?2, ?3, ?4, (SELECT coalesce(max(id), 0) FROM readings), \
             (SELECT coalesce(max(id), 0) FROM markers), ?5",
        )?
        .execute(params![it.at.0, it.format, models, it.cause, it.bytes])?;
    delete_unneeded(connection)
}

/// Writes the state of a subject; the oldest ones are deleted if there are too many. Returns 1 if it is too large.
pub(super) fn subject_state(connection: &Connection, it: &SubjectStateRow) -> Result<u64, StoreError> {
    if it.bytes.len() > SUBJECT_STATE_BYTES_MAX {
        return Ok(1);
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO subject_states (kind, identity, at, format, content) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![it.kind.name(), it.identity, it.at.0, it.format, it.bytes])?;
    connection
        .prepare_cached(
            "DELETE FROM subject_states WHERE id IN \
             (SELECT id FROM subject_states ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?1)",
        )?
        .execute([SUBJECT_STATES_MAX])?;
    Ok(0)
}

/// Deletes snapshots that are no longer needed, and the models that only they need.
pub(super) fn delete_unneeded(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "DELETE FROM snapshots WHERE id NOT IN (SELECT id FROM snapshots ORDER BY id DESC LIMIT ?1) \
             AND id NOT IN (SELECT id FROM snapshots WHERE cause IS NOT NULL ORDER BY id DESC LIMIT ?2) \
             AND NOT {EXPLAINING}"
        ))?
        .execute([SNAPSHOTS_MAX, CAUSED_MAX])?;
    connection
        .prepare_cached(&format!(
            "DELETE FROM models WHERE state = ?1 \
             AND NOT EXISTS (SELECT 1 FROM snapshots WHERE {IN_MODELS})"
        ))?
        .execute([RECORDED])?;
    Ok(())
}

pub(super) fn model(connection: &Connection, it: &ModelRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO models (id, kind, created, state, evaluation, digest, format, content) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            it.id,
            it.kind,
            it.created.0,
            it.state,
            it.evaluation,
            it.digest,
            it.format,
            it.bytes,
        ])?;
    Ok(())
}

pub(super) fn model_state(connection: &Connection, id: &str, state: &str) -> Result<(), StoreError> {
    connection.execute("UPDATE models SET state = ?2 WHERE id = ?1", params![id, state])?;
    Ok(())
}

pub(super) fn model_gone(connection: &Connection, id: &str) -> Result<(), StoreError> {
    model_state(connection, id, RECORDED)?;
    delete_unneeded(connection)
}

pub(super) fn marker(connection: &Connection, it: &MarkerRow) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO markers (at, kind, text) VALUES (?1, ?2, ?3)",
        params![it.at.0, it.kind, it.text],
    )?;
    Ok(())
}

/// Writes what is added to counters.
pub(super) fn counter_offsets(connection: &Connection, changes: &OffsetChanges) -> Result<(), StoreError> {
    if changes.is_whole {
        connection.execute("DELETE FROM counter_offsets", [])?;
    }
    let mut set = connection.prepare_cached(
        "INSERT OR REPLACE INTO counter_offsets (kind, subject, metric, labels, offset) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for it in &changes.offsets {
        let labels = labels_json(it.metric, &it.labels);
        set.execute(params![it.subject.kind().name(), it.subject.name(), it.metric.name, labels, it.offset])?;
    }
    Ok(())
}

/// Writes and deletes positions in logs; the oldest ones are deleted if there are too many.
pub(super) fn log_positions(connection: &Connection, rows: &[LogPositionRow]) -> Result<(), StoreError> {
    let now = clock::now().0;
    let mut set = connection.prepare_cached(
        "INSERT OR REPLACE INTO log_positions (at, log, part, position) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut remove = connection.prepare_cached("DELETE FROM log_positions WHERE log = ?1 AND part = ?2")?;
    for it in rows {
        match &it.position {
            Some(position) => set.execute(params![now, it.log, it.part, position])?,
            None => remove.execute(params![it.log, it.part])?,
        };
    }
    delete_oldest(connection, "log_positions", LOG_POSITIONS_MAX)
}

/// Writes what a log taught; the oldest states are deleted if there are too many.
pub(super) fn log_state(connection: &Connection, it: &LogStateRow) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO log_states (at, log, content) VALUES (?1, ?2, ?3)")?
        .execute(params![clock::now().0, it.log, it.bytes])?;
    delete_oldest(connection, "log_states", LOG_STATES_MAX)
}

/// Deletes the oldest rows of a table beyond a number of them.
fn delete_oldest(connection: &Connection, table: &'static str, kept: i64) -> Result<(), StoreError> {
    let oldest = format!("SELECT id FROM {table} ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?1");
    connection.prepare_cached(&format!("DELETE FROM {table} WHERE id IN ({oldest})"))?.execute([kept])?;
    Ok(())
}

pub(super) fn verdict(connection: &Connection, it: &VerdictRow) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE episodes SET verdict = ?4, verdict_at = ?5 \
         WHERE kind = ?1 AND subject = ?2 AND began >= ?3 AND began < ?3 + 1",
        params![it.subject.kind().name(), it.subject.name(), it.second.0.floor(), it.verdict.name(), it.at.0],
    )?;
    Ok(())
}

/// Imports points from another source. Only points before the stored ones are imported, because local ones take
/// precedence. Snapshots without these points are deleted.
pub(super) fn import(
    connection: &Connection,
    history: &BackfillPoints,
) -> Result<BackfillCounts, StoreError> {
    let subject = (history.subject.kind().name(), history.subject.name());
    let first: Option<f64> = connection.query_row(
        "SELECT min(at) FROM points WHERE kind = ?1 AND subject = ?2",
        [subject.0, subject.1],
        |row| row.get(0),
    )?;
    let before = |it: &&Point| first.is_none_or(|first| it.at.0 < first);
    let earlier: Vec<&Point> = history.points.iter().filter(before).collect();
    let imported =
        BackfillCounts { written: earlier.len(), overlapping: history.points.len() - earlier.len() };
    if earlier.is_empty() {
        return Ok(imported);
    }
    // Points are read by ascending number, so these get numbers below all others.
    let lowest: Option<i64> = connection.query_row("SELECT min(id) FROM points", [], |row| row.get(0))?;
    let count = i64::try_from(earlier.len()).unwrap_or(i64::MAX);
    let begin = lowest.unwrap_or(1).saturating_sub(count);
    let names: Vec<&str> = history.signals.iter().map(|it| it.name).collect();
    let layout = points::layout(connection, &history.subject, &names)?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO points (id, at, kind, subject, in_episode, weight, layout, \"values\") \
         VALUES (?1, ?2, ?3, ?4, 0, 1.0, ?5, ?6)",
    )?;
    for (id, it) in (begin..).zip(earlier) {
        let packed = points::pack_values(&it.values, &it.missing);
        statement.execute(params![id, it.at.0, subject.0, subject.1, layout, packed])?;
    }
    connection.execute(&format!("DELETE FROM snapshots WHERE NOT {EXPLAINING}"), [])?;
    let text = format!("{} points", imported.written);
    marker(connection, &MarkerRow { at: clock::now(), kind: IMPORTED.into(), text })?;
    Ok(imported)
}
