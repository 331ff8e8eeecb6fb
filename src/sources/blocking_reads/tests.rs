//! Tests of [`BlockingReads`].

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

    fn ask(&self, path: &str) {
        let (tell, released) = (self.tell.clone(), Arc::clone(&self.released));
        let read = move |path: &Path| {
            if path.starts_with("/stuck") {
                tell.send(path.to_owned()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
            7
        };
        self.reader.ask(Path::new(path), read).unwrap();
    }

    fn known(&self, path: &str) -> Known<&u32> {
        self.reader.known(Path::new(path), clock::instant())
    }
}

fn late() -> Instant {
    clock::instant() + Duration::from_secs(ANSWER_SECONDS_MAX)
}

#[test]
fn answers_are_kept_until_they_are_old() {
    let mut it = Hanging::new();
    assert_eq!(it.known("/a"), Known::Pending);
    it.ask("/a");
    it.reader.wait(LONG);
    it.reader.update(clock::instant());
    assert_eq!(it.known("/a"), Known::Answered(&7));
    let old = clock::instant() + Duration::from_secs(AGE_SECONDS_MAX + 1);
    assert_eq!(it.reader.known(Path::new("/a"), old), Known::Pending, "nobody asked it again");
    it.reader.keep(|path| path == Path::new("/b"));
    assert_eq!(it.known("/a"), Known::Pending);
}

#[test]
fn a_stuck_path_is_passed_over_and_its_late_answer_counts() {
    let mut it = Hanging::new();
    ["/a", "/stuck", "/b"].into_iter().for_each(|path| it.ask(path));
    it.asked.recv().unwrap();
    it.reader.update(clock::instant());
    assert_eq!([it.known("/a"), it.known("/stuck")], [Known::Answered(&7), Known::Pending], "not late yet");
    it.reader.update(late());
    it.reader.wait(LONG);
    it.reader.update(clock::instant());
    assert_eq!([it.known("/stuck"), it.known("/b")], [Known::Silent, Known::Answered(&7)]);
    it.ask("/stuck");
    assert!(it.asked.try_recv().is_err(), "it is asked again");

    drop(it.release.take());
    while it.known("/stuck") != Known::Answered(&7) {
        thread::yield_now();
        it.reader.update(clock::instant());
    }
}

#[test]
fn a_path_that_is_slow_each_time_keeps_its_value() {
    let it = Hanging::new();
    let mut reader = it.reader;
    let path = Path::new("/slow");
    reader.newest.insert(path.into(), Answer { value: 7, at: clock::instant(), is_slow: true });
    reader.reads.shared.queue().stuck.insert((reader.number, path.into()));
    reader.update(clock::instant());
    assert_eq!(reader.known(path, clock::instant()), Known::Answered(&7));
}

#[test]
fn threads_are_bounded_and_end() {
    let mut it = Hanging::new();
    for idx in 0..it.reader.reads.stuck_max {
        it.ask(&format!("/stuck/{idx}"));
        it.asked.recv().unwrap();
        it.reader.update(late());
    }
    it.ask("/a");
    assert!(!it.reader.reads.shared.queue().is_alive, "nobody is asked any more");

    let shared = Arc::clone(&it.reader.reads.shared);
    drop(it);
    while 1 < Arc::strong_count(&shared) {
        thread::yield_now();
    }
}

#[test]
fn a_long_round_is_no_silence() {
    let mut it = Hanging::new();
    it.ask("/a");
    it.reader.wait(LONG);
    it.reader.update(clock::instant());
    ["/stuck", "/a", "/b"].into_iter().for_each(|path| it.ask(path));
    it.asked.recv().unwrap();
    // The turn of `/a` comes after that of a path that takes its time.
    let known = |seconds| {
        let then = clock::instant() + Duration::from_secs(seconds);
        ["/a", "/b"].map(|path| it.reader.known(Path::new(path), then))
    };
    assert_eq!(known(AGE_SECONDS_MAX + 1), [Known::Answered(&7), Known::Pending]);
    assert_eq!(known(ROUND_SECONDS_MAX + 1), [Known::Pending, Known::Pending]);
}

#[test]
fn paths_that_nobody_asks_are_not_called_silent() {
    let mut it = Hanging::new();
    it.reader.reads.stuck_max = 2;
    ["/a", "/stuck/1"].into_iter().for_each(|path| it.ask(path));
    it.asked.recv().unwrap();
    it.reader.update(late());
    ["/stuck/2", "/b", "/a"].into_iter().for_each(|path| it.ask(path));
    it.asked.recv().unwrap();
    it.reader.update(late());
    let then = clock::instant() + Duration::from_secs(AGE_SECONDS_MAX + 1);
    let known = ["/stuck/1", "/stuck/2", "/b", "/a"].map(|path| it.reader.known(Path::new(path), then));
    assert_eq!(known, [Known::Silent, Known::Silent, Known::Pending, Known::Answered(&7)]);
}

#[test]
fn readers_take_turns() {
    let reads = BlockingReads::default();
    let (one, other) = (reads.reader::<()>(), reads.reader::<()>());
    let (tell, order) = channel();
    let (open, gate) = channel::<()>();
    one.ask(Path::new("/first"), move |_| gate.recv().unwrap_or_default()).unwrap();
    for (reader, path) in [(&one, "/one/1"), (&one, "/one/2"), (&other, "/other/1"), (&other, "/other/2")] {
        let tell = tell.clone();
        reader.ask(Path::new(path), move |path| tell.send(path.to_owned()).unwrap_or_default()).unwrap();
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
