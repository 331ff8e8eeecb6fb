//! Questions to filesystems, asked on a thread of their own: one that hangs, say a network share whose server is
//! gone, must never hold up a tick.
//!
//! A thread asks mount by mount. One that does not answer within [`ANSWER_SECONDS_MAX`] is stuck: its thread is left
//! to it, another thread asks the others, and the mount is passed over until its answer comes and its thread ends.
//! At most [`STUCK_MAX`] threads are left behind; then nobody is asked until one of them comes back.

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

/// How long a mount may think before it counts as stuck; as long as node_exporter gives it.
pub(super) const ANSWER_SECONDS_MAX: u64 = 5;

/// Most mounts that may be stuck at a time, each with its thread that waits: all, so that the others go on.
pub(super) const STUCK_MAX: usize = super::mounts::MOUNTS_MAX;

/// What a filesystem says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FilesystemUsage {
    /// Bytes in all.
    pub(super) size: f64,
    /// Bytes that hold nothing.
    pub(super) free: f64,
    /// Bytes that hold nothing and are not reserved for root.
    pub(super) available: f64,
    /// Inodes in all; 0 where they are made as needed.
    pub(super) inodes: f64,
    /// Inodes that are unused.
    pub(super) inodes_free: f64,
}

/// Asks one mount; may hang.
type StatfsFn = dyn Fn(&Path) -> io::Result<FilesystemUsage> + Send + Sync;

/// The answers to one round of questions, in the order of the mounts; nothing where a mount gave no answer.
pub(super) type MountUsages = Vec<(Mount, Option<FilesystemUsage>)>;

/// Asks on its own thread.
pub(super) struct StatfsWorker {
    ask: Arc<StatfsFn>,
    shared: Arc<Shared>,
    /// Gives rounds to the thread; closed, it ends the thread.
    rounds: Option<SyncSender<Vec<Mount>>>,
}

#[derive(Default)]
struct Shared {
    board: Mutex<StatfsRequest>,
    /// Tells that a round is over.
    over: Condvar,
}

/// What the threads and the tick tell each other; never held while a filesystem is asked.
#[derive(Default)]
struct StatfsRequest {
    /// Number of the thread that may answer; others were left behind.
    thread: u64,
    /// Whether a round was given and is not over.
    busy: bool,
    /// Who is being asked and since when.
    asked: Option<(PathBuf, Instant)>,
    /// Mounts whose threads were left to them.
    stuck: BTreeSet<PathBuf>,
    /// What the last round gave, until it is fetched.
    answers: Option<MountUsages>,
}

impl Shared {
    /// A thread that panicked leaves the board as it was: each change of it is whole.
    fn board(&self) -> MutexGuard<'_, StatfsRequest> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatfsWorker {
    pub(super) fn new(ask: impl Fn(&Path) -> io::Result<FilesystemUsage> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), shared: Arc::default(), rounds: None }
    }

    /// Mounts that do not answer.
    pub(super) fn stuck(&self) -> BTreeSet<PathBuf> {
        self.shared.board().stuck.clone()
    }

    /// Gives up on a mount that is asked for too long, and fetches the answers of a round that is over.
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

    /// Asks these mounts once, but those that are stuck; passes when a round is not over yet, or too many are.
    ///
    /// # Errors
    /// When no thread can be started.
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
        // The thread takes one round at a time and this is the only one, so there is room for it; a thread that
        // is gone has panicked, and the next round gets another.
        if self.rounds.as_ref().is_some_and(|it| it.try_send(mounts).is_err()) {
            self.shared.board().busy = false;
            self.rounds = None;
        }
        Ok(())
    }

    /// Waits for the end of a round, but not long.
    pub(super) fn wait(&self, most: Duration) {
        let board = self.shared.board();
        drop(self.shared.over.wait_timeout_while(board, most, |it| it.busy));
    }
}

impl Drop for StatfsWorker {
    /// A thread that waits for a round ends at once, one that waits for a mount ends with its answer.
    fn drop(&mut self) {
        self.shared.board().thread += 1;
    }
}

impl fmt::Debug for StatfsWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("stuck", &self.stuck()).finish_non_exhaustive()
    }
}

/// Answers rounds until there are no more, or until this thread was left behind.
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

    /// A guard whose mounts under `/stuck` hang until `release` is dropped or sent to; `asked` says who hangs.
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
        // The thread that was left behind holds the board until it has ended.
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
