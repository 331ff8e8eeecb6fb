//! A point with its score: as a row of the database, and as a part of a frame.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::entry::Judged;
use super::stored::{PointRow, ScoreRow};
use super::{Error, dictionary};
use crate::reading::{Subject, Timestamp};
use crate::report::Learned;
use crate::seal::Blob;

/// What was learned at once, with what it was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    at: Timestamp,
    subject: Subject,
    odd: bool,
    weight: f64,
    /// The highest score since the point before.
    score: Option<f64>,
    /// That of the point itself.
    momentary: Option<f64>,
    /// Whether it lies in an episode; nothing before there are scores.
    is_anomaly: Option<bool>,
    confidence: Option<f64>,
    /// Names of the signals, as a JSON array.
    signals: String,
    /// See [`packed`].
    values: Blob,
}

impl Point {
    /// What is kept of a point, with the highest score since the one before.
    pub(super) fn new(it: &Judged, learned: &Learned, highest: Option<f64>) -> Self {
        let names: Vec<&str> = learned.signals.iter().map(|it| it.name).collect();
        Self {
            at: learned.point.at,
            subject: it.subject.clone(),
            odd: learned.odd,
            weight: learned.weight,
            score: highest,
            momentary: it.momentary,
            is_anomaly: it.momentary.map(|_| it.episode.is_some()),
            confidence: it.confidence,
            signals: serde_json::Value::from(names).to_string(),
            values: Blob(packed(&learned.point.values, &learned.point.missing)),
        }
    }

    /// Writes it as a row.
    pub(super) fn insert(&self, connection: &Connection) -> Result<(), Error> {
        let layout = layout(connection, &self.subject, &self.signals)?;
        connection
            .prepare_cached(
                "INSERT INTO points (at, kind, subject, odd, weight, score, momentary, is_anomaly, confidence, layout, \"values\") \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                self.at.0,
                self.subject.kind().name(),
                self.subject.name(),
                self.odd,
                self.weight,
                self.score,
                self.momentary,
                self.is_anomaly,
                self.confidence,
                layout,
                self.values.0,
            ])?;
        Ok(())
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// As it is read; nothing when it makes no sense.
    pub(super) fn row(self) -> Option<PointRow> {
        let signals: Arc<[String]> = serde_json::from_str(&self.signals).ok()?;
        let (values, missing) = unpacked(&self.values.0, signals.len())?;
        let Self { at, subject, odd, weight, score, .. } = self;
        Some(PointRow { at, subject, odd, weight, score, signals, values, missing })
    }

    /// Its score; nothing where it has none.
    pub(super) fn score(self) -> Option<ScoreRow> {
        let score = self.score?;
        Some(ScoreRow {
            at: self.at,
            subject: self.subject,
            score,
            momentary: self.momentary.unwrap_or(score),
            is_anomaly: self.is_anomaly.unwrap_or_default(),
            confidence: self.confidence,
        })
    }
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

/// The lists of signals by their numbers.
pub(super) fn layouts(connection: &Connection) -> Result<BTreeMap<i64, Arc<[String]>>, Error> {
    let mut statement = connection.prepare("SELECT id, signals FROM layouts")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter_map(|(id, text)| Some((id, serde_json::from_str(&text).ok()?))).collect())
}

/// The columns that [`read`] takes, in its order.
pub(super) const COLUMNS: &str = "at, kind, subject, odd, weight, layout, \"values\", score";

/// Nothing when the row makes no sense.
pub(super) fn read(
    row: &Row<'_>,
    layouts: &BTreeMap<i64, Arc<[String]>>,
) -> Result<Option<PointRow>, rusqlite::Error> {
    let (subject, signals) = (dictionary::subject_of(row, 1)?, layouts.get(&row.get(5)?));
    let (Some(subject), Some(signals)) = (subject, signals) else { return Ok(None) };
    let bytes = row.get_ref(6)?.as_blob().unwrap_or_default();
    let Some((values, missing)) = unpacked(bytes, signals.len()) else { return Ok(None) };
    Ok(Some(PointRow {
        at: Timestamp(row.get(0)?),
        subject,
        odd: row.get(3)?,
        weight: row.get(4)?,
        score: row.get(7)?,
        signals: Arc::clone(signals),
        values,
        missing,
    }))
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
