//! The sampling loop's handle to the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::data_dir::{DataDir, FILE};
use super::database::Database;
use super::error::StoreError;
use super::retention::RetentionLimits;
use super::row_types::{BackfillCounts, BackfillPoints};
use super::series_keys::SeriesList;
use super::settings::StoreSettings;
use super::store_health::StoreStatus;
use super::store_write::{StoreWrite, TickEntry};
use super::write_queue::StoreQueue;
use super::writer::{Restore, StoreWriter};
use crate::counter_reset::OffsetChanges;
use crate::reading::SubjectValues;
use crate::report::Report;

/// Longest wait for the last commit.
const GRACE: Duration = Duration::from_secs(2);

/// The store, as the loop uses it. Without a directory, it discards everything.
#[derive(Debug, Default)]
pub struct Store(Option<RunningStore>);

#[derive(Debug)]
struct RunningStore {
    directory: PathBuf,
    queue: Arc<StoreQueue>,
    status: Arc<StoreStatus>,
    /// Closes when the thread ends.
    ended: Receiver<()>,
    /// The series of the last reading.
    series: SeriesList,
}

impl Store {
    /// A store that keeps nothing.
    pub fn memory() -> Self {
        Self(None)
    }

    /// Opens the store in this directory on its own thread, and returns at once. Before the first write, `restore`
    /// receives the stored state. Failures are retried for as long as the process runs.
    pub fn open(directory: &Path, settings: &StoreSettings, restore: Restore) -> Self {
        let commit_interval = settings.commit_interval.duration();
        let (queue, status) = (Arc::new(StoreQueue::default()), Arc::new(StoreStatus::new(commit_interval)));
        let (alive, ended) = mpsc::channel();
        let (path, keep) = (directory.to_owned(), retention_limits(settings));
        let shared = (Arc::clone(&queue), Arc::clone(&status));
        let job = move || {
            let _alive: Sender<()> = alive;
            StoreWriter::new(path, keep, commit_interval, shared, restore).run();
        };
        match std::thread::Builder::new().name("store".to_owned()).spawn(job) {
            Ok(_) => {
                let series = SeriesList::default();
                Self(Some(RunningStore { directory: directory.to_owned(), queue, status, ended, series }))
            }
            Err(error) => {
                tracing::warn!(%error, "cannot start the thread of the store; nothing is stored");
                Self(None)
            }
        }
    }

    /// The same without the readings of subjects that come and go; their points, scores and episodes are stored.
    pub fn without_subject_readings(mut self) -> Self {
        if let Some(running) = &mut self.0 {
            running.series = SeriesList::permanent_only();
        }
        self
    }

    /// The directory, if there is a store.
    pub fn directory(&self) -> Option<&Path> {
        self.0.as_ref().map(|it| it.directory.as_path())
    }

    /// Queues a report.
    pub fn append(&mut self, report: &Report) {
        if let Some(running) = &mut self.0 {
            let tick = TickEntry::of(report, &mut running.series);
            self.put(StoreWrite::Tick(tick));
        }
    }

    /// Queues what is added to counters of readings that are stored; returns whether there was room.
    pub fn put_offsets(&self, mut changes: OffsetChanges) -> bool {
        let Some(RunningStore { series, .. }) = &self.0 else { return true };
        changes.offsets.retain(|it| series.lists(&it.subject));
        let is_empty = !changes.is_whole && changes.offsets.is_empty();
        is_empty || self.put(StoreWrite::CounterOffsets(changes))
    }

    /// Queues an entry without waiting; returns whether there was room. Otherwise it is dropped and counted.
    pub fn put(&self, entry: StoreWrite) -> bool {
        let Some(RunningStore { queue, status, .. }) = &self.0 else { return false };
        let fits = queue.put(entry);
        status.drop_rows(u64::from(!fits));
        fits
    }

    /// Adds the metrics of the store.
    pub fn values(&self, values: &mut SubjectValues) {
        if let Some(RunningStore { status, .. }) = &self.0 {
            status.values(values);
        }
    }

    /// Commits everything and ends the thread; does not wait for a disk that hangs.
    pub fn close(self) {
        let Some(running) = self.0 else { return };
        running.queue.close();
        if running.ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(path = %running.directory.display(), "the store does not respond; the last commit is lost");
        }
    }
}

fn retention_limits(settings: &StoreSettings) -> RetentionLimits {
    RetentionLimits {
        bytes: settings.max_bytes.bytes(),
        episode_bytes: settings.episode_bytes.bytes(),
        readings: settings.retention.readings.as_seconds(),
        points: settings.retention.points.as_seconds(),
    }
}

/// Imports points into the store in this directory, which is created if needed.
///
/// # Errors
/// If the store cannot be written, or a daemon writes to it.
pub fn import(directory: &Path, history: &BackfillPoints) -> Result<BackfillCounts, StoreError> {
    alone(directory, |database| database.import(history))
}

/// Writes entries to the store in this directory.
///
/// # Errors
/// If there is no store, it cannot be written, or a daemon writes to it.
pub fn write_entries_offline(directory: &Path, entries: &[StoreWrite]) -> Result<(), StoreError> {
    let path = directory.join(FILE);
    if directory.exists() && !directory.is_dir() {
        return Err(StoreError::NotDirectory { path: directory.to_owned() });
    }
    if !path.exists() {
        return Err(StoreError::None { path });
    }
    alone(directory, |database| database.write(entries).map(drop))
}

/// Writes entries to the store in this directory, which is created if it is missing, while no daemon runs.
///
/// # Errors
/// If a daemon runs, or the store cannot be written.
pub fn create_with(directory: &Path, entries: &[StoreWrite]) -> Result<(), StoreError> {
    alone(directory, |database| database.write(entries).map(drop))
}

/// Runs a function on a store, locked against the daemon.
fn alone<T>(
    directory: &Path,
    work: impl FnOnce(&mut Database) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let data_dir = DataDir::lock(directory)?;
    let file = data_dir.database();
    let work = || -> Result<T, StoreError> {
        let mut database = Database::open(&file, retention_limits(&StoreSettings::default()), false)?;
        let done = work(&mut database)?;
        database.close()?;
        Ok(done)
    };
    work().map_err(|error| error.in_database(&file))
}
