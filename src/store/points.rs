//! Points and their scores as rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::row_types::{PointRow, ScoreRow, subject_of};
use super::store_write::AssessmentEntry;
use crate::reading::{Subject, Timestamp};
use crate::report::LearnedPoint;

/// Names of signals by number of their layout.
pub(super) type SignalLayouts = BTreeMap<i64, Arc<[String]>>;

/// Writes a point with the highest score since the previous one.
pub(super) fn insert(
    connection: &Connection,
    it: &AssessmentEntry,
    learned: &LearnedPoint,
    highest: Option<f64>,
) -> Result<(), StoreError> {
    let names: Vec<&str> = learned.signals.iter().map(|it| it.name).collect();
    connection
        .prepare_cached(
            "INSERT INTO points (at, kind, subject, in_episode, weight, score, instant_score, is_anomaly, confidence, layout, \"values\") \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            learned.point.at.0,
            it.subject.kind().name(),
            it.subject.name(),
            learned.in_episode,
            learned.weight,
            highest,
            it.instant_score,
            it.instant_score.map(|_| it.episode.is_some()),
            it.confidence,
            layout(connection, &it.subject, &names)?,
            pack_values(&learned.point.values, &learned.point.missing),
        ])?;
    Ok(())
}

/// The number of a layout, which is created if it is new.
pub(super) fn layout(connection: &Connection, subject: &Subject, names: &[&str]) -> Result<i64, StoreError> {
    let row = params![subject.kind().name(), serde_json::Value::from(names).to_string()];
    let found = connection
        .prepare_cached("SELECT id FROM layouts WHERE kind = ?1 AND signals = ?2")?
        .query_row(row, |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    connection.execute("INSERT INTO layouts (kind, signals) VALUES (?1, ?2)", row)?;
    Ok(connection.last_insert_rowid())
}

/// All layouts.
pub(super) fn layouts(connection: &Connection) -> Result<SignalLayouts, StoreError> {
    let mut statement = connection.prepare("SELECT id, signals FROM layouts")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter_map(|(id, text)| Some((id, serde_json::from_str(&text).ok()?))).collect())
}

/// The columns that [`point`] reads.
pub(super) const POINT: &str = "id, at, kind, subject, in_episode, weight, layout, \"values\", score";

/// A point; `None` if the row is corrupt.
pub(super) fn point(row: &Row<'_>, layouts: &SignalLayouts) -> Result<Option<PointRow>, rusqlite::Error> {
    let (subject, signals) = (subject_of(row, 2)?, layouts.get(&row.get(6)?));
    let (Some(subject), Some(signals)) = (subject, signals) else { return Ok(None) };
    let bytes = row.get_ref(7)?.as_blob().unwrap_or_default();
    let Some((values, missing)) = unpacked(bytes, signals.len()) else { return Ok(None) };
    Ok(Some(PointRow {
        at: Timestamp(row.get(1)?),
        subject,
        in_episode: row.get(4)?,
        weight: row.get(5)?,
        score: row.get(8)?,
        signals: Arc::clone(signals),
        values,
        missing,
    }))
}

/// The columns that [`score`] reads.
pub(super) const SCORE: &str = "id, at, kind, subject, score, instant_score, is_anomaly, confidence";

/// A score; `None` if the row is corrupt.
pub(super) fn score(row: &Row<'_>) -> Result<Option<ScoreRow>, rusqlite::Error> {
    let Some(subject) = subject_of(row, 2)? else { return Ok(None) };
    let score = row.get(4)?;
    Ok(Some(ScoreRow {
        at: Timestamp(row.get(1)?),
        subject,
        score,
        instant_score: row.get::<_, Option<f64>>(5)?.unwrap_or(score),
        is_anomaly: row.get::<_, Option<bool>>(6)?.unwrap_or_default(),
        confidence: row.get(7)?,
    }))
}

/// Values as 32-bit floats, then one bit a value: 1 if it is missing.
pub(super) fn pack_values(values: &[f64], missing: &[bool]) -> Vec<u8> {
    // A value outside the range of 32-bit floats counts as missing; points are bounded by 1e100.
    let mut bytes: Vec<u8> = values.iter().flat_map(|it| (*it as f32).to_le_bytes()).collect();
    let is_missing = |(value, missing): (&f64, &bool)| *missing || !(*value as f32).is_finite();
    let bits: Vec<bool> = values.iter().zip(missing).map(is_missing).collect();
    bytes.extend(bits.chunks(8).map(|it| it.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))));
    bytes
}

/// The values of a point, and whether each is missing; `None` unless there are `count` of them.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn points_come_back(values in prop::collection::vec((any::<f32>(), any::<bool>()), 0..40)) {
            let (floats, missing): (Vec<f64>, Vec<bool>) =
                values.iter().map(|(value, missing)| (f64::from(*value), *missing)).unzip();
            let (found, found_missing) = unpacked(&pack_values(&floats, &missing), floats.len()).unwrap();
            for (idx, value) in floats.iter().enumerate() {
                prop_assert_eq!(found_missing[idx], missing[idx] || !value.is_finite());
                prop_assert!(!value.is_finite() || found[idx].to_bits() == value.to_bits());
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, count in 0_usize..50) {
            let _ = unpacked(&bytes, count);
        }
    }

    #[test]
    fn a_value_outside_the_range_of_floats_is_missing() {
        assert_eq!(
            unpacked(&pack_values(&[1e90, 2.5], &[false; 2]), 2),
            Some((vec![0.0, 2.5], vec![true, false]))
        );
    }
}
