//! Queries filesystems on a separate thread: one that hangs, such as a network share whose server is gone, must never
//! delay a tick.
//!
//! A thread queries mount by mount. A mount that does not answer within [`ANSWER_SECONDS_MAX`] is stuck: its thread is
//! abandoned, another thread queries the others, and the mount is skipped until its answer arrives and its thread
//! ends. At most [`STUCK_MAX`] threads are abandoned; beyond that, no queries are made until one of them ends.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::mounts::Mount;
use crate::clock;

/// Seconds without an answer after which a mount is stuck; as in node_exporter.
pub(super) const ANSWER_SECONDS_MAX: u64 = 5;

/// Largest number of stuck mounts, each with its waiting thread: all, so that the others are still read.
pub(super) const STUCK_MAX: usize = super::mounts::MOUNTS_MAX;

/// Usage of a filesystem.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FilesystemUsage {
    /// Size, in bytes.
    pub(super) size: f64,
    /// Free bytes.
    pub(super) free: f64,
    /// Free bytes that are not reserved for root.
    pub(super) available: f64,
    /// Number of inodes; 0 if they are created on demand.
    pub(super) inodes: f64,
    /// Number of free inodes.
    pub(super) inodes_free: f64,
}

/// Queries one mount; may hang.
type StatfsFn = dyn Fn(&Path) -> io::Result<FilesystemUsage> + Send + Sync;

/// The results of one round, in the order of the mounts; `None` for a mount without an answer.
pub(super) type MountUsages = Vec<(Mount, Option<FilesystemUsage>)>;

/// Queries filesystems on its own thread.
pub(super) struct StatfsWorker {
    ask: Arc<StatfsFn>,
    shared: Arc<Shared>,
    /// Passes rounds to the thread; closing it ends the thread.
    rounds: Option<SyncSender<Vec<Mount>>>,
}

#[derive(Default)]
struct Shared {
    board: Mutex<StatfsRequest>,
    /// Signals the end of a round.
    over: Condvar,
}

/// State shared by threads and tick; not locked during a query.
#[derive(Default)]
struct StatfsRequest {
    /// Number of the thread that may answer; others are abandoned.
    thread: u64,
    /// Whether a round is in progress.
    busy: bool,
    /// The mount being queried, and since when.
    asked: Option<(PathBuf, Instant)>,
    /// Mounts with abandoned threads.
    stuck: BTreeSet<PathBuf>,
    /// Results of the last round, until fetched.
    answers: Option<MountUsages>,
}

impl Shared {
    /// A thread that panicked leaves a consistent state, because each change is complete.
    fn board(&self) -> MutexGuard<'_, StatfsRequest> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatfsWorker {
    pub(super) fn new(ask: impl Fn(&Path) -> io::Result<FilesystemUsage> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), shared: Arc::default(), rounds: None }
    }

    /// Stuck mounts.
    pub(super) fn stuck(&self) -> BTreeSet<PathBuf> {
        self.shared.board().stuck.clone()
    }

    /// Abandons a mount that is queried for too long, and fetches the results of a finished round.
    pub(super) fn fetch(&mut self, now: Instant) -> Option<MountUsages> {
        let mut board = self.shared.board();
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        if board.asked.as_ref().is_some_and(|(_, since)| limit <= now.saturating_duration_since(*since)) {
            let stuck = board.asked.take().map(|(mount, _)| mount);
            board.stuck.extend(stuck);
            board.thread += 1;
            board.busy = false;
            self.rounds = None;
        }
        board.answers.take()
    }

    /// Starts a round over these mounts without the stuck ones; does nothing if a round is in progress, or too many
    /// mounts are stuck.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(&mut self, mounts: Vec<Mount>) -> io::Result<()> {
        let mut board = self.shared.board();
        if board.busy || STUCK_MAX <= board.stuck.len() {
            return Ok(());
        }
        let number = board.thread;
        board.busy = true;
        drop(board);
        if self.rounds.is_none() {
            let (send, receive) = sync_channel(1);
            let (ask, shared) = (Arc::clone(&self.ask), Arc::clone(&self.shared));
            let started = thread::Builder::new()
                .name("filesystems".into())
                .spawn(move || answer_rounds(&*ask, &shared, number, &receive));
            if let Err(error) = started {
                self.shared.board().busy = false;
                return Err(error);
            }
            self.rounds = Some(send);
        }
        // The thread takes one round at a time and this is the only one, so there is room. A thread that is gone has
        // panicked, and the next round starts another.
        if self.rounds.as_ref().is_some_and(|it| it.try_send(mounts).is_err()) {
            self.shared.board().busy = false;
            self.rounds = None;
        }
        Ok(())
    }

    /// Waits for the end of a round, up to `most`.
    pub(super) fn wait(&self, most: Duration) {
        let board = self.shared.board();
        drop(self.shared.over.wait_timeout_while(board, most, |it| it.busy));
    }
}

