//! Reads points and scores, of all subjects or of one: the longest tables, so they are read page by page.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::error::StoreError;
use super::points;
use super::reader::StoreReader;
use super::row_types::{BEGINNING, PointRow, ScoreRow, SkippedDataCounts, TimeRange, subject_of};
use crate::reading::{Subject, Timestamp};

/// Number of rows in a page of points.
const PAGE_ROWS: u32 = 1_024;
/// Number of rows whose pages are in the cache of SQLite at once, to be read once for several subjects.
const CACHED_ROWS: i64 = 8_192;
/// Seconds at both ends of a range in which its first and last row are looked for.
const EDGE_SECONDS: f64 = 3_600.0;

/// The points of a page, whose columns and further conditions are these. Parameters: those of [`StoreReader::pages`], with
/// kind and name of the subject, and both ends of the time range.
pub(super) fn page_of_points(columns: &str, also: &str, subject: Option<&Subject>) -> String {
    // The index of subjects has the numbers of the rows, too, so the rows of others are not read. Without a subject, the
    // statement compares parameters with themselves.
    let (index, of) = match subject {
        Some(_) => ("INDEXED BY points_subject", "kind = ?3 AND subject = ?4"),
        None => ("", "?3 = ?4"),
    };
    format!(
        "SELECT {columns} FROM points {index} WHERE id > ?1 AND id <= ?2 AND {of} AND +at >= ?5 AND +at <= ?6 {also} \
         ORDER BY id LIMIT ?7"
    )
}

/// The ends of a range of points as [`StoreReader::ends`] gives them, without reading the points between. The order of times
/// is the order of rows but for clocks that were set back, so the first and the last row are looked for in the first and the
/// last [`EDGE_SECONDS`] with points: those of a clock that was set back by more may be left out.
pub(super) fn edges_of_points([from, to]: [f64; 2]) -> String {
    let first = match from > BEGINNING {
        true => format!(
            "WHERE at >= {from:e} AND at <= {EDGE_SECONDS} + (SELECT min(at) FROM points WHERE at >= {from:e})"
        ),
        false => String::new(),
    };
    let last = match to < -BEGINNING {
        true => format!(
            "WHERE at <= {to:e} AND at >= (SELECT max(at) FROM points WHERE at <= {to:e}) - {EDGE_SECONDS}"
        ),
        false => String::new(),
    };
    format!("SELECT (SELECT min(id) - 1 FROM points {first}), (SELECT max(id) FROM points {last})")
}

impl StoreReader {
    /// Passes the points of a time range to `each`, oldest first; of all subjects or one.
    ///
    /// # Errors
    /// If the store cannot be read, or `each` fails.
    pub fn points<E: From<StoreError>>(
        &self,
        between: TimeRange,
        subject: Option<&Subject>,
        mut each: impl FnMut(PointRow) -> Result<(), E>,
    ) -> Result<SkippedDataCounts, E> {
        let layouts = points::layouts(&self.0)?;
        let mut left_out = SkippedDataCounts::default();
        let read = |row: &Row<'_>| points::point(row, &layouts);
        self.point_pages(between, subject, [points::POINT, ""], read, |point| -> Result<(), E> {
            match point {
                Some(point) => each(point)?,
                None => left_out.corrupt += 1,
            }
            Ok(())
        })?;
        Ok(left_out)
    }

