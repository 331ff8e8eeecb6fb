//! What outlives the process: readings, points, episodes, models, in one SQLite file that users may open.
//!
//! One thread of its own writes; the loop hands it what is to be kept through a bounded queue and never waits. Commands
//! read the same file beside the daemon. This module alone knows SQLite.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::metric::Metric;
use crate::reading::{Labels, Timestamp, Values};
use crate::report::Report;

mod archive;
mod blobs;
mod column;
mod db;
mod dictionary;
mod entry;
mod episodes;
mod error;
mod head;
mod import;
mod place;
mod point;
mod record;
mod retention;
#[cfg(test)]
mod retention_test;
mod schema;
mod stored;
mod series;
mod tables;
mod tail;
mod writer;

pub use archive::Archive;
pub use entry::{Baseline, Entry, Marker, Model, Snapshot};
pub use episodes::AROUND_SECONDS;
pub use error::Error;
pub use import::{Bygone, Imported, amend, import};
pub use place::{Place, Settings};
pub use stored::{Between, EpisodeRow, IMPORTED, LEARNING, LeftOut, PointRow, ScoreRow};

use entry::Tick;
use retention::Keep;
use series::Series;
use writer::Writer;

/// The database, within the directory of the store.
pub const FILE: &str = "hostnorm.db";
/// What the name of the database is followed by in that of its tail, which has what was committed last.
pub const TAIL: &str = "-tail";
/// What it is followed by in that of the directory with models and whole states.
pub const BLOBS: &str = "-blobs";
/// The file that says who writes to it, beside the database.
pub const LOCK: &str = "hostnorm.lock";

/// Entries that wait for the thread of the store at most; one more is dropped and counted.
pub const QUEUE_MAX: usize = 512;
/// Entries that wait for a commit that works at most; the oldest readings are dropped and counted.
pub const PENDING_MAX: usize = 1024;

/// What the last commit is given at the end.
const GRACE: Duration = Duration::from_secs(2);

static SUCCESS: Metric = Metric::gauge(
    "hostnorm_store_success",
    "Whether what was last to be stored was, 0 or 1; absent when the settings want nothing stored",
);
static SIZE: Metric =
    Metric::gauge("hostnorm_store_size_bytes", "Bytes that the store takes, its log included");
static LAST_COMMIT: Metric =
    Metric::gauge("hostnorm_store_last_commit_timestamp_seconds", "When something was stored last");
static ERRORS: Metric =
    Metric::counter("hostnorm_store_errors_total", "Errors of the store, by what failed: open, write, prune")
        .by(&["operation"]);
static DROPPED: Metric = Metric::counter(
    "hostnorm_store_rows_dropped_total",
    "Readings and other rows that were not stored: the store was not ready, or there were too many series",
);

/// What the store measures of itself.
pub static METRICS: &[&Metric] = &[&SUCCESS, &SIZE, &LAST_COMMIT, &ERRORS, &DROPPED];

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Open,
    Write,
    Prune,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Open, Self::Write, Self::Prune];

    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Write => "write",
            Self::Prune => "prune",
        }
    }
}

/// What the thread of the store tells and the loop shows. Atomics, so that neither waits for the other.
#[derive(Debug, Default)]
struct Shared {
    success: AtomicU64,
    size: AtomicU64,
    /// Bits of seconds since the epoch; 0 before the first commit.
    last_commit: AtomicU64,
    errors: [AtomicU64; Operation::ALL.len()],
    dropped: AtomicU64,
}

