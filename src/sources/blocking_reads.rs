//! Reads what may block, such as sensors and mounts, on a thread beside the loop.
//!
//! Each source has a thread of its own, which reads path by path, so that the hardware of one source takes no time and no
//! place of another. A path that does not answer within [`ANSWER_SECONDS_MAX`] is stuck: its thread is abandoned and ends
//! with the answer, and another thread reads the others. At most [`STUCK_MAX`] threads of a source are abandoned; beyond
//! that, and until one of them ends, the source reads only paths that answered in time before.
//!
//! Slow paths do not delay others: while all threads of a source are busy, another one reads, up to [`read_queue::THREADS_MAX`]. It ends
//! when there is no more to read. Paths of one lane, such as the sensors of a bus, are read one after the other, because they
//! would wait for each other in the kernel and only look stuck.
//!
//! A late answer counts nevertheless, so that a slow sensor has a value. No value is used once it is [`AGE_SECONDS_MAX`] old.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::SourceError;
use crate::clock;
use crate::open_files;
use crate::reading::ReadingOmission;

mod read_queue;

use read_queue::{ReadQueue, RunningRead, WaitingRead};

/// Seconds without an answer after which a path is stuck.
pub(super) const ANSWER_SECONDS_MAX: u64 = 3;

/// Age from which on a value is not used any more, in seconds.
pub(super) const AGE_SECONDS_MAX: u64 = 60;

/// Largest number of stuck paths of a source, each with its waiting thread.
pub(super) const STUCK_MAX: usize = 64;

/// File descriptors of the process for each path that may be stuck: it holds one, and the others stay for the rest.
const DESCRIPTORS_PER_STUCK: usize = 16;

/// Longest of the waits in the first reading of a source, so that it is complete on a healthy host.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The thread beside the loop of one source, shared by its readers.
#[derive(Clone)]
pub struct BlockingReads {
    shared: Arc<SharedReadQueue>,
    /// Least time of each wait.
    patience: Duration,
    /// Ends the thread when the last reader is gone.
    _owner: Arc<ThreadOwner>,
}

#[derive(Default)]
struct SharedReadQueue {
    queue: Mutex<ReadQueue>,
    /// Signals a new read, or the end.
    work: Condvar,
    /// Signals the end of a read.
    done: Condvar,
}

struct ThreadOwner(Arc<SharedReadQueue>);

impl Drop for ThreadOwner {
    /// A thread that waits for work ends at once; one that reads ends with its answer.
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.work.notify_all();
    }
}

impl SharedReadQueue {
    /// A thread that panicked leaves a consistent state, because each change is complete.
    fn queue(&self) -> MutexGuard<'_, ReadQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for BlockingReads {
    fn default() -> Self {
        let shared = Arc::<SharedReadQueue>::default();
        let affordable = open_files::descriptors_max() / DESCRIPTORS_PER_STUCK;
        shared.queue().stuck_max = affordable.clamp(1, STUCK_MAX);
        Self { _owner: Arc::new(ThreadOwner(Arc::clone(&shared))), patience: Duration::ZERO, shared }
    }
}

/// Settings are equal whatever thread reads for them.
impl PartialEq for BlockingReads {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for BlockingReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingReads").field("stuck", &self.shared.queue().stuck).finish_non_exhaustive()
    }
}

impl BlockingReads {
    /// A thread whose readers wait at least this long for answers: for a reading that must be complete, however busy the
    /// machine is.
    pub fn with_patience(patience: Duration) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Another thread with the same patience.
    pub(super) fn separate(&self) -> Self {
        Self::with_patience(self.patience)
    }

    /// With room for this many stuck paths, and so for as many that are read.
    #[cfg(test)]
    pub(super) fn with_stuck_max(stuck_max: usize) -> Self {
        let reads = Self::default();
        reads.shared.queue().stuck_max = stuck_max;
        reads
    }

    /// Waits until a read is running, and lets it be late.
    #[cfg(test)]
    pub(super) fn make_late(&self) {
        loop {
            let mut queue = self.shared.queue();
            if let Some(running) = queue.running.values_mut().next() {
                running.since -= Duration::from_secs(ANSWER_SECONDS_MAX);
                return;
            }
            drop(queue);
            thread::yield_now();
        }
    }

