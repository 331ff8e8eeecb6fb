//! The thread that writes: gathers what the loop hands over, commits it, and keeps going when it cannot.
//!
//! What could not be committed is kept and tried again with the next commit, as much as the bound allows; the oldest is
//! dropped and counted. So a disk that is full, or a directory that cannot be written, costs history and nothing else.

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::db::Db;
use super::entry::Entry;
use super::retention::Keep;
use super::{BLOBS, Error, FILE, LOCK, Operation, PENDING_MAX, Shared, TAIL, Wake};
use crate::clock;
use crate::sentence;

/// Time between two looks at what is too old.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// Time between two looks at how large the files are.
const MEASURE_EVERY: Duration = Duration::from_secs(60);
/// Time between two attempts to open what could not be opened.
const RETRY: Duration = Duration::from_secs(10);
/// A change by a command does not wait for the next commit, but for what else may come with it.
const SOON: Duration = Duration::from_millis(200);

pub(super) struct Writer {
    pub(super) directory: PathBuf,
    pub(super) keep: Keep,
    pub(super) commit_every: Duration,
    pub(super) queue: Receiver<Entry>,
    pub(super) wake: Receiver<Wake>,
    pub(super) shared: Arc<Shared>,
    /// Held as long as this process writes to the store.
    lock: Option<File>,
    db: Option<Db>,
    pending: VecDeque<Entry>,
    /// What is wrong since a while, so that its beginning and its end are said once.
    ailing: Option<&'static str>,
    retry_at: Option<Instant>,
    prune_at: Instant,
    measure_at: Instant,
}

impl Writer {
    pub(super) fn new(
        directory: PathBuf,
        keep: Keep,
        commit_every: Duration,
        ends: (Receiver<Entry>, Receiver<Wake>),
        shared: Arc<Shared>,
    ) -> Self {
        let (queue, wake) = ends;
        Self {
            directory,
            keep,
            commit_every,
            queue,
            wake,
            shared,
            lock: None,
            db: None,
            pending: VecDeque::new(),
            ailing: None,
            retry_at: None,
            prune_at: clock::instant() + PRUNE_EVERY.min(commit_every * 12),
            measure_at: clock::instant(),
        }
    }

    /// Opens the store, if that can be; what is wrong is said and counted.
    pub(super) fn open(&mut self) {
        if self.db.is_some() || self.retry_at.is_some_and(|at| clock::instant() < at) {
            return;
        }
        match self.opened() {
            Ok(db) => {
                self.db = Some(db);
                self.retry_at = None;
                if self.ailing.is_none() {
                    self.shared.works();
                }
                self.measure();
            }
            Err(error) => {
                self.retry_at = Some(clock::instant() + RETRY);
                self.failed(Operation::Open, &error);
            }
        }
    }

    fn opened(&mut self) -> Result<Db, Error> {
        if self.lock.is_none() {
            self.lock = Some(locked(&self.directory)?);
        }
        let path = self.directory.join(FILE);
        match Db::open(&path) {
            Err(error) if error.is_garbled() => {
                self.set_aside(&path, &error)?;
                Db::open(&path)
            }
            opened => opened,
        }
    }

    /// Renames what is garbled, so that a new file can be begun. Nothing is deleted: it may be mended or looked at.
    fn set_aside(&self, path: &Path, why: &Error) -> Result<(), Error> {
        let stamp: String =
            sentence::instant(clock::now()).chars().filter(|it| !matches!(it, '-' | ':')).collect();
        let aside = PathBuf::from(format!("{}.garbled-{stamp}", path.display()));
        rename(path, &aside)?;
        for end in ["-wal", "-shm", TAIL, BLOBS] {
            let with = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
            if with(path).exists() {
                rename(&with(path), &with(&aside))?;
            }
        }
        self.shared.count(Operation::Open);
        tracing::error!(
            path = %path.display(),
            aside = %aside.display(),
            error = %why,
            "the store is garbled; it is set aside and a new one is begun"
        );
        Ok(())
    }

