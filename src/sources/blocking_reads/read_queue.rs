//! The reads of a source: which wait, which run, and which is next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::clock;

/// Largest number of threads of a source that read at the same time. With 128 sensors that each take just less than
/// `ANSWER_SECONDS_MAX`, a round takes 48 seconds: less than `AGE_SECONDS_MAX`.
pub(super) const THREADS_MAX: usize = 8;

/// Time for which all threads are busy with one path each before there is another thread. Most hosts need one only.
pub(super) const BUSY_MAX: Duration = Duration::from_millis(500);

/// Further stuck paths that there may be of those that answered in time before: when the paths of a dead server have taken
/// all places, the disks of this host are still read.
pub(super) const RESERVE: usize = 4;

/// Identifies a reader and a path.
pub(super) type ReadKey = (usize, PathBuf);

/// One read; it sends its answer itself.
pub(super) type ReadJob = Box<dyn FnOnce() + Send>;

/// A read that waits.
pub(super) struct WaitingRead {
    pub(super) path: PathBuf,
    /// What it shares with other paths; its own path if nothing.
    pub(super) lane: PathBuf,
    /// Whether its last answer was in time.
    pub(super) is_prompt: bool,
    pub(super) job: ReadJob,
}

/// A read that a thread is busy with.
pub(super) struct RunningRead {
    pub(super) key: ReadKey,
    pub(super) lane: PathBuf,
    pub(super) since: Instant,
}

/// State shared by threads and loop; not locked during a read.
#[derive(Default)]
pub(super) struct ReadQueue {
    /// Number of readers so far.
    pub(super) readers: usize,
    /// The waiting reads of each reader.
    pub(super) waiting: BTreeMap<usize, VecDeque<WaitingRead>>,
    /// The reader whose read was started last.
    pub(super) last: usize,
    /// Reads that wait, run or are stuck.
    pub(super) pending: BTreeSet<ReadKey>,
    /// The running read of each busy thread; the thread of any other is abandoned.
    pub(super) running: BTreeMap<u64, RunningRead>,
    /// Reads with abandoned threads.
    pub(super) stuck: BTreeSet<ReadKey>,
    /// Largest number of stuck paths, apart from [`RESERVE`].
    pub(super) stuck_max: usize,
    /// Number of threads so far.
    pub(super) threads: u64,
    /// Number of threads that are not abandoned.
    pub(super) alive: usize,
    pub(super) is_closed: bool,
}

impl ReadQueue {
    /// The reader and the place of the next read: readers take turns, and a lane with a running read waits.
    fn next_place(&self) -> Option<(usize, usize)> {
        // Each running read may become stuck, too.
        let taken = self.stuck.len() + self.running.len();
        let has_place =
            |it: &WaitingRead| taken < self.stuck_max || (it.is_prompt && taken < self.stuck_max + RESERVE);
        let is_free = |reader: usize, it: &WaitingRead| {
            has_place(it)
                && !self.running.values().any(|other| other.key.0 == reader && other.lane == it.lane)
        };
        let place = |(reader, reads): (&usize, &VecDeque<WaitingRead>)| {
            Some((*reader, reads.iter().position(|it| is_free(*reader, it))?))
        };
        let mut later = self.waiting.range(self.last + 1..);
        later.find_map(place).or_else(|| self.waiting.iter().find_map(place))
    }

    /// Takes the next read for this thread.
    pub(super) fn start_next(&mut self, thread: u64) -> Option<(ReadKey, ReadJob)> {
        let (reader, place) = self.next_place()?;
        let WaitingRead { path, lane, job, .. } = self.waiting.get_mut(&reader)?.remove(place)?;
        self.last = reader;
        let key = (reader, path);
        self.running.insert(thread, RunningRead { key: key.clone(), lane, since: clock::instant() });
        Some((key, job))
    }

    /// Whether all threads are busy, for long enough, while there is a read for one more.
    pub(super) fn needs_thread(&self, now: Instant) -> bool {
        let is_busy = |it: &RunningRead| BUSY_MAX <= now.saturating_duration_since(it.since);
        self.alive < THREADS_MAX
            && self.alive == self.running.len()
            && self.running.values().all(is_busy)
            && self.next_place().is_some()
    }
}
