//! Tests of [`BlockingReads`].

use super::read_queue::{BUSY_MAX, THREADS_MAX};
use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Reads that hang until `release` is dropped or sent to; `asked` reports which hang.
struct Hanging {
    reader: BlockingReader<u32>,
    tell: Sender<PathBuf>,
    asked: Receiver<PathBuf>,
    release: Option<Sender<()>>,
    released: Arc<Mutex<Receiver<()>>>,
}

impl Hanging {
    fn new() -> Self {
        let ((tell, asked), (release, released)) = (channel(), channel::<()>());
        let released = Arc::new(Mutex::new(released));
        let reader = BlockingReads::default().reader();
        Self { reader, tell, asked, release: Some(release), released }
    }

    fn request(&self, path: &str) {
        let (tell, released) = (self.tell.clone(), Arc::clone(&self.released));
        let read = move |path: &Path| {
            if path.starts_with("/stuck") {
                tell.send(path.to_owned()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
            7
        };
        self.reader.request(Path::new(path), read).unwrap();
    }

    fn known(&self, path: &str) -> PathState<&u32> {
        self.reader.known(Path::new(path), clock::instant())
    }
}

fn late() -> Instant {
    clock::instant() + Duration::from_secs(ANSWER_SECONDS_MAX)
}

#[test]
fn answers_are_kept_until_they_are_old() {
    let mut it = Hanging::new();
    assert_eq!(it.known("/a"), PathState::Pending);
    it.request("/a");
    it.reader.wait(LONG);
    it.reader.update(clock::instant());
    assert_eq!(it.known("/a"), PathState::Answered(&7));
    let old = clock::instant() + Duration::from_secs(AGE_SECONDS_MAX + 1);
    assert_eq!(it.reader.known(Path::new("/a"), old), PathState::Outdated, "nobody asked it again");
    it.reader.keep(|path| path == Path::new("/b"));
    assert_eq!(it.known("/a"), PathState::Pending);
}

#[test]
fn a_stuck_path_is_passed_over_and_its_late_answer_counts() {
    let mut it = Hanging::new();
    ["/a", "/stuck", "/b"].into_iter().for_each(|path| it.request(path));
    it.asked.recv().unwrap();
    it.reader.update(clock::instant());
    assert_eq!(
        [it.known("/a"), it.known("/stuck")],
        [PathState::Answered(&7), PathState::Pending],
        "not late yet"
    );
    it.reader.update(late());
    it.reader.wait(LONG);
    it.reader.update(clock::instant());
    assert_eq!([it.known("/stuck"), it.known("/b")], [PathState::Silent, PathState::Answered(&7)]);
    it.request("/stuck");
    assert!(it.asked.try_recv().is_err(), "it is asked again");

    drop(it.release.take());
    while it.known("/stuck") != PathState::Answered(&7) {
        thread::yield_now();
        it.reader.update(clock::instant());
    }
}

#[test]
fn a_path_that_is_slow_each_time_keeps_its_value() {
    let it = Hanging::new();
    let mut reader = it.reader;
    let path = Path::new("/slow");
    reader.newest.insert(path.into(), PathAnswer { value: 7, at: clock::instant(), is_slow: true });
    reader.reads.shared.queue().stuck.insert((reader.number, path.into()));
    reader.update(clock::instant());
    assert_eq!(reader.known(path, clock::instant()), PathState::Answered(&7));
}

#[test]
fn threads_are_bounded_and_end() {
    let mut it = Hanging::new();
    let stuck_max = it.reader.reads.shared.queue().stuck_max;
    for idx in 0..stuck_max {
        it.request(&format!("/stuck/{idx}"));
        it.asked.recv().unwrap();
        it.reader.update(late());
    }
    it.request("/a");
    assert_eq!(it.reader.reads.shared.queue().alive, 0, "nobody is asked any more");

    let shared = Arc::clone(&it.reader.reads.shared);
    drop(it);
    while 1 < Arc::strong_count(&shared) {
        thread::yield_now();
    }
}

#[test]
fn when_all_places_are_taken_paths_that_answered_in_time_are_read() {
    let mut it = Hanging::new();
    it.request("/a");
    it.reader.wait(LONG);
    it.reader.update(clock::instant());
    it.reader.reads.shared.queue().stuck_max = 2;
    for path in ["/stuck/1", "/stuck/2"] {
        it.request(path);
        it.asked.recv().unwrap();
        it.reader.update(late());
    }
    it.reader.make_old();
    ["/new", "/a"].into_iter().for_each(|path| it.request(path));
    while it.known("/a") != PathState::Answered(&7) {
        thread::yield_now();
        it.reader.update(clock::instant());
    }
    assert_eq!(it.known("/new"), PathState::Pending);
}

#[test]
fn a_value_is_used_up_to_its_age_and_no_longer_while_its_turn_does_not_come() {
    let mut it = Hanging::new();
    it.request("/a");
    it.reader.wait(LONG);
    it.reader.update(clock::instant());
    // As after a late answer: it has no place of its own among the stuck ones.
    it.reader.newest.get_mut(Path::new("/a")).unwrap().is_slow = true;
    it.reader.reads.shared.queue().stuck_max = 1;
    ["/stuck", "/a", "/b"].into_iter().for_each(|path| it.request(path));
    it.asked.recv().unwrap();
    let known = |seconds| {
        let then = clock::instant() + Duration::from_secs(seconds);
        ["/a", "/b"].map(|path| it.reader.known(Path::new(path), then))
    };
    assert_eq!(known(AGE_SECONDS_MAX - 1), [PathState::Answered(&7), PathState::Pending]);
    assert_eq!(known(AGE_SECONDS_MAX), [PathState::Outdated, PathState::Pending]);
}

/// A queue with these waiting reads of one reader, as lane and path.
fn queue_of(reads: &[(&str, &str)]) -> ReadQueue {
    let read = |(lane, path): &(&str, &str)| WaitingRead {
        path: path.into(),
        lane: lane.into(),
        is_prompt: false,
        job: Box::new(|| {}),
    };
    let waiting = BTreeMap::from([(1, reads.iter().map(read).collect())]);
    ReadQueue { stuck_max: STUCK_MAX, waiting, ..ReadQueue::default() }
}

fn start(queue: &mut ReadQueue, thread: u64) -> Option<PathBuf> {
    queue.start_next(thread).map(|it| it.0.1)
}

#[test]
fn paths_of_a_lane_are_read_one_after_the_other() {
    let mut queue = queue_of(&[("/bus", "/a"), ("/bus", "/b"), ("/c", "/c")]);
    let started = [1, 2, 3].map(|thread| start(&mut queue, thread));
    assert_eq!(started, [Some("/a".into()), Some("/c".into()), None]);
    queue.running.remove(&1);
    assert_eq!(start(&mut queue, 3), Some("/b".into()));
}

#[test]
fn there_are_more_threads_only_while_all_are_busy() {
    let mut queue = queue_of(&[("/a", "/a"), ("/b", "/b"), ("/c", "/c")]);
    let (now, long) = (clock::instant(), clock::instant() + LONG);
    assert!(queue.needs_thread(now), "the first one");
    queue.alive = 1;
    assert!(!queue.needs_thread(long), "one that has not begun yet");
    start(&mut queue, 1);
    assert_eq!([now, long].map(|it| queue.needs_thread(it)), [false, true]);
    queue.alive = 2;
    start(&mut queue, 2);
    start(&mut queue, 3);
    queue.alive = 3;
    assert!(!queue.needs_thread(long), "no more reads");
    let mut queue = queue_of(&[("/a", "/a")]);
    queue.alive = THREADS_MAX;
    assert!(!queue.needs_thread(long), "too many threads");
}

#[test]
fn a_slow_path_delays_no_other_and_the_threads_for_it_end() {
    let mut it = Hanging::new();
    ["/stuck", "/a"].into_iter().for_each(|path| it.request(path));
    it.asked.recv().unwrap();
    // As if it had been busy since then.
    it.reader.reads.shared.queue().running.values_mut().for_each(|it| it.since -= BUSY_MAX);
    while it.known("/a") == PathState::Pending {
        it.reader.update(clock::instant());
        thread::yield_now();
    }
    drop(it.release.take());
    it.reader.wait(LONG);
    while 1 < it.reader.reads.shared.queue().alive {
        thread::yield_now();
    }
    it.reader.update(clock::instant());
    assert_eq!([it.known("/stuck"), it.known("/a")], [PathState::Answered(&7), PathState::Answered(&7)]);
}

#[test]
fn paths_that_nobody_asks_are_not_called_silent() {
    let mut it = Hanging::new();
    it.reader.reads.shared.queue().stuck_max = 2;
    ["/a", "/stuck/1"].into_iter().for_each(|path| it.request(path));
    it.asked.recv().unwrap();
    it.reader.update(late());
    ["/stuck/2", "/b", "/a"].into_iter().for_each(|path| it.request(path));
    it.asked.recv().unwrap();
    it.reader.update(late());
    let then = late() + Duration::from_secs(AGE_SECONDS_MAX + 1);
    let known = ["/stuck/1", "/stuck/2", "/b", "/a"].map(|path| it.reader.known(Path::new(path), then));
    assert_eq!(known, [PathState::Silent, PathState::Silent, PathState::Pending, PathState::Outdated]);
}

#[test]
fn readers_take_turns() {
    let reads = BlockingReads::default();
    let (one, other) = (reads.reader::<()>(), reads.reader::<()>());
    let (tell, order) = channel();
    let (open, gate) = channel::<()>();
    one.request(Path::new("/first"), move |_| gate.recv().unwrap_or_default()).unwrap();
    for (reader, path) in [(&one, "/one/1"), (&one, "/one/2"), (&other, "/other/1"), (&other, "/other/2")] {
        let tell = tell.clone();
        reader.request(Path::new(path), move |path| tell.send(path.to_owned()).unwrap_or_default()).unwrap();
    }
    drop(open);
    let order: Vec<PathBuf> = order.iter().take(4).collect();
    assert_eq!(order, ["/other/1", "/one/1", "/other/2", "/one/2"].map(PathBuf::from));
}

#[test]
fn silence_names_the_first_path() {
    assert!(silence(&[]).is_ok());
    let error = silence(&[Path::new("/a"), Path::new("/b")]).unwrap_err().to_string();
    assert_eq!(error, "cannot read /a: no answer within 3 s; 2 paths do not answer");
}