    /// A reader of its own for a source.
    pub(super) fn reader<T>(&self) -> BlockingReader<T> {
        let mut queue = self.shared.queue();
        queue.readers += 1;
        let number = queue.readers;
        drop(queue);
        let (send, answers) = channel();
        BlockingReader { reads: self.clone(), number, send, answers, newest: BTreeMap::new() }
    }

    /// Abandons the threads whose reads take too long.
    fn abandon_late(&self, now: Instant) {
        let mut queue = self.shared.queue();
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        let is_late = |it: &RunningRead| limit <= now.saturating_duration_since(it.since);
        let (late, running) = std::mem::take(&mut queue.running).into_iter().partition(|it| is_late(&it.1));
        queue.running = running;
        let late: BTreeMap<u64, RunningRead> = late;
        if late.is_empty() {
            return;
        }
        queue.alive -= late.len();
        queue.stuck.extend(late.into_values().map(|it| it.key));
        // Its lane is free.
        self.shared.work.notify_all();
    }

    /// Starts a thread if there is work and all others are busy, or none exists.
    fn start_thread(&self) -> io::Result<()> {
        let mut queue = self.shared.queue();
        if !queue.needs_thread(clock::instant()) {
            return Ok(());
        }
        queue.threads += 1;
        queue.alive += 1;
        let (number, shared) = (queue.threads, Arc::clone(&self.shared));
        drop(queue);
        let started =
            thread::Builder::new().name("blocking reads".into()).spawn(move || work(&shared, number));
        started.map(drop).inspect_err(|_| self.shared.queue().alive -= 1)
    }
}

