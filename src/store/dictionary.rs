//! What the numbers in records mean: series to numbers when writing, numbers to series when reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::Error;
use super::record::{Record, Row};
use crate::metric::Metric;
use crate::reading::{Kind, Labels, Reading, Subject, Timestamp, Values};

/// Series that are known at most; the values of others are dropped and counted.
pub(super) const SERIES_MAX: usize = 65_536;

/// It is written down this seldom that a series was read, doubled for safety.
const SEEN_SECONDS: f64 = 2.0 * 3_600.0;

/// Kind, subject, metric, labels as JSON.
type Key = (String, String, String, String);

/// Turns readings into rows.
#[derive(Debug, Default)]
pub(super) struct Writer {
    known: BTreeMap<Key, u32>,
    /// The series of the last reading, in its order.
    newest: Vec<Place>,
    /// When that was.
    newest_at: f64,
    /// When series were read last that are not in the last reading; until it is written down.
    gone: BTreeMap<u32, f64>,
}

#[derive(Debug)]
struct Place {
    subject: Arc<Subject>,
    metric: &'static Metric,
    labels: Labels,
    id: u32,
}

impl Writer {
    /// What the database knows.
    pub(super) fn load(connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection.prepare("SELECT kind, subject, metric, labels, id FROM series")?;
        let row =
            |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?));
        let known = statement.query_map([], row)?.collect::<Result<_, _>>()?;
        Ok(Self { known, ..Self::default() })
    }

    /// Adds a reading to a record; gives the number of values that had to be left out.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        reading: &Reading,
        record: &mut Record,
    ) -> Result<u64, Error> {
        let dropped = if self.is_as_before(reading) { 0 } else { self.turn(connection, reading)? };
        self.newest_at = reading.at.0;
        let layout = self.layout(record);
        let values = if dropped == 0 {
            samples(reading).map(|(_, it)| it.value).collect()
        } else {
            self.values(reading)
        };
        record.rows.push(Row { at: reading.at.0, layout, values });
        Ok(dropped)
    }

    /// Whether the reading has the series of the one before, in the same order, as nearly all have.
    fn is_as_before(&self, reading: &Reading) -> bool {
        let mut places = self.newest.iter();
        let same = samples(reading).all(|(subject, sample)| {
            places.next().is_some_and(|it| {
                it.metric == sample.metric && it.labels == sample.labels && *it.subject == *subject
            })
        });
        same && places.next().is_none()
    }

    /// Learns the series of a reading; gives the number of those that are too many.
    fn turn(&mut self, connection: &Connection, reading: &Reading) -> Result<u64, Error> {
        let mut newest = Vec::with_capacity(self.newest.len());
        let mut dropped = 0;
        for (subject, values) in &reading.subjects {
            let subject = Arc::new(subject.clone());
            for sample in values.iter() {
                let Some(id) = self.id(connection, &subject, sample.metric, &sample.labels, reading.at)?
                else {
                    dropped += 1;
                    continue;
                };
                newest.push(Place {
                    subject: Arc::clone(&subject),
                    metric: sample.metric,
                    labels: sample.labels.clone(),
                    id,
                });
            }
        }
        let before = std::mem::replace(&mut self.newest, newest);
        self.gone.extend(before.iter().map(|it| (it.id, self.newest_at)));
        Ok(dropped)
    }

    /// The values of the series that are known; only where some are not.
    fn values(&self, reading: &Reading) -> Vec<f64> {
        let mut places = self.newest.iter().peekable();
        let known = samples(reading).filter(|(subject, sample)| {
            let is_next = |it: &&Place| {
                it.metric == sample.metric && it.labels == sample.labels && *it.subject == **subject
            };
            places.next_if(is_next).is_some()
        });
        known.map(|(_, it)| it.value).collect()
    }

    fn layout(&self, record: &mut Record) -> usize {
        let same = |layout: &Vec<u32>| layout.iter().copied().eq(self.newest.iter().map(|it| it.id));
        // The newest is the likeliest.
        if let Some(idx) = record.layouts.iter().rposition(same) {
            return idx;
        }
        record.layouts.push(self.newest.iter().map(|it| it.id).collect());
        record.layouts.len() - 1
    }

    fn id(
        &mut self,
        connection: &Connection,
        subject: &Subject,
        metric: &'static Metric,
        labels: &Labels,
        at: Timestamp,
    ) -> Result<Option<u32>, Error> {
        let names = metric.labels.iter().copied();
        let named: serde_json::Map<String, serde_json::Value> =
            names.zip(labels.values()).map(|(name, value)| (name.to_owned(), (**value).into())).collect();
        let labels = serde_json::Value::Object(named).to_string();
        let key = (subject.kind().name().into(), subject.name().into(), metric.name.into(), labels);
        if let Some(id) = self.known.get(&key) {
            return Ok(Some(*id));
        }
        if self.known.len() >= SERIES_MAX {
            return Ok(None);
        }
        connection
            .prepare_cached(
                "INSERT INTO series (kind, subject, metric, labels, seen) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![key.0, key.1, key.2, key.3, at.0])?;
        let Ok(id) = u32::try_from(connection.last_insert_rowid()) else { return Ok(None) };
        self.known.insert(key, id);
        Ok(Some(id))
    }

    /// Writes down which series were read lately, and forgets those of which no reading is kept.
    pub(super) fn prune(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut touch = connection.prepare_cached("UPDATE series SET seen = max(seen, ?1) WHERE id = ?2")?;
        for (id, at) in std::mem::take(&mut self.gone) {
            touch.execute(params![at, id])?;
        }
        for place in &self.newest {
            touch.execute(params![self.newest_at, place.id])?;
        }
        let gone = connection.execute(
            "DELETE FROM series WHERE seen < (SELECT min(last_at) FROM readings) - ?1",
            params![SEEN_SECONDS],
        )?;
        if gone > 0 {
            self.known = Self::load(connection)?.known;
        }
        Ok(())
    }
}

