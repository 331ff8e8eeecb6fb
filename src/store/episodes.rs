//! Episodes as rows: one is written when it begins, followed while it goes on, and closed when it ends.
//!
//! With its beginning an episode freezes what explains it: the newest snapshot that was made before anything was odd, and
//! the readings from there until some time after its end (the flight recorder).

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::entry::Judged;
use super::{Error, dictionary, schema};
use crate::reading::{Subject, Timestamp};
use crate::report::{Episode, Turn};

/// Seconds before the onset, and after the end, that belong to an episode. A state that is younger at the onset may
/// have learned it.
pub const AROUND_SECONDS: f64 = 600.0;

/// Episodes that go on.
#[derive(Debug, Default)]
pub(super) struct Open(BTreeMap<Subject, Row>);

#[derive(Debug)]
struct Row {
    id: i64,
    began: f64,
    seen: f64,
    peak: f64,
}

impl Open {
    /// Those that went on when the store was closed, or left by a crash.
    pub(super) fn load(connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection
            .prepare("SELECT id, began, seen, peak, kind, subject FROM episodes WHERE outcome = 'open'")?;
        let mut rows = statement.query([])?;
        let mut open = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let Some(subject) = dictionary::subject(&row.get::<_, String>(4)?, &row.get::<_, String>(5)?)
            else {
                continue;
            };
            let it = Row { id: row.get(0)?, began: row.get(1)?, seen: row.get(2)?, peak: row.get(3)? };
            if let Some(before) = open.insert(subject, it) {
                close(connection, &before, "interrupted")?;
            }
        }
        Ok(Self(open))
    }

    /// Takes note of what one tick says of one subject.
    pub(super) fn note(&mut self, connection: &Connection, at: Timestamp, it: &Judged) -> Result<(), Error> {
        match (it.turn, it.episode) {
            (Some(Turn::Ended(episode)), _) => self.end(connection, at, it, &episode, "ended"),
            (Some(Turn::Accepted(episode)), _) => self.end(connection, at, it, &episode, "accepted"),
            (_, Some(episode)) => self.go_on(connection, at, it, &episode),
            (_, None) => {
                // It went on when hostnorm was stopped; nobody knows when it was over.
                if let Some(row) = self.0.remove(&it.subject) {
                    close(connection, &row, "interrupted")?;
                }
                Ok(())
            }
        }
    }

    fn go_on(
        &mut self,
        connection: &Connection,
        at: Timestamp,
        it: &Judged,
        episode: &Episode,
    ) -> Result<(), Error> {
        let same = |row: &Row| row.began.to_bits() == episode.since.0.to_bits();
        if !self.0.get(&it.subject).is_some_and(same) {
            if let Some(row) = self.0.remove(&it.subject) {
                close(connection, &row, "interrupted")?;
            }
            let row = begin(connection, it, episode)?;
            self.0.insert(it.subject.clone(), row);
        } else if let (Some(row), Some(causes)) = (self.0.get(&it.subject), &it.causes) {
            schema::begin(connection)?;
            connection
                .prepare_cached("UPDATE episodes SET causes = ?2, sentence = ?3 WHERE id = ?1")?
                .execute(params![row.id, causes, it.description.as_deref().unwrap_or_default()])?;
        }
        if let Some(row) = self.0.get_mut(&it.subject) {
            (row.seen, row.peak) = (at.0, episode.peak);
        }
        Ok(())
    }

    fn end(
        &mut self,
        connection: &Connection,
        at: Timestamp,
        it: &Judged,
        episode: &Episode,
        outcome: &str,
    ) -> Result<(), Error> {
        // Its beginning was lost: begin and end it at once.
        self.go_on(connection, at, it, episode)?;
        match self.0.remove(&it.subject) {
            Some(row) => close(connection, &row, outcome),
            None => Ok(()),
        }
    }

    /// Whether none goes on.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes down how far those that go on have come.
    pub(super) fn save(&self, connection: &Connection) -> Result<(), Error> {
        for row in self.0.values() {
            connection
                .prepare_cached("UPDATE episodes SET seen = ?2, peak = ?3 WHERE id = ?1")?
                .execute(params![row.id, row.seen, row.peak])?;
        }
        Ok(())
    }
}

/// Time and model of the newest or oldest snapshot that was made by then.
fn snapshot_before(
    connection: &Connection,
    at: f64,
    order: &str,
) -> Result<Option<(f64, Option<String>)>, Error> {
    let sql = format!("SELECT at, model FROM snapshots WHERE at <= ?1 ORDER BY id {order} LIMIT 1");
    Ok(connection.query_row(&sql, [at], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Its readings are kept from the newest snapshot that nothing odd can be in; of a hostnorm that runs for less time, from
/// its first.
fn begin(connection: &Connection, it: &Judged, episode: &Episode) -> Result<Row, Error> {
    schema::begin(connection)?;
    let since = episode.since.0;
    let snapshot = match snapshot_before(connection, since - AROUND_SECONDS, "DESC")? {
        None => snapshot_before(connection, since, "ASC")?,
        found => found,
    };
    let causes = it.causes.as_deref().unwrap_or("[]");
    let description = it.description.as_deref().unwrap_or_default();
    let keep_from = snapshot.as_ref().map_or(since - AROUND_SECONDS, |(at, _)| *at);
    let model = snapshot.as_ref().and_then(|(_, model)| model.as_deref());
    connection
        .prepare_cached(
            "INSERT INTO episodes (kind, subject, began, seen, outcome, peak, causes, sentence, model, keep_from) \
             VALUES (?1, ?2, ?3, ?3, 'open', ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            it.subject.kind().name(),
            it.subject.name(),
            since,
            episode.peak,
            causes,
            description,
            model,
            keep_from,
        ])?;
    let id = connection.last_insert_rowid();
    Ok(Row { id, began: since, seen: since, peak: episode.peak })
}

fn close(connection: &Connection, row: &Row, outcome: &str) -> Result<(), Error> {
    schema::begin(connection)?;
    connection
        .prepare_cached(
            "UPDATE episodes SET ended = ?2, seen = ?2, outcome = ?3, peak = ?4, keep_to = ?2 + ?5 WHERE id = ?1",
        )?
        .execute(params![row.id, row.seen, outcome, row.peak, AROUND_SECONDS])?;
    Ok(())
}
