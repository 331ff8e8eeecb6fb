//! One function for each kind of row that is written.

use rusqlite::{Connection, params};

use super::Error;
use super::blobs::Blobs;
use super::entry::{Baseline, Marker, Model, Snapshot};

/// Snapshots that are kept besides those that explain an episode.
const SNAPSHOTS_MAX: i64 = 3;
/// Those of them that something else than time was the cause of: an episode may begin and need them.
const CAUSED_MAX: i64 = 8;

/// Snapshots from which an episode is explained: the one it begins with, and those of all that changed the state since.
pub(super) const EXPLAINING: &str = "EXISTS (SELECT 1 FROM episodes WHERE keep_from = snapshots.at OR \
    (snapshots.cause IS NOT NULL AND snapshots.at BETWEEN keep_from AND coalesce(keep_to, 9e99)))";

/// The state of a model that is kept only for the episodes that it judged.
pub(super) const RECORDED: &str = "recorded";

pub(super) fn baselines(connection: &Connection, rows: &[Baseline]) -> Result<(), Error> {
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
            it.deviation,
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

pub(super) fn snapshot(connection: &Connection, blobs: &Blobs, it: &Snapshot) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO snapshots (at, format, model, cause, blob, file, size) \
             VALUES (?1, ?2, ?3, ?4, x'', ?5, ?6)",
        )?
        .execute(params![
            it.at.0,
            it.format,
            it.model,
            it.cause,
            blobs.write(&it.bytes)?,
            it.bytes.len() as i64
        ])?;
    needless(connection)
}

/// Deletes snapshots that nobody needs, and the models that only they did.
pub(super) fn needless(connection: &Connection) -> Result<(), Error> {
    connection
        .prepare_cached(&format!(
            "DELETE FROM snapshots WHERE id NOT IN (SELECT id FROM snapshots ORDER BY id DESC LIMIT ?1) \
             AND id NOT IN (SELECT id FROM snapshots WHERE cause IS NOT NULL ORDER BY id DESC LIMIT ?2) \
             AND NOT {EXPLAINING}"
        ))?
        .execute([SNAPSHOTS_MAX, CAUSED_MAX])?;
    connection
        .prepare_cached(
            "DELETE FROM models WHERE state = ?1 \
             AND id NOT IN (SELECT model FROM snapshots WHERE model IS NOT NULL)",
        )?
        .execute([RECORDED])?;
    Ok(())
}

pub(super) fn model(connection: &Connection, blobs: &Blobs, it: &Model) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO models (id, kind, created, state, card, digest, format, blob, file, size) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, x'', ?8, ?9)",
        )?
        .execute(params![
            it.id,
            it.kind,
            it.created.0,
            it.state,
            it.card,
            it.digest,
            it.format,
            blobs.write(&it.bytes)?,
            it.bytes.len() as i64
        ])?;
    Ok(())
}

pub(super) fn model_state(connection: &Connection, id: &str, state: &str) -> Result<(), Error> {
    connection.execute("UPDATE models SET state = ?2 WHERE id = ?1", params![id, state])?;
    Ok(())
}

pub(super) fn model_gone(connection: &Connection, id: &str) -> Result<(), Error> {
    model_state(connection, id, RECORDED)?;
    needless(connection)
}

pub(super) fn marker(connection: &Connection, it: &Marker) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO markers (at, kind, text) VALUES (?1, ?2, ?3)",
        params![it.at.0, it.kind, it.text],
    )?;
    Ok(())
}