fn samples(reading: &Reading) -> impl Iterator<Item = (&Subject, &crate::reading::Sample)> {
    reading.subjects.iter().flat_map(|(subject, values)| values.iter().map(move |it| (subject, it)))
}

/// Turns rows into readings.
#[derive(Debug)]
pub(super) struct Reader {
    series: BTreeMap<u32, (Subject, &'static Metric, Labels)>,
}

impl Reader {
    /// What the database knows, as far as these metrics go.
    pub(super) fn load(connection: &Connection, metrics: &[&'static Metric]) -> Result<Self, Error> {
        let by_name: BTreeMap<&str, &'static Metric> = metrics.iter().map(|it| (it.name, *it)).collect();
        let mut statement = connection.prepare("SELECT id, kind, subject, metric, labels FROM series")?;
        let mut rows = statement.query([])?;
        let mut series = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let metric: String = row.get(3)?;
            let labels: String = row.get(4)?;
            let Some(metric) = by_name.get(metric.as_str()).copied() else { continue };
            let Some(subject) = subject(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?) else {
                continue;
            };
            let Some(labels) = labels_of(metric, &labels) else { continue };
            series.insert(row.get(0)?, (subject, metric, labels));
        }
        Ok(Self { series })
    }

    /// The readings of a record, and how many of their values belong to series that are not known.
    pub(super) fn readings(&self, record: &Record) -> (Vec<Reading>, u64) {
        let mut unknown = 0;
        let readings = record.rows.iter().map(|row| {
            let mut reading = Reading::new(Timestamp(row.at));
            let mut newest: Option<(&Subject, Values)> = None;
            for (id, value) in record.layouts[row.layout].iter().zip(&row.values) {
                let Some((subject, metric, labels)) = self.series.get(id) else {
                    unknown += 1;
                    continue;
                };
                // The series of a subject stand together, so that the map is asked once for each.
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
            reading
        });
        (readings.collect(), unknown)
    }
}

/// The subject of this kind and name.
pub(super) fn subject(kind: &str, name: &str) -> Option<Subject> {
    match kind {
        kind if kind == Kind::Host.name() => Some(Subject::Host),
        kind if kind == Kind::Container.name() => Some(Subject::Container(name.into())),
        kind if kind == Kind::Log.name() => Some(Subject::Log(name.into())),
        _ => None,
    }
}

/// The label values in the order of the metric; nothing when it has other labels today.
fn labels_of(metric: &Metric, json: &str) -> Option<Labels> {
    let named: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
    if named.len() != metric.labels.len() {
        return None;
    }
    if named.is_empty() {
        return Some(Labels::NONE);
    }
    let values = metric.labels.iter().map(|name| named.get(*name)?.as_str());
    Some(Labels::new(values.collect::<Option<Vec<_>>>()?))
}