/// Reads until there are no readers, another thread is enough, or this thread is abandoned.
fn work(shared: &SharedReadQueue, number: u64) {
    let mut queue = shared.queue();
    loop {
        if queue.is_closed {
            return;
        }
        let Some((key, job)) = queue.start_next(number) else {
            if 1 < queue.alive {
                queue.alive -= 1;
                return;
            }
            queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        drop(queue);
        job();
        queue = shared.queue();
        queue.pending.remove(&key);
        let is_abandoned = queue.running.remove(&number).is_none();
        shared.done.notify_all();
        if is_abandoned {
            queue.stuck.remove(&key);
            // There may have been too many stuck paths to read on.
            shared.work.notify_all();
            return;
        }
    }
}

/// The newest answer of a path.
#[derive(Debug)]
struct PathAnswer<T> {
    value: T,
    at: Instant,
    /// Whether an answer was late once.
    is_slow: bool,
}

/// What is known of a path.
#[derive(Debug, PartialEq)]
pub(super) enum PathState<T> {
    /// Nothing yet.
    Pending,
    /// Its newest answer.
    Answered(T),
    /// Its newest answer is too old, because others take so long.
    Outdated,
    /// It does not answer any more, or never did.
    Silent,
}

/// Reads paths for one source.
pub(super) struct BlockingReader<T> {
    reads: BlockingReads,
    number: usize,
    send: Sender<(PathBuf, Duration, T)>,
    answers: Receiver<(PathBuf, Duration, T)>,
    newest: BTreeMap<PathBuf, PathAnswer<T>>,
}

impl<T: Send + 'static> BlockingReader<T> {
    /// Starts to read a path; does nothing while a read of it is not over.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn request(
        &self,
        path: &Path,
        read: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Result<(), SourceError> {
        self.request_in_lane(path, path, read)
    }

    /// As [`Self::request`], and after the other paths of its lane.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn request_in_lane(
        &self,
        lane: &Path,
        path: &Path,
        read: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Result<(), SourceError> {
        let mut queue = self.reads.shared.queue();
        let key = (self.number, path.to_owned());
        if queue.pending.insert(key) {
            let (path, send) = (path.to_owned(), self.send.clone());
            let own = path.clone();
            let job = move || {
                let started = clock::instant();
                let answer = read(&path);
                // Without its reader, nobody needs the answer.
                let _ = send.send((path, started.elapsed(), answer));
            };
            let is_prompt = self.newest.get(&own).is_some_and(|it| !it.is_slow);
            let read = WaitingRead { path: own, lane: lane.to_owned(), is_prompt, job: Box::new(job) };
            queue.waiting.entry(self.number).or_default().push_back(read);
            self.reads.shared.work.notify_one();
        }
        drop(queue);
        self.reads.start_thread().map_err(|source| SourceError::Read { path: path.into(), source })
    }

    /// Takes the answers that arrived, and abandons a read that takes too long.
    pub(super) fn update(&mut self, now: Instant) {
        self.reads.abandon_late(now);
        // Reads of other sources may wait behind an abandoned one; without a thread, they wait for the next reading.
        let _ = self.reads.start_thread();
        while let Ok((path, took, value)) = self.answers.try_recv() {
            let was_slow = self.newest.get(&path).is_some_and(|it| it.is_slow);
            let is_slow = was_slow || Duration::from_secs(ANSWER_SECONDS_MAX) <= took;
            self.newest.insert(path, PathAnswer { value, at: now, is_slow });
        }
    }

    /// Takes the newest answer of a path, which is not known any more then.
    pub(super) fn take(&mut self, path: &Path) -> Option<T> {
        self.newest.remove(path).map(|it| it.value)
    }

    /// Makes all answers old.
    #[cfg(test)]
    pub(super) fn make_old(&mut self) {
        self.newest.values_mut().for_each(|it| it.at -= Duration::from_secs(AGE_SECONDS_MAX));
    }

    /// Forgets the answers of other paths.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&Path) -> bool) {
        self.newest.retain(|path, _| is_kept(path));
    }

    /// What is known of a path.
    pub(super) fn known(&self, path: &Path, now: Instant) -> PathState<&T> {
        let is_stuck = self.is_stuck(path);
        let is_fresh =
            |it: &PathAnswer<T>| now.saturating_duration_since(it.at) < Duration::from_secs(AGE_SECONDS_MAX);
        match self.newest.get(path) {
            Some(it) if is_stuck && !it.is_slow => PathState::Silent,
            Some(it) if is_fresh(it) => PathState::Answered(&it.value),
            _ if is_stuck => PathState::Silent,
            // Nobody asked it since, so it is not known whether it would answer.
            Some(_) => PathState::Outdated,
            None => PathState::Pending,
        }
    }

    /// Whether a path does not answer.
    pub(super) fn is_stuck(&self, path: &Path) -> bool {
        self.reads.shared.queue().stuck.contains(&(self.number, path.to_owned()))
    }

    /// Waits until all reads of this reader are over or stuck, up to `most`.
    pub(super) fn wait(&self, most: Duration) {
        let queue = self.reads.shared.queue();
        let is_busy = |queue: &mut ReadQueue| {
            queue.pending.iter().any(|it| it.0 == self.number && !queue.stuck.contains(it))
        };
        drop(self.reads.shared.done.wait_timeout_while(queue, most.max(self.reads.patience), is_busy));
    }
}

/// What a reading does not show of a source with outdated values: the first path, and how many others there are.
pub(super) fn outdated(paths: &[&Path]) -> Option<ReadingOmission> {
    let (first, others) = paths.split_first()?;
    let others = match others.len() {
        0 => String::new(),
        count => format!("; {} paths are late", count + 1),
    };
    let what = format!("no new value from {} within {AGE_SECONDS_MAX} s{others}", first.display());
    Some(ReadingOmission { key: "outdated".to_owned(), what, count: paths.len() })
}

/// The error of a source with silent paths: the first one, and how many others there are.
pub(super) fn silence(paths: &[&Path]) -> Result<(), SourceError> {
    let Some((first, others)) = paths.split_first() else { return Ok(()) };
    let others = match others.len() {
        0 => String::new(),
        count => format!("; {} paths do not answer", count + 1),
    };
    let what = format!("no answer within {ANSWER_SECONDS_MAX} s{others}");
    let source = io::Error::new(io::ErrorKind::TimedOut, what);
    Err(SourceError::Read { path: first.to_path_buf(), source })
}

impl<T> fmt::Debug for BlockingReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingReader").field("reads", &self.reads).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
