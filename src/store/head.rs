//! What no transaction has taken yet: in memory and, as far as it is committed, in the tail; in the end rows of the
//! database, of readings one for each minute.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::Error;
use super::point::Point;
use super::record::{self, Compressor, Record, Row};
use super::tail::{Frame, Tail};

const MINUTE_SECONDS: f64 = 60.0;
/// With more values it is written before its time, so that memory is bounded with many subjects.
const VALUES_MAX: usize = 1 << 18;

/// Numbers of series; readings that follow each other share them.
pub(super) type Layout = Arc<[u32]>;

/// A reading, by the numbers of its series. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// When.
    pub(super) at: f64,
    pub(super) layout: Layout,
    /// One value for each series of the layout.
    pub(super) values: Arc<[f64]>,
}

/// Readings and points that no transaction has taken yet.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) lines: Vec<Line>,
    pub(super) points: Vec<Point>,
    /// How many of its lines and of its points are in the tail.
    committed: [usize; 2],
}

impl Head {
    /// Whether its readings lie further apart than so many seconds, in either direction.
    pub(super) fn is_older_than(&self, seconds: f64) -> bool {
        let (first, last) = (self.lines.first(), self.lines.last());
        first.zip(last).is_some_and(|(first, last)| (last.at - first.at).abs() >= seconds)
    }

    /// Whether it must not grow any more.
    pub(super) fn is_full(&self) -> bool {
        let count = self.lines.len();
        count >= record::ROWS_MAX || self.lines.last().is_some_and(|it| it.values.len() * count >= VALUES_MAX)
    }

    /// Commits what is new to the tail.
    pub(super) fn append(&mut self, tail: &mut Tail) -> Result<(), Error> {
        let [lines, points] = self.committed;
        let whole = [self.lines.len(), self.points.len()];
        if self.committed != whole {
            tail.append(&self.lines[lines..], &self.points[points..])?;
            self.committed = whole;
        }
        Ok(())
    }

    /// Writes all of it as rows, and is empty then.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        compressor: &mut Compressor,
    ) -> Result<(), Error> {
        let minute = |it: &Line| (it.at / MINUTE_SECONDS).floor();
        for lines in self.lines.chunk_by(|one, other| minute(one) >= minute(other)) {
            insert(connection, &record(lines), compressor)?;
        }
        self.points.iter().try_for_each(|it| it.insert(connection))?;
        self.lines.clear();
        self.points.clear();
        self.committed = [0; 2];
        Ok(())
    }

    /// What a process that ended left in the tail.
    pub(super) fn left(frames: Vec<Frame>) -> Self {
        let mut head = Self::default();
        for frame in frames {
            head.lines.extend(frame.lines);
            head.points.extend(frame.points);
        }
        head
    }
}

/// Lines as a record.
pub(super) fn record(lines: &[Line]) -> Record {
    let mut record = Record::default();
    let mut newest: Option<&Layout> = None;
    for line in lines {
        if newest.is_none_or(|it| *it != line.layout) {
            record.layouts.push(line.layout.to_vec());
            newest = Some(&line.layout);
        }
        let layout = record.layouts.len() - 1;
        record.rows.push(Row { at: line.at, layout, values: line.values.to_vec() });
    }
    record
}

fn insert(connection: &Connection, record: &Record, compressor: &mut Compressor) -> Result<(), Error> {
    let (first, last) = record.span();
    let plain = record.plain();
    let (format, bytes) = match compressor.deflated(&plain) {
        Some(bytes) => (record::DEFLATED, bytes),
        None => (record::PLAIN, plain.as_slice()),
    };
    connection
        .prepare_cached(
            "INSERT INTO readings (first_at, last_at, count, format, blob) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![first, last, record.rows.len() as i64, format, bytes])?;
    Ok(())
}
