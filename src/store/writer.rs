//! The writer thread: opens the store, restores the state, commits entries and retries on errors.
//!
//! Entries that could not be committed wait for the next commit, up to a bound; then the oldest readings are dropped
//! and counted. So a full disk or a read-only directory loses history only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::data_dir::{self, DataDir, FILE, LOG};
use super::database::Database;
use super::error::StoreError;
use super::file_permissions::FileId;
use super::reader::StoreReader;
use super::retention::RetentionLimits;
use super::store_health::{StoreOperation, StoreStatus};
use super::store_write::StoreWrite;
use super::write_queue::StoreQueue;
use crate::clock;
use crate::open_files;

/// Largest number of entries that wait for a successful commit; beyond it, the oldest readings are dropped and
/// counted.
pub const PENDING_MAX: usize = 1_024;
/// Time between two passes that delete old rows.
const PRUNE_INTERVAL: Duration = Duration::from_hours(1);
/// Time between two measurements of the file sizes.
const MEASURE_INTERVAL: Duration = Duration::from_mins(1);
/// Time between two attempts to open or read the store.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Upper bound of that time in commit intervals, if these are short.
const RETRY_COMMITS: u32 = 10;

/// Restores the state of the loop from an opened store, or receives the error that prevents it. Called once for each
/// database found in the directory, and again after an error.
pub type Restore = Box<dyn FnMut(Result<&StoreReader, &StoreError>) -> Result<(), StoreError> + Send>;

pub(super) struct StoreWriter {
    pub(super) directory: PathBuf,
    pub(super) limits: RetentionLimits,
    pub(super) commit_interval: Duration,
    pub(super) queue: Arc<StoreQueue>,
    pub(super) status: Arc<StoreStatus>,
    pub(super) restore: Restore,
    /// Locked while this process writes to the store.
    data_dir: Option<DataDir>,
    database: Option<Database>,
    pending: Vec<StoreWrite>,
    /// The database from which the state was restored. Learned state never overwrites a database that was not read.
    restored: Option<FileId>,
    /// Whether the loop was informed that there is nothing to restore so far.
    is_told: bool,
    /// Whether the current error has been logged.
    is_failing: bool,
    retry_at: Option<Instant>,
    prune_at: Instant,
    measure_at: Instant,
}

impl StoreWriter {
    pub(super) fn new(
        directory: PathBuf,
        keep: RetentionLimits,
        commit_interval: Duration,
        (queue, status): (Arc<StoreQueue>, Arc<StoreStatus>),
        restore: Restore,
    ) -> Self {
        Self {
            directory,
            limits: keep,
            commit_interval,
            queue,
            status,
            restore,
            data_dir: None,
            database: None,
            pending: Vec::new(),
            restored: None,
            is_told: false,
            is_failing: false,
            retry_at: None,
            prune_at: clock::instant() + PRUNE_INTERVAL.min(commit_interval * 12),
            measure_at: clock::instant(),
        }
    }

    /// Runs until the queue is closed.
    pub(super) fn run(mut self) {
        self.prepare();
        let mut is_closed = false;
        while !is_closed {
            let due = clock::instant() + self.commit_interval;
            let (entries, closed) = self.queue.wait(due);
            is_closed = closed;
            self.gather(entries);
            if is_closed {
                self.retry_at = None;
            }
            self.commit();
        }
        if let Some(database) = self.database.take()
            && let Err(error) = database.close()
        {
            tracing::debug!(%error, "write-ahead log of the store not truncated");
        }
    }

    /// Takes over entries; drops the oldest readings if there are too many.
    fn gather(&mut self, entries: Vec<StoreWrite>) {
        let is_restored = self.restored.is_some();
        self.pending.extend(entries.into_iter().filter(|it| is_restored || !it.is_learned()));
        let mut excess = self.pending.len().saturating_sub(PENDING_MAX);
        if excess == 0 {
            return;
        }
        self.status.drop_rows(excess as u64);
        self.pending.retain(|entry| {
            let goes = excess > 0 && matches!(entry, StoreWrite::Tick(_));
            excess -= usize::from(goes);
            !goes
        });
        self.pending.drain(..excess);
    }

