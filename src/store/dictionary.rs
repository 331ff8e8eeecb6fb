//! What the numbers in records mean: series to numbers when writing, numbers to series when reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::entry::Tick;
use super::head::{Layout, Line};
use super::record::Record;
use super::series::{Place, Series};
use super::{Error, schema};
use crate::metric::Metric;
use crate::reading::{Kind, Labels, Reading, Subject, Timestamp, Values};

/// Series that are known at most; the values of others are dropped and counted.
pub(super) const SERIES_MAX: usize = 65_536;

/// It is written down this seldom that a series was read; it is doubled for safety where that counts.
const TOUCH_SECONDS: f64 = 3_600.0;

/// Kind, subject, metric, labels as JSON.
type Key = (String, String, String, String);

/// Turns readings into rows.
#[derive(Debug, Default)]
pub(super) struct Writer {
    known: BTreeMap<Key, u32>,
    /// The series of the last reading, …
    newest: Series,
    /// … their numbers, nothing for those that are too many, …
    numbers: Vec<Option<u32>>,
    /// … and the numbers that there are.
    layout: Layout,
    /// When that was.
    newest_at: f64,
    /// When series were read last that are not in the last reading; until it is written down.
    gone: BTreeMap<u32, f64>,
    /// When it was written down last that those of the last reading were read.
    touched_at: f64,
}

impl Writer {
    /// What the database knows.
    pub(super) fn load(connection: &Connection) -> Result<Self, Error> {
        Ok(Self { known: known(connection)?, ..Self::default() })
    }

    /// The values of a reading by their numbers, and how many had to be left out.
    pub(super) fn line(&mut self, connection: &Connection, tick: &Tick) -> Result<(Line, u64), Error> {
        if !self.newest.is(&tick.series) {
            self.turn(connection, tick)?;
        }
        self.newest_at = tick.at.0;
        let dropped = self.numbers.len() - self.layout.len();
        let values = if dropped == 0 {
            Arc::clone(&tick.values)
        } else {
            let kept = tick.values.iter().zip(&self.numbers).filter(|(_, number)| number.is_some());
            kept.map(|(value, _)| *value).collect()
        };
        Ok((Line { at: tick.at.0, layout: Arc::clone(&self.layout), values }, dropped as u64))
    }

    /// Learns the series of a reading.
    fn turn(&mut self, connection: &Connection, tick: &Tick) -> Result<(), Error> {
        let numbers = tick.series.iter().map(|it| self.id(connection, it, tick.at));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        self.gone.extend(self.layout.iter().map(|it| (*it, self.newest_at)));
        self.layout = numbers.iter().copied().flatten().collect();
        self.numbers = numbers;
        self.newest = tick.series.clone();
        Ok(())
    }

    fn id(&mut self, connection: &Connection, it: &Place, at: Timestamp) -> Result<Option<u32>, Error> {
        let names = it.metric.labels.iter().copied();
        let named: serde_json::Map<String, serde_json::Value> =
            names.zip(it.labels.values()).map(|(name, value)| (name.to_owned(), (**value).into())).collect();
        let labels = serde_json::Value::Object(named).to_string();
        let key = (it.subject.kind().name().into(), it.subject.name().into(), it.metric.name.into(), labels);
        if let Some(id) = self.known.get(&key) {
            return Ok(Some(*id));
        }
        if self.known.len() >= SERIES_MAX {
            return Ok(None);
        }
        schema::begin(connection)?;
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
        if (self.newest_at - self.touched_at).abs() >= TOUCH_SECONDS {
            for id in self.layout.iter() {
                touch.execute(params![self.newest_at, id])?;
            }
            self.touched_at = self.newest_at;
        }
        let gone = connection.execute(
            "DELETE FROM series WHERE seen < (SELECT min(last_at) FROM readings) - ?1",
            params![2.0 * TOUCH_SECONDS],
        )?;
        if gone > 0 {
            // There may be room for some that were too many.
            (self.known, self.newest) = (known(connection)?, Series::default());
        }
        Ok(())
    }
}

fn known(connection: &Connection) -> Result<BTreeMap<Key, u32>, Error> {
    let mut statement = connection.prepare("SELECT kind, subject, metric, labels, id FROM series")?;
    let row =
        |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?));
    Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
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

/// The subject in two columns of a row.
pub(super) fn subject_of(row: &rusqlite::Row<'_>, idx: usize) -> Result<Option<Subject>, rusqlite::Error> {
    let text = |idx: usize| row.get_ref(idx).map(|it| it.as_str().unwrap_or_default());
    Ok(subject(text(idx)?, text(idx + 1)?))
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