    /// Runs until it is told to stop, or nobody is left to tell it anything.
    pub(super) fn run(mut self) {
        // The loop says when; only when it does not, as one that hangs or reads seldom, is the clock asked.
        let patience = self.commit_every + self.commit_every / 10;
        let mut due = clock::instant() + patience;
        loop {
            match self.wake.recv_timeout(due.saturating_duration_since(clock::instant())) {
                Ok(Wake::Soon) => due = due.min(clock::instant() + SOON),
                Ok(Wake::Drain) => self.gather(),
                Ok(Wake::Commit) | Err(RecvTimeoutError::Timeout) => {
                    self.gather();
                    self.commit(false);
                    due = clock::instant() + patience;
                }
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.gather();
        self.retry_at = None;
        self.commit(true);
        if let Some(db) = self.db.take()
            && let Err(error) = db.close()
        {
            tracing::debug!(%error, "the log of the store is not moved into its file");
        }
    }

    /// Takes over what is in the queue; drops the oldest readings when there are too many.
    fn gather(&mut self) {
        self.pending.extend(self.queue.try_iter());
        let mut excess = self.pending.len().saturating_sub(PENDING_MAX);
        if excess == 0 {
            return;
        }
        self.shared.drop_rows(excess as u64);
        self.pending.retain(|entry| {
            let goes = excess > 0 && matches!(entry, Entry::Tick(_));
            excess -= usize::from(goes);
            !goes
        });
        self.pending.drain(..excess);
    }

    fn commit(&mut self, last: bool) {
        self.open();
        let Some(db) = &mut self.db else { return };
        match db.write(self.pending.iter(), last) {
            Ok(written) => {
                self.pending.clear();
                self.shared.drop_rows(written.dropped);
                self.succeeded();
            }
            Err(error) => return self.failed(Operation::Write, &error),
        }
        if clock::instant() >= self.prune_at && !last {
            self.prune();
        }
        if clock::instant() >= self.measure_at {
            self.measure();
        }
    }

    fn prune(&mut self) {
        self.prune_at = clock::instant() + PRUNE_EVERY;
        let Some(db) = &mut self.db else { return };
        if let Err(error) = db.prune(&self.keep, clock::now().0) {
            self.failed(Operation::Prune, &error);
        }
    }

    fn succeeded(&mut self) {
        self.shared.committed(clock::now());
        if self.ailing.take().is_some() {
            tracing::info!(path = %self.directory.display(), "the store is written again");
        }
    }

    /// Whatever failed, the database is opened anew: what is remembered of it then is what is in it.
    fn failed(&mut self, operation: Operation, error: &Error) {
        self.db = None;
        self.shared.count(operation);
        let path = self.directory.join(FILE);
        if error.is_garbled() && operation != Operation::Open {
            self.shared.fails();
            if let Err(error) = self.set_aside(&path, error) {
                tracing::error!(%error, "a garbled store cannot be set aside");
                self.retry_at = Some(clock::instant() + RETRY);
            }
            return;
        }
        self.shared.fails();
        if self.ailing.replace(operation.name()).is_none() {
            tracing::warn!(
                path = %path.display(),
                operation = operation.name(),
                %error,
                "nothing is stored; hostnorm goes on in memory and tries again"
            );
        }
    }

    fn measure(&mut self) {
        self.measure_at = clock::instant() + MEASURE_EVERY;
        let size = |end: &str| {
            let path = self.directory.join(format!("{FILE}{end}"));
            path.metadata().map_or(0, |it| it.len())
        };
        let blobs = self.db.as_ref().map_or(0, Db::blob_bytes);
        self.shared.measured(size("") + size("-wal") + size(TAIL) + blobs);
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(|source| Error::Io { path: from.to_owned(), source })
}

/// Makes the directory and holds its lock; the system lets go of it when the process ends, however it ends.
pub(super) fn locked(directory: &Path) -> Result<File, Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    std::fs::create_dir_all(directory).map_err(io(directory))?;
    let path = directory.join(LOCK);
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path }),
        Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
    }
}