    fn commit(&mut self) {
        self.prepare();
        let Some(database) = &mut self.database else { return };
        match database.write(&self.pending) {
            Ok(dropped) => {
                self.pending.clear();
                self.status.drop_rows(dropped);
                self.status.set_committed_at(clock::now());
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(path = %self.directory.display(), "the store works again");
                }
            }
            Err(error) => return self.failed(StoreOperation::Write, &error),
        }
        let now = clock::instant();
        if now >= self.prune_at {
            self.prune_at = now + PRUNE_INTERVAL;
            if let Err(error) = database.prune(clock::now().0) {
                return self.failed(StoreOperation::Prune, &error);
            }
        }
        if now >= self.measure_at {
            self.measure();
        }
    }

    fn measure(&mut self) {
        self.measure_at = clock::instant() + MEASURE_INTERVAL;
        if let (Some(data_dir), Some(database)) = (&self.data_dir, &self.database) {
            // A failure has no consequence: the next measurement tries again.
            let _ = database.vacuum();
            self.status.measured(data_dir.bytes());
        }
    }

    /// Opens the store and restores the state, unless done.
    fn prepare(&mut self) {
        if let (Some(data_dir), Some(database)) = (&self.data_dir, &self.database)
            && !(data_dir.is_in_place() && database.is_in_place())
        {
            tracing::warn!(
                path = %self.directory.display(),
                "the store was removed or replaced while in use; reopening it"
            );
            self.status.failed(StoreOperation::Open);
            (self.database, self.data_dir, self.retry_at, self.restored) = (None, None, None, None);
        }
        if self.retry_at.is_some_and(|at| clock::instant() < at) {
            return;
        }
        self.retry_at = None;
        if self.database.is_none() {
            match self.opened() {
                Ok(database) => {
                    self.database = Some(database);
                    if !self.is_failing {
                        self.status.set_healthy();
                    }
                    self.measure();
                }
                Err(error) => {
                    self.retry_at = Some(self.retry());
                    self.failed(StoreOperation::Open, &error);
                }
            }
        }
        self.restore();
    }

    fn opened(&mut self) -> Result<Database, StoreError> {
        check_descriptors()?;
        let data_dir = match self.data_dir.take() {
            Some(data_dir) if data_dir.is_in_place() => data_dir,
            _ => DataDir::lock(&self.directory)?,
        };
        let data_dir = self.data_dir.insert(data_dir);
        let (path, aside) = (data_dir.database(), data_dir.unused_name());
        let mut check = false;
        for log_only in [true, false] {
            let error = match Database::open(&path, self.limits, check) {
                Err(error) if error.is_corrupt() => error,
                Err(error @ StoreError::Older { .. }) => error,
                Err(error @ StoreError::CorruptLog { .. }) if log_only => {
                    // The database may be intact without its log; a full integrity check decides.
                    check = true;
                    set_aside(data_dir, &aside, true, &error)?;
                    self.status.failed(StoreOperation::Open);
                    continue;
                }
                opened => return opened,
            };
            set_aside(data_dir, &aside, false, &error)?;
            self.status.failed(StoreOperation::Open);
            break;
        }
        Database::open(&path, self.limits, false)
    }

    /// Restores the state of the loop from the open database, unless done.
    fn restore(&mut self) {
        let path = self.directory.join(FILE);
        let found = self.database.as_ref().map_or_else(|| data_dir::identity(&path), Database::identity);
        if self.restored.is_some() && (found.is_none() || self.restored == found) {
            return;
        }
        let read = check_descriptors().and_then(|()| StoreReader::open(&self.directory)).and_then(|reader| {
            let restored = catch_unwind(AssertUnwindSafe(|| (self.restore)(Ok(&reader))));
            restored.unwrap_or_else(|_| {
                tracing::error!("restoring the state panicked; this is a bug in hostnorm");
                Ok(())
            })
        });
        let Err(error) = read else {
            self.restored = found;
            return;
        };
        self.retry_at = Some(self.retry());
        if !std::mem::replace(&mut self.is_told, true) {
            let _ = (self.restore)(Err(&error));
        }
        if self.database.is_some() {
            self.failed(StoreOperation::Open, &error);
        }
    }

    fn retry(&self) -> Instant {
        clock::instant() + RETRY_INTERVAL.min(self.commit_interval * RETRY_COMMITS)
    }

    /// Reopens the database after an error, so that cached state equals its content.
    fn failed(&mut self, operation: StoreOperation, error: &StoreError) {
        self.status.failed(operation);
        if let (Some(_), Some(data_dir)) = (self.database.take(), &self.data_dir)
            && error.is_corrupt()
        {
            match set_aside(data_dir, &data_dir.unused_name(), false, error) {
                Ok(()) => (self.retry_at, self.restored) = (None, None),
                Err(error) => tracing::error!(%error, "a corrupt store cannot be set aside"),
            }
        } else if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                path = %self.directory.join(FILE).display(),
                operation = operation.name(),
                %error,
                "the store does not work; continuing in memory and trying again"
            );
        }
    }
}

/// Checks that the store leaves descriptors for readings and clients: SQLite takes several at a time.
fn check_descriptors() -> Result<(), StoreError> {
    open_files::descriptor_shortage().map_or(Ok(()), |reason| Err(StoreError::FewDescriptors { reason }))
}

/// Renames the database, or only its log, and logs it.
fn set_aside(data_dir: &DataDir, aside: &Path, log_only: bool, why: &StoreError) -> Result<(), StoreError> {
    data_dir.set_aside(aside, log_only)?;
    let (path, aside) = (data_dir.database(), aside.to_owned());
    if log_only {
        tracing::error!(
            path = %data_dir::suffixed(&path, LOG).display(),
            aside = %data_dir::suffixed(&aside, LOG).display(),
            error = %why,
            "the log of the store is corrupt and was set aside; its last commits are lost"
        );
    } else {
        tracing::error!(
            path = %path.display(),
            aside = %aside.display(),
            error = %why,
            "the store cannot be used and was set aside; creating a new one"
        );
    }
    Ok(())
}
