//! Maps series to the numbers that blocks of readings use, as in the table `series`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use serde_json::{Map, Value};

use super::block::{BlockReading, SeriesLayout};
use super::error::StoreError;
use super::row_types::subject_of;
use super::series_keys::{MetricSeriesKey, SeriesList};
use super::store_write::TickEntry;
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, Subject, SubjectValues, Timestamp};

/// Largest number of series; values of further ones are dropped and counted.
pub(super) const SERIES_MAX: usize = 65_536;

/// Accuracy of the last-seen time of a series; series without stored readings are deleted after twice as long.
const SEEN_SECONDS: f64 = 7_200.0;

/// Kind, subject, metric and labels as JSON.
type Key = (String, String, String, String);

/// Converts readings to lines of blocks.
#[derive(Debug, Default)]
pub(super) struct SeriesIndex {
    known: BTreeMap<Key, u32>,
    /// The series of the last reading, …
    list: SeriesList,
    /// … their numbers, absent beyond the maximum, …
    numbers: Vec<Option<u32>>,
    /// … and the numbers that are present.
    layout: SeriesLayout,
    /// Numbers used since the table was last updated.
    used: BTreeSet<u32>,
}

impl SeriesIndex {
    /// Loads the index of a database.
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self { known: known(connection)?, ..Self::default() })
    }

    /// The reading as a line, and the number of dropped values.
    pub(super) fn line(
        &mut self,
        connection: &Connection,
        tick: &TickEntry,
    ) -> Result<(BlockReading, u64), StoreError> {
        if !self.list.is(&tick.series) {
            let numbers = tick.series.iter().map(|it| self.number(connection, it, tick.at));
            self.numbers = numbers.collect::<Result<_, _>>()?;
            self.layout = self.numbers.iter().copied().flatten().collect();
            self.used.extend(self.layout.iter());
            self.list = tick.series.clone();
        }
        let dropped = self.numbers.len() - self.layout.len();
        let values = if dropped == 0 {
            Arc::clone(&tick.values)
        } else {
            let kept = tick.values.iter().zip(&self.numbers).filter(|(_, number)| number.is_some());
            kept.map(|(value, _)| *value).collect()
        };
        Ok((BlockReading { at: tick.at.0, layout: Arc::clone(&self.layout), values }, dropped as u64))
    }

    fn number(
        &mut self,
        connection: &Connection,
        it: &MetricSeriesKey,
        at: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let labels = labels_json(it.metric, &it.labels);
        let key = (it.subject.kind().name().into(), it.subject.name().into(), it.metric.name.into(), labels);
        if let Some(id) = self.known.get(&key) {
            return Ok(Some(*id));
        }
        if self.known.len() >= SERIES_MAX {
            return Ok(None);
        }
        connection
            .prepare_cached(
                "INSERT INTO series (kind, subject, metric, labels, last_seen) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![key.0, key.1, key.2, key.3, at.0])?;
        let Ok(id) = u32::try_from(connection.last_insert_rowid()) else { return Ok(None) };
        self.known.insert(key, id);
        Ok(Some(id))
    }

    /// Records which series were read recently, and deletes those without stored readings.
    pub(super) fn prune(&mut self, connection: &Connection, now: f64) -> Result<(), StoreError> {
        let mut touch =
            connection.prepare_cached("UPDATE series SET last_seen = max(last_seen, ?1) WHERE id = ?2")?;
        for id in std::mem::take(&mut self.used) {
            touch.execute(params![now, id])?;
        }
        self.used.extend(self.layout.iter());
        let deleted = connection.execute(
            "DELETE FROM series WHERE last_seen < (SELECT min(last_at) FROM readings) - ?1",
            params![SEEN_SECONDS],
        )?;
        if deleted > 0 {
            // There may be room now for series that were dropped.
            (self.known, self.list) = (known(connection)?, SeriesList::default());
        }
        Ok(())
    }
}

fn known(connection: &Connection) -> Result<BTreeMap<Key, u32>, StoreError> {
    let mut statement = connection.prepare("SELECT kind, subject, metric, labels, id FROM series")?;
    let row = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?));
    Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
}

/// Converts lines of blocks to readings.
#[derive(Debug)]
pub(super) struct BlockSeriesDecoder(BTreeMap<u32, (Subject, &'static Metric, MetricLabels)>);

impl BlockSeriesDecoder {
    /// Loads the series of these metrics from a database.
    pub(super) fn load(connection: &Connection, metrics: &[&'static Metric]) -> Result<Self, StoreError> {
        let by_name: BTreeMap<&str, &'static Metric> = metrics.iter().map(|it| (it.name, *it)).collect();
        let mut statement = connection.prepare("SELECT id, kind, subject, metric, labels FROM series")?;
        let mut rows = statement.query([])?;
        let mut series = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let metric: String = row.get(3)?;
            let Some(metric) = by_name.get(metric.as_str()).copied() else { continue };
            let labels = labels_of(metric, &row.get::<_, String>(4)?);
            let (Some(subject), Some(labels)) = (subject_of(row, 1)?, labels) else { continue };
            series.insert(row.get(0)?, (subject, metric, labels));
        }
        Ok(Self(series))
    }

    /// The reading of a line, and the number of its values with unknown series.
    pub(super) fn reading(&self, line: &BlockReading) -> (Reading, u64) {
        let mut unknown = 0;
        let mut reading = Reading::new(Timestamp(line.at));
        let mut newest: Option<(&Subject, SubjectValues)> = None;
        for (id, value) in line.layout.iter().zip(line.values.iter()) {
            let Some((subject, metric, labels)) = self.0.get(id) else {
                unknown += 1;
                continue;
            };
            // The series of a subject are adjacent, so the map is searched once per subject.
            if newest.as_ref().is_none_or(|(newest, _)| *newest != subject) {
                if let Some((subject, values)) = newest.take() {
                    reading.subjects.insert(subject.clone(), values);
                }
                newest = Some((subject, reading.subjects.remove(subject).unwrap_or_default()));
            }
            if let Some((_, values)) = &mut newest {
                values.set_by(metric, labels, *value);
            }
        }
        if let Some((subject, values)) = newest {
            reading.subjects.insert(subject.clone(), values);
        }
        (reading, unknown)
    }
}

/// The labels as a JSON object.
pub(super) fn labels_json(metric: &Metric, labels: &MetricLabels) -> String {
    let labels = metric.labels.iter().zip(labels.values());
    let labels: Map<String, Value> =
        labels.map(|(name, value)| ((*name).to_owned(), (**value).into())).collect();
    Value::Object(labels).to_string()
}

/// The label values in the order of the metric; `None` if its labels differ today.
pub(super) fn labels_of(metric: &Metric, json: &str) -> Option<MetricLabels> {
    let named: Map<String, Value> = serde_json::from_str(json).ok()?;
    if named.len() != metric.labels.len() {
        return None;
    }
    if named.is_empty() {
        return Some(MetricLabels::NONE);
    }
    let values = metric.labels.iter().map(|name| named.get(*name)?.as_str());
    Some(MetricLabels::new(values.collect::<Option<Vec<_>>>()?))
}