    /// Passes the points of several subjects in a time range to `each`, with the index of the subject; the points of each
    /// subject oldest first.
    ///
    /// # Errors
    /// If the store cannot be read, or `each` fails.
    pub fn points_of_each<E: From<StoreError>>(
        &self,
        between: TimeRange,
        subjects: &[Subject],
        mut each: impl FnMut(usize, PointRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let (from, to) = between.bounds();
        let layouts = points::layouts(&self.0)?;
        let Some([mut before, newest]) = self.both_ends(&edges_of_points([from, to]))? else { return Ok(()) };
        while before < newest {
            // The rows of all subjects lie side by side: each subject on its own would read the same pages again.
            let last = newest.min(before.saturating_add(CACHED_ROWS));
            for (idx, subject) in subjects.iter().enumerate() {
                let sql = page_of_points(points::POINT, "", Some(subject));
                let of: [&dyn ToSql; 4] = [&subject.kind().name(), &subject.name(), &from, &to];
                let read = |row: &Row<'_>| points::point(row, &layouts);
                self.pages(Some([before, last]), &sql, PAGE_ROWS, &of, read, |point| {
                    point.map_or(Ok(()), |point| each(idx, point))
                })?;
            }
            before = last;
        }
        Ok(())
    }

    /// Passes the scores of a time range to `each`, oldest first; of all subjects or one.
    ///
    /// # Errors
    /// If the store cannot be read, or `each` fails.
    pub fn scores<E: From<StoreError>>(
        &self,
        between: TimeRange,
        subject: Option<&Subject>,
        mut each: impl FnMut(ScoreRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let what = [points::SCORE, "AND score IS NOT NULL"];
        self.point_pages(between, subject, what, points::score, |score| score.map_or(Ok(()), &mut each))
    }

    fn point_pages<T, E: From<StoreError>>(
        &self,
        between: TimeRange,
        subject: Option<&Subject>,
        [columns, also]: [&str; 2],
        read: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
        each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let (from, to) = between.bounds();
        let ends = match subject {
            Some(_) => self.both_ends(&edges_of_points([from, to])),
            None => self.ends("points", "at", [from, to]),
        };
        let (kind, name) = subject.map(|it| (it.kind().name(), it.name())).unwrap_or_default();
        let sql = page_of_points(columns, also, subject);
        self.pages(ends?, &sql, PAGE_ROWS, &[&kind, &name, &from, &to], read, each)
    }

    /// The numbers of the row before the first row of a range and of its last row; `None` without rows. They are found by
    /// their times, so the rows before and behind a range are not read.
    pub(super) fn ends(
        &self,
        table: &str,
        time: &str,
        [from, to]: [f64; 2],
    ) -> Result<Option<[i64; 2]>, StoreError> {
        let mut bounds = Vec::new();
        bounds.extend((from > BEGINNING).then(|| format!("{time} >= {from:e}")));
        bounds.extend((to < -BEGINNING).then(|| format!("{time} <= {to:e}")));
        let sql = match bounds.is_empty() {
            // Two statements, each of which reads one row only.
            true => format!("SELECT (SELECT min(id) - 1 FROM {table}), (SELECT max(id) FROM {table})"),
            // One statement, which reads the index once.
            false => format!("SELECT min(id) - 1, max(id) FROM {table} WHERE {}", bounds.join(" AND ")),
        };
        self.both_ends(&sql)
    }

    fn both_ends(&self, sql: &str) -> Result<Option<[i64; 2]>, StoreError> {
        let ends = self.0.query_row(sql, [], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get(1)?)))?;
        Ok(ends.0.zip(ends.1).map(|(before, last)| [before, last]))
    }

    /// Passes the rows between these [`ends`](Self::ends) to `each`, page by page. Parameters of the statement: number of the
    /// last row of the previous page, number of the last row, `parameters`, and page length.
    pub(super) fn pages<T, E: From<StoreError>>(
        &self,
        ends: Option<[i64; 2]>,
        sql: &str,
        rows: u32,
        parameters: &[&dyn ToSql],
        read: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some([mut before, newest]) = ends else { return Ok(()) };
        let mut statement = self.0.prepare_cached(sql).map_err(StoreError::from)?;
        loop {
            let all = [&[&before as &dyn ToSql, &newest], parameters, &[&rows]].concat();
            let page = statement.query_map(&all[..], |row| Ok((row.get(0)?, read(row)?)));
            let page: Vec<(i64, T)> = page.and_then(Iterator::collect).map_err(StoreError::from)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            before = *last;
            let is_last = page.len() < rows as usize;
            page.into_iter().try_for_each(|(_, row)| each(row))?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// The subjects with stored points.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn subjects(&self) -> Result<BTreeSet<Subject>, StoreError> {
        let mut statement = self.0.prepare("SELECT DISTINCT kind, subject FROM points")?;
        let subjects = statement.query_map([], |row| subject_of(row, 0))?;
        Ok(subjects.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// Whether the store has a point or an episode of this subject.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn has_subject(&self, subject: &Subject) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM points INDEXED BY points_subject WHERE kind = ?1 AND subject = ?2) \
                   OR EXISTS (SELECT 1 FROM episodes WHERE kind = ?1 AND subject = ?2)";
        Ok(self.0.query_row(sql, params![subject.kind().name(), subject.name()], |row| row.get(0))?)
    }

    /// Whether a point of any subject is in this time range.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn has_points(&self, between: TimeRange) -> Result<bool, StoreError> {
        let (from, to) = between.bounds();
        let sql = "SELECT EXISTS (SELECT 1 FROM points WHERE at >= ?1 AND at <= ?2)";
        Ok(self.0.query_row(sql, params![from, to], |row| row.get(0))?)
    }

    /// Time of the point of a subject that was stored last.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn newest_point(&self, subject: &Subject) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at FROM points INDEXED BY points_subject WHERE kind = ?1 AND subject = ?2 \
                   ORDER BY id DESC LIMIT 1";
        let of = params![subject.kind().name(), subject.name()];
        Ok(self.0.query_row(sql, of, |row| row.get(0)).optional()?.map(Timestamp))
    }
}
