//! Snapshots of the engine, and the readings after them.

use rusqlite::{OptionalExtension, Row, params};

use super::block;
use super::error::StoreError;
use super::reader::{PAGE_BLOCKS, StoreReader, bounded};
use super::row_types::{SnapshotRow, StoredSnapshot};
use super::series_index::BlockSeriesDecoder;
use crate::explanation::EpisodeRecord;
use crate::metric::Metric;
use crate::reading::{Reading, Timestamp};

impl StoreReader {
    /// The newest snapshot of this format.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn snapshot(&self, format: &str) -> Result<Option<StoredSnapshot>, StoreError> {
        let sql = format!("{} WHERE format = ?1 ORDER BY id DESC LIMIT 1", snapshots());
        let stored = |row: &Row<'_>| {
            Ok(StoredSnapshot { row: snapshot(row)?, readings: row.get(5)?, markers: row.get(6)? })
        };
        Ok(self.0.query_row(&sql, [format], stored).optional()?)
    }

    /// Passes the readings since a snapshot to `each`, in the order in which they were stored, and whether it is after
    /// the snapshot; those of the row before it come first. Times play no part, because the clock may have been wrong.
    ///
    /// # Errors
    /// If the store cannot be read, or `each` fails.
    pub fn readings_since<E: From<StoreError>>(
        &self,
        snapshot: &StoredSnapshot,
        metrics: &[&'static Metric],
        mut each: impl FnMut(bool, Reading) -> Result<(), E>,
    ) -> Result<(), E> {
        let names = BlockSeriesDecoder::load(&self.0, metrics)?;
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        self.pages(
            self.ends("readings", "last_at", [-f64::INFINITY, f64::INFINITY])?,
            "SELECT id, block FROM readings WHERE id > ?1 AND id <= ?2 AND id >= ?3 ORDER BY id LIMIT ?4",
            PAGE_BLOCKS,
            &[&snapshot.readings],
            read,
            |(row, packed)| -> Result<(), E> {
                for line in block::unpack(&packed).unwrap_or_default() {
                    each(row > snapshot.readings, names.reading(&line).0)?;
                }
                Ok(())
            },
        )
    }

    /// Whether a marker of this kind was written after a snapshot.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn is_marked_since(&self, snapshot: &StoredSnapshot, kind: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM markers WHERE id > ?1 AND kind = ?2)";
        Ok(self.0.query_row(sql, params![snapshot.markers, kind], |row| row.get(0))?)
    }

    /// The snapshots that reproduce an episode, oldest first: the one before its readings, and those with a cause
    /// since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshots_of(&self, episode: &EpisodeRecord) -> Result<Vec<SnapshotRow>, StoreError> {
        let Some(from) = episode.retained_from else { return Ok(Vec::new()) };
        let mut statement = self.0.prepare(&format!(
            "{} WHERE at = ?1 OR (cause IS NOT NULL AND at BETWEEN ?1 AND ?2) ORDER BY id",
            snapshots()
        ))?;
        let to = episode.retained_to.unwrap_or(1e300);
        Ok(statement.query_map([from, to], snapshot)?.collect::<Result<_, _>>()?)
    }
}

fn snapshots() -> String {
    format!("SELECT at, format, model, cause, {}, readings, markers FROM snapshots", bounded("content"))
}

/// The identifiers in the column `model`.
fn models(row: &Row<'_>, column: usize) -> Result<Vec<String>, rusqlite::Error> {
    let text: Option<String> = row.get(column)?;
    Ok(text.unwrap_or_default().split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect())
}

fn snapshot(row: &Row<'_>) -> Result<SnapshotRow, rusqlite::Error> {
    Ok(SnapshotRow {
        at: Timestamp(row.get(0)?),
        format: row.get(1)?,
        models: models(row, 2)?,
        cause: row.get(3)?,
        bytes: row.get(4)?,
    })
}
