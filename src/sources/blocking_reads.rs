//! Reads what may block, such as sensors and mounts, on a thread beside the loop.
//!
//! Each source has a thread of its own, which reads path by path, so that the hardware of one source takes no time and no
//! place of another. A path that does not answer within [`ANSWER_SECONDS_MAX`] is stuck: its thread is abandoned and ends
//! with the answer, and another thread reads the others. At most [`STUCK_MAX`] threads of a source are abandoned; beyond
//! that, the source reads nothing until one of them ends.
//!
//! A late answer counts nevertheless, so that a slow sensor has a value: it is then used until it is [`AGE_SECONDS_MAX`] old.
//! A round over many slow paths takes as long as all of them together. A path whose turn has not come yet is not silent: its
//! value is used for [`ROUND_SECONDS_MAX`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// Seconds without an answer after which a path is stuck.
pub(super) const ANSWER_SECONDS_MAX: u64 = 3;

/// Age from which on a value is not used any more, in seconds.
pub(super) const AGE_SECONDS_MAX: u64 = 60;

/// Age up to which a value is used while its path waits for its turn, in seconds: more than the longest round over all
/// sensors.
pub(super) const ROUND_SECONDS_MAX: u64 = 600;

/// Largest number of stuck paths of a source, each with its waiting thread.
pub(super) const STUCK_MAX: usize = 64;

/// File descriptors of the process for each path that may be stuck: it holds one, and the others stay for the rest.
const DESCRIPTORS_PER_STUCK: usize = 16;

/// Longest wait of the first reading of a source, so that it is complete on a healthy host.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The thread beside the loop of one source, shared by its readers.
#[derive(Clone)]
pub struct BlockingReads {
    shared: Arc<Shared>,
    /// Ends the thread when the last reader is gone.
    _owner: Arc<ThreadOwner>,
    /// Largest number of stuck paths.
    stuck_max: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<ReadQueue>,
    /// Signals a new read, or the end.
    work: Condvar,
    /// Signals the end of a read.
    done: Condvar,
}

/// Identifies a reader and a path.
type ReadKey = (usize, PathBuf);

/// One read; it sends its answer itself.
type ReadJob = Box<dyn FnOnce() + Send>;

/// State shared by threads and loop; not locked during a read.
#[derive(Default)]
struct ReadQueue {
    /// Number of readers so far.
    readers: usize,
    /// The waiting reads of each reader.
    waiting: BTreeMap<usize, VecDeque<(PathBuf, ReadJob)>>,
    /// The reader whose read was started last.
    last: usize,
    /// Reads that wait, run or are stuck.
    pending: BTreeSet<ReadKey>,
    /// The running read, and since when.
    running: Option<(ReadKey, Instant)>,
    /// Reads with abandoned threads.
    stuck: BTreeSet<ReadKey>,
    /// Number of the thread that may read; others are abandoned.
    thread: u64,
    /// Whether that thread exists.
    is_alive: bool,
    is_closed: bool,
}

impl ReadQueue {
    /// The next read; readers take turns.
    fn next(&mut self) -> Option<(ReadKey, ReadJob)> {
        let later = self.waiting.range(self.last + 1..).find(|it| !it.1.is_empty());
        let reader = *later.or_else(|| self.waiting.iter().find(|it| !it.1.is_empty()))?.0;
        let (path, job) = self.waiting.get_mut(&reader)?.pop_front()?;
        self.last = reader;
        Some(((reader, path), job))
    }
}

struct ThreadOwner(Arc<Shared>);

impl Drop for ThreadOwner {
    /// A thread that waits for work ends at once; one that reads ends with its answer.
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.work.notify_all();
    }
}

