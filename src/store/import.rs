//! Points of the past that others kept, written as if they had been learned before all that is stored.

use std::path::Path;

use rusqlite::{Connection, params};

use super::db::Db;
use super::entry::{Entry, Marker};
use super::stored::IMPORTED;
use super::{Error, FILE, point, schema, tables, writer};
use crate::clock;
use crate::reading::Subject;
use crate::signal::Signal;
use crate::window::Point;

/// What became of points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// So many were written.
    pub written: usize,
    /// So many are of a time of which there are stored ones already.
    pub overlapping: usize,
}

/// Points from elsewhere, in the order of time.
#[derive(Debug, Clone)]
pub struct Bygone {
    /// Of whom.
    pub subject: Subject,
    /// The signals, one for each value.
    pub signals: Vec<&'static Signal>,
    /// The points.
    pub points: Vec<Point>,
}

/// Writes points to the store in this directory, which no daemon writes to; it is made where there is none.
///
/// # Errors
/// When the store cannot be written, or a daemon writes to it.
pub fn import(directory: &Path, bygone: &Bygone) -> Result<Imported, Error> {
    let _lock = writer::locked(directory)?;
    let connection = schema::open(&directory.join(FILE))?;
    let transaction = connection.unchecked_transaction()?;
    let imported = insert(&transaction, bygone)?;
    transaction.commit()?;
    Ok(imported)
}

/// Writes entries to the store in this directory, which no daemon writes to.
///
/// # Errors
/// When there is no store, it cannot be written, or a daemon writes to it.
pub fn amend(directory: &Path, entries: &[Entry]) -> Result<(), Error> {
    let path = directory.join(FILE);
    if !path.exists() {
        return Err(Error::None { path: directory.to_owned() });
    }
    let _lock = writer::locked(directory)?;
    let mut db = Db::open(&path)?;
    db.write(entries.iter(), true)?;
    db.close()
}

/// Writes points within a transaction. Where points are stored already, only those before them are taken: what was
/// measured here counts more. State that was learned without them is not gone on from.
pub(super) fn insert(connection: &Connection, bygone: &Bygone) -> Result<Imported, Error> {
    let subject = (bygone.subject.kind().name(), bygone.subject.name());
    let first: Option<f64> = connection.query_row(
        "SELECT min(at) FROM points WHERE kind = ?1 AND subject = ?2",
        [subject.0, subject.1],
        |row| row.get(0),
    )?;
    let before = |it: &&Point| first.is_none_or(|first| it.at.0 < first);
    let points: Vec<&Point> = bygone.points.iter().filter(before).collect();
    let imported = Imported { written: points.len(), overlapping: bygone.points.len() - points.len() };
    if points.is_empty() {
        return Ok(imported);
    }
    // Points are read in the order of their numbers, so these have numbers below all others.
    let lowest: Option<i64> = connection.query_row("SELECT min(id) FROM points", [], |row| row.get(0))?;
    let count = i64::try_from(points.len()).unwrap_or(i64::MAX);
    let begin = lowest.unwrap_or(1).saturating_sub(count);
    let names: Vec<&str> = bygone.signals.iter().map(|it| it.name).collect();
    let layout = point::layout(connection, &bygone.subject, &serde_json::Value::from(names).to_string())?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO points (id, at, kind, subject, odd, weight, layout, \"values\") \
         VALUES (?1, ?2, ?3, ?4, 0, 1.0, ?5, ?6)",
    )?;
    for (id, it) in (begin..).zip(points) {
        let packed = point::packed(&it.values, &it.missing);
        statement.execute(params![id, it.at.0, subject.0, subject.1, layout, packed])?;
    }
    // No state knows these points, not even one that explains an episode and is kept.
    connection.execute(&format!("DELETE FROM snapshots WHERE NOT {}", tables::EXPLAINING), [])?;
    let text = format!("{} points", imported.written);
    tables::marker(connection, &Marker { at: clock::now(), kind: IMPORTED.into(), text })?;
    Ok(imported)
}
