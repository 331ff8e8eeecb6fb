//! One function for each kind of row that is written.

use rusqlite::{Connection, OptionalExtension, params};

use super::Error;
use super::entry::{Baseline, Marker, Model, Snapshot};
use crate::reading::Subject;
use crate::report::Learned;

/// Snapshots that are kept besides those that explain an episode.
const SNAPSHOTS_MAX: i64 = 3;
/// Those of them that something else than time was the cause of: an episode may begin and need them.
const CAUSED_MAX: i64 = 8;

/// Snapshots from which an episode is explained: the one it begins with, and those of all that changed the state since.
pub(super) const EXPLAINING: &str = "EXISTS (SELECT 1 FROM episodes WHERE keep_from = snapshots.at OR \
    (snapshots.cause IS NOT NULL AND snapshots.at BETWEEN keep_from AND coalesce(keep_to, 9e99)))";

/// The state of a model that is kept only for the episodes that it judged.
pub(super) const RECORDED: &str = "recorded";

/// What is known of a subject when its point is written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scored {
    /// The highest score since the point before.
    pub(super) score: Option<f64>,
    /// That of the point itself.
    pub(super) momentary: Option<f64>,
    /// Whether it lies in an episode; nothing before there are scores.
    pub(super) is_anomaly: Option<bool>,
    pub(super) confidence: Option<f64>,
}

/// The number of a list of signals, which is made where there is none.
pub(super) fn layout(connection: &Connection, subject: &Subject, names: &str) -> Result<i64, Error> {
    let kind = subject.kind().name();
    let found = connection
        .prepare_cached("SELECT id FROM layouts WHERE kind = ?1 AND signals = ?2")?
        .query_row(params![kind, names], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    connection.execute("INSERT INTO layouts (kind, signals) VALUES (?1, ?2)", params![kind, names])?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn point(
    connection: &Connection,
    subject: &Subject,
    learned: &Learned,
    scored: Scored,
) -> Result<(), Error> {
    let names: Vec<&str> = learned.signals.iter().map(|it| it.name).collect();
    let layout = layout(connection, subject, &serde_json::Value::from(names).to_string())?;
    connection
        .prepare_cached(
            "INSERT INTO points (at, kind, subject, odd, weight, score, momentary, is_anomaly, confidence, layout, \"values\") \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            learned.point.at.0,
            subject.kind().name(),
            subject.name(),
            learned.odd,
            learned.weight,
            scored.score,
            scored.momentary,
            scored.is_anomaly,
            scored.confidence,
            layout,
            packed(&learned.point.values, &learned.point.missing),
        ])?;
    Ok(())
}

/// Values as 32-bit floats, then a bit for each that is missing.
pub(super) fn packed(values: &[f64], missing: &[bool]) -> Vec<u8> {
    // A value that a float cannot hold is as good as missing; a point bounds it by 1e100.
    let mut bytes: Vec<u8> = values.iter().flat_map(|it| (*it as f32).to_le_bytes()).collect();
    let is_missing = |(value, missing): (&f64, &bool)| *missing || !(*value as f32).is_finite();
    let bits: Vec<bool> = values.iter().zip(missing).map(is_missing).collect();
    bytes.extend(bits.chunks(8).map(|it| it.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))));
    bytes
}

/// The values of a point and which of them are missing; nothing when the bytes are not those of so many.
pub(super) fn unpacked(bytes: &[u8], count: usize) -> Option<(Vec<f64>, Vec<bool>)> {
    let (floats, bits) = bytes.split_at_checked(count.checked_mul(4)?)?;
    if bits.len() != count.div_ceil(8) {
        return None;
    }
    let (floats, _) = floats.as_chunks::<4>();
    let values: Vec<f64> = floats.iter().map(|it| f64::from(f32::from_le_bytes(*it))).collect();
    let missing = |(idx, value): (usize, &f64)| bits[idx / 8] >> (idx % 8) & 1 == 1 || !value.is_finite();
    let missing = values.iter().enumerate().map(missing).collect();
    let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
    Some((values.into_iter().map(finite).collect(), missing))
}

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

pub(super) fn snapshot(connection: &Connection, it: &Snapshot) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT INTO snapshots (at, format, model, cause, blob) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![it.at.0, it.format, it.model, it.cause, it.bytes])?;
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

pub(super) fn model(connection: &Connection, it: &Model) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO models (id, kind, created, state, card, digest, format, blob) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![it.id, it.kind, it.created.0, it.state, it.card, it.digest, it.format, it.bytes])?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn points_come_back(values in prop::collection::vec((any::<f32>(), any::<bool>()), 0..40)) {
            let (floats, missing): (Vec<f64>, Vec<bool>) =
                values.iter().map(|(value, missing)| (f64::from(*value), *missing)).unzip();
            let (found, found_missing) = unpacked(&packed(&floats, &missing), floats.len()).unwrap();
            for (idx, value) in floats.iter().enumerate() {
                prop_assert_eq!(found_missing[idx], missing[idx] || !value.is_finite());
                prop_assert!(!value.is_finite() || found[idx].to_bits() == value.to_bits());
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>, count in 0_usize..50) {
            let _ = unpacked(&bytes, count);
        }
    }

    #[test]
    fn a_value_that_no_float_holds_is_missing() {
        assert_eq!(
            unpacked(&packed(&[1e90, 2.5], &[false; 2]), 2),
            Some((vec![0.0, 2.5], vec![true, false]))
        );
    }
}