impl Shared {
    /// A thread that panicked leaves a consistent state, because each change is complete.
    fn queue(&self) -> MutexGuard<'_, ReadQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for BlockingReads {
    fn default() -> Self {
        let shared = Arc::<Shared>::default();
        let stuck_max = (open_files::descriptors_max() / DESCRIPTORS_PER_STUCK).clamp(1, STUCK_MAX);
        Self { _owner: Arc::new(ThreadOwner(Arc::clone(&shared))), shared, stuck_max }
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
    /// A reader of its own for a source.
    pub(super) fn reader<T>(&self) -> BlockingReader<T> {
        let mut queue = self.shared.queue();
        queue.readers += 1;
        let number = queue.readers;
        drop(queue);
        let (send, answers) = channel();
        BlockingReader { reads: self.clone(), number, send, answers, newest: BTreeMap::new() }
    }

    /// Abandons the thread if its read takes too long.
    fn abandon_late(&self, now: Instant) {
        let mut queue = self.shared.queue();
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        let is_late = |(_, since): &(ReadKey, Instant)| limit <= now.saturating_duration_since(*since);
        if let Some((key, _)) = queue.running.take_if(|it| is_late(it)) {
            queue.stuck.insert(key);
            queue.thread += 1;
            queue.is_alive = false;
        }
    }

    /// Starts the thread if there is work and none exists.
    fn start_thread(&self) -> io::Result<()> {
        let mut queue = self.shared.queue();
        let is_idle = queue.waiting.values().all(VecDeque::is_empty);
        if queue.is_alive || is_idle || self.stuck_max <= queue.stuck.len() {
            return Ok(());
        }
        let (number, shared) = (queue.thread, Arc::clone(&self.shared));
        queue.is_alive = true;
        drop(queue);
        let started =
            thread::Builder::new().name("blocking reads".into()).spawn(move || work(&shared, number));
        started.map(drop).inspect_err(|_| self.shared.queue().is_alive = false)
    }
}

/// Reads until there are no readers, or this thread is abandoned.
fn work(shared: &Shared, number: u64) {
    let mut queue = shared.queue();
    loop {
        if queue.is_closed || queue.thread != number {
            return;
        }
        let Some((key, job)) = queue.next() else {
            queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        queue.running = Some((key.clone(), clock::instant()));
        drop(queue);
        job();
        queue = shared.queue();
        queue.pending.remove(&key);
        if queue.thread == number {
            queue.running = None;
        } else {
            queue.stuck.remove(&key);
        }
        shared.done.notify_all();
    }
}

/// The newest answer of a path.
#[derive(Debug)]
struct Answer<T> {
    value: T,
    at: Instant,
    /// Whether an answer was late once.
    is_slow: bool,
}

/// What is known of a path.
#[derive(Debug, PartialEq)]
pub(super) enum Known<T> {
    /// Nothing yet.
    Pending,
    /// Its newest answer.
    Answered(T),
    /// It does not answer any more, or never did.
    Silent,
}

/// Reads paths for one source.
pub(super) struct BlockingReader<T> {
    reads: BlockingReads,
    number: usize,
    send: Sender<(PathBuf, Duration, T)>,
    answers: Receiver<(PathBuf, Duration, T)>,
    newest: BTreeMap<PathBuf, Answer<T>>,
}

impl<T: Send + 'static> BlockingReader<T> {
    /// Starts to read a path; does nothing while a read of it is not over.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn ask(
        &self,
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
            queue.waiting.entry(self.number).or_default().push_back((own, Box::new(job)));
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
            self.newest.insert(path, Answer { value, at: now, is_slow });
        }
    }

    /// Forgets the answers of other paths.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&Path) -> bool) {
        self.newest.retain(|path, _| is_kept(path));
    }

    /// What is known of a path.
    pub(super) fn known(&self, path: &Path, now: Instant) -> Known<&T> {
        let (is_stuck, is_waiting) = self.state_of(path);
        let is_older =
            |it: &Answer<T>, seconds| Duration::from_secs(seconds) <= now.saturating_duration_since(it.at);
        match self.newest.get(path) {
            Some(it) if is_stuck && !it.is_slow => Known::Silent,
            Some(it) if !is_older(it, AGE_SECONDS_MAX) => Known::Answered(&it.value),
            Some(it) if is_waiting && !is_older(it, ROUND_SECONDS_MAX) => Known::Answered(&it.value),
            _ if is_stuck => Known::Silent,
            // Nobody asked it since, so it is not known whether it would answer.
            _ => Known::Pending,
        }
    }

    /// Whether a path is stuck, and whether it waits for a turn that will come.
    fn state_of(&self, path: &Path) -> (bool, bool) {
        let queue = self.reads.shared.queue();
        let key = (self.number, path.to_owned());
        let is_stuck = queue.stuck.contains(&key);
        let has_turns = queue.stuck.len() < self.reads.stuck_max;
        (is_stuck, !is_stuck && has_turns && queue.pending.contains(&key))
    }

    /// Waits until all reads of this reader are over or stuck, up to `most`.
    pub(super) fn wait(&self, most: Duration) {
        let queue = self.reads.shared.queue();
        let is_busy = |queue: &mut ReadQueue| {
            queue.pending.iter().any(|it| it.0 == self.number && !queue.stuck.contains(it))
        };
        drop(self.reads.shared.done.wait_timeout_while(queue, most, is_busy));
    }
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