impl Shared {
    fn count(&self, operation: Operation) {
        self.errors[operation as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn drop_rows(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    fn committed(&self, at: Timestamp) {
        self.last_commit.store(at.0.to_bits(), Ordering::Relaxed);
        self.works();
    }

    fn works(&self) {
        self.success.store(1, Ordering::Relaxed);
    }

    fn fails(&self) {
        self.success.store(0, Ordering::Relaxed);
    }

    fn measured(&self, bytes: u64) {
        self.size.store(bytes, Ordering::Relaxed);
    }
}

/// What wakes the thread of the store.
#[derive(Debug, Clone, Copy)]
enum Wake {
    /// It is time to commit, and a tick has just ended.
    Commit,
    /// Somebody waits for what is in the queue.
    Soon,
    /// The queue fills up.
    Drain,
    /// Commit everything and end.
    Stop,
}

/// The loop's end of the store. Without a directory it takes everything and keeps nothing.
#[derive(Debug, Default)]
pub struct Store(Option<Running>);

#[derive(Debug)]
struct Running {
    directory: PathBuf,
    queue: SyncSender<Entry>,
    wake: Sender<Wake>,
    /// Ends with the thread.
    ended: Receiver<()>,
    shared: Arc<Shared>,
    /// Those of the last reading.
    series: Series,
    /// Entries since the queue was drained by force.
    queued: usize,
    commit_every: Duration,
    /// When the next commit is due; nothing before the first reading.
    due: Option<Instant>,
    /// When the last reading came.
    read_at: Option<Instant>,
}

impl Store {
    /// Keeps nothing.
    pub fn memory() -> Self {
        Self(None)
    }

    /// Opens the store in this directory, as far as that can be: if not, it is tried again as long as the process runs.
    pub fn open(directory: &Path, settings: &Settings) -> Self {
        let (queue, entries) = mpsc::sync_channel(QUEUE_MAX);
        let (wake, woken) = mpsc::channel();
        let (alive, ended) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let keep = Keep {
            bytes: settings.max_bytes.bytes(),
            episode_bytes: settings.episode_bytes.bytes(),
            readings: settings.readings.as_seconds(),
            points: settings.points.as_seconds(),
        };
        let every = settings.commit_every.duration();
        let ends = (entries, woken);
        let mut writer = Writer::new(directory.to_owned(), keep, every, ends, Arc::clone(&shared));
        // At once, so that what is in it can be read before the first reading.
        writer.open();
        let job = move || {
            let _alive: Sender<()> = alive;
            writer.run();
        };
        match std::thread::Builder::new().name("store".to_owned()).spawn(job) {
            Ok(_) => {
                let directory = directory.to_owned();
                Self(Some(Running {
                    directory,
                    queue,
                    wake,
                    ended,
                    shared,
                    series: Series::default(),
                    queued: 0,
                    commit_every: every,
                    due: None,
                    read_at: None,
                }))
            }
            Err(error) => {
                tracing::warn!(%error, "cannot start the thread of the store; nothing is stored");
                Self(None)
            }
        }
    }

    /// Where it is, when anything is stored at all.
    pub fn directory(&self) -> Option<&Path> {
        self.0.as_ref().map(|it| it.directory.as_path())
    }

    /// Keeps what a tick produced.
    pub fn append(&mut self, report: &Report) {
        if let Some(running) = &mut self.0 {
            let tick = Tick::of(report, &mut running.series);
            let is_due = running.is_due();
            self.put(Entry::Tick(tick));
            if is_due {
                self.wake(Wake::Commit);
            }
        }
    }

    /// Keeps something; never waits. What does not fit is dropped and counted; says whether it fitted.
    pub fn put(&mut self, entry: Entry) -> bool {
        let Some(running) = &mut self.0 else { return false };
        let soon = matches!(entry, Entry::Model(_) | Entry::Marker(_));
        match running.queue.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                running.shared.drop_rows(1);
                return false;
            }
        }
        running.queued += 1;
        if soon {
            self.wake(Wake::Soon);
        } else if running.queued >= QUEUE_MAX / 2 {
            running.queued = 0;
            self.wake(Wake::Drain);
        }
        true
    }

    /// The thread may have ended by a defect; then there is nobody to wake, and the queue says so soon.
    fn wake(&self, why: Wake) {
        if let Some(running) = &self.0 {
            let _ = running.wake.send(why);
        }
    }

    /// Adds how the store fares.
    pub fn values(&self, values: &mut Values) {
        let Some(Running { shared, .. }) = &self.0 else { return };
        let load = |it: &AtomicU64| it.load(Ordering::Relaxed);
        values.set(&SUCCESS, load(&shared.success) as f64);
        values.set(&SIZE, load(&shared.size) as f64);
        let last = f64::from_bits(load(&shared.last_commit));
        if last != 0.0 {
            values.set(&LAST_COMMIT, last);
        }
        for (operation, count) in Operation::ALL.iter().zip(&shared.errors) {
            values.set_by(&ERRORS, &Labels::new([operation.name()]), load(count) as f64);
        }
        values.set(&DROPPED, load(&shared.dropped) as f64);
    }

    /// Commits everything and ends the thread; does not wait for a disk that hangs.
    pub fn close(self) {
        let Some(running) = self.0 else { return };
        let _ = running.wake.send(Wake::Stop);
        if running.ended.recv_timeout(GRACE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(path = %running.directory.display(), "the store hangs; left without its last commit");
        }
    }
}

impl Running {
    /// Whether it is time to commit with this reading. The thread of the store works right after a tick: caches are warm
    /// then, and a commit takes half of what it takes when a timer of its own wakes it.
    fn is_due(&mut self) -> bool {
        let now = clock::instant();
        let gap = self.read_at.replace(now).map_or(Duration::ZERO, |before| now - before);
        let due = *self.due.get_or_insert(now + self.commit_every);
        // With the next reading it would be too late; a moment is none.
        let is_due = now + gap > due + self.commit_every / 20;
        if is_due {
            self.due = Some(now + self.commit_every);
        }
        is_due
    }
}