impl Drop for StatfsWorker {
    /// A thread that waits for a round ends at once; one that waits for a mount ends with its answer.
    fn drop(&mut self) {
        self.shared.board().thread += 1;
    }
}

impl fmt::Debug for StatfsWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("stuck", &self.stuck()).finish_non_exhaustive()
    }
}

/// Processes rounds until the channel closes, or this thread is abandoned.
fn answer_rounds(ask: &StatfsFn, shared: &Shared, number: u64, rounds: &Receiver<Vec<Mount>>) {
    while let Ok(mounts) = rounds.recv() {
        let mut answers = MountUsages::with_capacity(mounts.len());
        for mount in mounts {
            let mut board = shared.board();
            if board.thread != number {
                return;
            }
            if board.stuck.contains(&mount.point) {
                answers.push((mount, None));
                continue;
            }
            board.asked = Some((mount.point.clone(), clock::instant()));
            drop(board);
            let answer = ask(&mount.point).ok();
            let mut board = shared.board();
            if board.thread != number {
                board.stuck.remove(&mount.point);
                return;
            }
            board.asked = None;
            answers.push((mount, answer));
        }
        let mut board = shared.board();
        board.answers = Some(answers);
        board.busy = false;
        shared.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const USAGE: FilesystemUsage =
        FilesystemUsage { size: 1.0, free: 1.0, available: 1.0, inodes: 1.0, inodes_free: 1.0 };
    const LONG: Duration = Duration::from_secs(60);

    fn mounts(points: &[&str]) -> Vec<Mount> {
        let mount = |point: &&str| Mount {
            device: "d".into(),
            point: point.into(),
            fstype: "f".into(),
            read_only: false,
        };
        points.iter().map(mount).collect()
    }

    /// A worker whose mounts below `/stuck` hang until `release` is dropped or sent to; `asked` reports which hang.
    fn hanging() -> (StatfsWorker, Receiver<PathBuf>, Sender<()>) {
        let ((tell, asked), (release, released)) = (channel(), channel::<()>());
        let (tell, released) = (Mutex::new(tell), Mutex::new(released));
        let guard = StatfsWorker::new(move |path| {
            if path.starts_with("/stuck") {
                tell.lock().unwrap().send(path.to_owned()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
            Ok(USAGE)
        });
        (guard, asked, release)
    }

    fn late() -> Instant {
        clock::instant() + Duration::from_secs(ANSWER_SECONDS_MAX)
    }

    #[test]
    fn mounts_that_answer_are_fetched_once() {
        let mut guard =
            StatfsWorker::new(
                |path| if path == Path::new("/b") { Err(io::Error::other("no")) } else { Ok(USAGE) },
            );
        guard.start(mounts(&["/a", "/b"])).unwrap();
        guard.wait(LONG);
        let answers = guard.fetch(clock::instant()).unwrap();
        assert_eq!(answers.iter().map(|it| it.1).collect::<Vec<_>>(), [Some(USAGE), None]);
        assert_eq!(guard.fetch(clock::instant()), None);
    }

    #[test]
    fn a_stuck_mount_is_passed_over_until_it_answers() {
        let (mut guard, asked, release) = hanging();
        guard.start(mounts(&["/a", "/stuck", "/b"])).unwrap();
        asked.recv().unwrap();
        assert_eq!(guard.fetch(clock::instant()), None, "not late yet");
        assert!(guard.stuck().is_empty());
        assert_eq!(guard.fetch(late()), None);
        assert_eq!(guard.stuck(), BTreeSet::from(["/stuck".into()]));

        guard.start(mounts(&["/a", "/stuck", "/b"])).unwrap();
        guard.wait(LONG);
        let answers = guard.fetch(clock::instant()).unwrap();
        assert_eq!(answers.iter().map(|it| it.1).collect::<Vec<_>>(), [Some(USAGE), None, Some(USAGE)]);

        let shared = Arc::clone(&guard.shared);
        drop(release);
        // The abandoned thread holds the shared state until it ends.
        while 3 < Arc::strong_count(&shared) {
            thread::yield_now();
        }
        assert!(guard.stuck().is_empty());
    }

    #[test]
    fn threads_are_bounded_and_end() {
        let (mut guard, asked, release) = hanging();
        for idx in 0..STUCK_MAX {
            guard.start(mounts(&[&format!("/stuck/{idx}")])).unwrap();
            asked.recv().unwrap();
            guard.fetch(late());
        }
        assert_eq!(guard.stuck().len(), STUCK_MAX);
        guard.start(mounts(&["/a"])).unwrap();
        assert!(guard.rounds.is_none(), "nobody is asked any more");

        let shared = Arc::clone(&guard.shared);
        drop((guard, release));
        while 1 < Arc::strong_count(&shared) {
            thread::yield_now();
        }
    }
}
