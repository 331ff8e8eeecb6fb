//! Files of every kind, one poll at a time.
#![expect(clippy::disallowed_methods, reason = "makes and changes files")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::discovery::FILES_MAX;
use super::file_tail::{FileTail, OPEN_MAX};
use super::{FileSettings, StartFrom};
use crate::logs::framing::{FileFormat, LINE_BYTES_MAX};
use crate::logs::{LogPositions, LogReadState};
use crate::metric::Metric;
use crate::reading::SubjectValues;

/// A directory with files, and what was read of them.
pub(super) struct Bench {
    folder: TempDir,
    pub(super) settings: FileSettings,
    positions: LogPositions,
    now: f64,
}

impl Bench {
    pub(super) fn new(globs: &[&str], from: StartFrom) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |it: &&str| folder.path().join(it).to_str().unwrap().to_owned();
        let paths = globs.iter().map(path).collect();
        let settings = FileSettings { paths, from, ..FileSettings::default() };
        Self { folder, settings, positions: LogPositions::default(), now: 0.0 }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// A tail as after a start of the program.
    pub(super) fn start(&self) -> FileTail<'_> {
        FileTail::new(&self.settings, "test", &self.positions)
    }

    /// Polls until there is no more to read at once; time passes, so that files are searched.
    pub(super) fn poll(now: &mut f64, tail: &mut FileTail<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        *now += 2.0;
        while tail.poll(*now, &mut |it| lines.push(String::from_utf8_lossy(it.text).into_owned())) {}
        lines
    }

    /// The lines that a program reads that starts, looks as often, and ends.
    fn run(&mut self, polls: usize) -> Vec<String> {
        let mut now = self.now;
        let mut tail = self.start();
        let lines = (0..polls).flat_map(|_| Self::poll(&mut now, &mut tail)).collect();
        drop(tail);
        self.now = now;
        lines
    }
}

fn value(tail: &FileTail<'_>, name: &str) -> usize {
    let (counts, mut values) = (LogReadState::default(), SubjectValues::default());
    tail.count(&counts);
    counts.values("test", &mut values);
    let is_it = |metric: &Metric| metric.name == name;
    values.iter().find(|it| is_it(it.metric)).unwrap().value as usize
}

#[test]
fn old_lines_are_left_out_and_new_files_are_read_whole() {
    let bench = Bench::new(&["*.log"], StartFrom::End);
    bench.append("a.log", "old\nunfin");
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    bench.append("a.log", "ished\nnew\r\n");
    bench.append("b.log", "first\n");
    bench.append("c.log.gz", "compressed\n");
    assert_eq!(Bench::poll(&mut now, &mut tail), ["new", "first"]);
    assert_eq!(value(&tail, "hostnorm_log_files"), 2);
    assert_eq!(value(&tail, "hostnorm_log_lag_bytes"), 0);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut bench = Bench::new(&["*.log"], StartFrom::End);
    assert_eq!(bench.run(1), [""; 0]);
    bench.append("a.log", "one\ntwo\npart");
    assert_eq!(bench.run(1), ["one", "two"]);
    bench.append("a.log", "ial\n");
    bench.append("b.log", "while down\n");
    assert_eq!(bench.run(1), ["partial", "while down"]);
    // Renamed while down: the rest of the old file comes first.
    bench.append("a.log", "last\n");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "fresh\n");
    assert_eq!(bench.run(1), ["last", "fresh"]);
    // Truncated while down, with a copy.
    bench.append("a.log", "more\n");
    fs::copy(bench.path("a.log"), bench.path("a.log-2026")).unwrap();
    fs::write(bench.path("a.log"), "after the copy was made\n").unwrap();
    let mut lines = bench.run(2);
    lines.sort();
    assert_eq!(lines, ["after the copy was made", "more"]);
    // The same name and inode, other content.
    assert_eq!(bench.run(1), [""; 0]);
}

#[test]
fn a_line_without_an_end_is_taken_after_a_while() {
    let bench = Bench::new(&["a.log"], StartFrom::Start);
    bench.append("a.log", "no end");
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    now += 5.0;
    assert_eq!(Bench::poll(&mut now, &mut tail), ["no end"]);
    bench.append("a.log", " yet\nnext\n");
    assert_eq!(Bench::poll(&mut now, &mut tail), [" yet", "next"]);
}

#[test]
fn a_line_of_50_megabytes_is_cut() {
    let bench = Bench::new(&["a.log"], StartFrom::Start);
    for _ in 0..50 {
        bench.append("a.log", vec![b'x'; 1 << 20]);
    }
    bench.append("a.log", "\nnext\n");
    let mut tail = bench.start();
    let (mut lengths, mut cut) = (Vec::new(), 0);
    while tail.poll(1.0, &mut |it| {
        lengths.push(it.text.len());
        cut += usize::from(it.is_cut);
    }) {}
    assert_eq!((lengths, cut), (vec![LINE_BYTES_MAX, 4], 1));
}

#[test]
fn any_bytes_are_lines() {
    let bench = Bench::new(&["a.log"], StartFrom::Start);
    let file = File::create(bench.path("a.log")).unwrap();
    // A program that goes on writing behind a truncation leaves a hole of zeros.
    file.write_all_at(b"after a hole\n", 5 << 20).unwrap();
    file.write_all_at(b"\xff\xfe\x00bin\x80ary\n", (5 << 20) + 13).unwrap();
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), ["after a hole", "\u{fffd}\u{fffd}\0bin\u{fffd}ary"]);
}

#[test]
fn a_pipe_is_refused_and_does_not_block() {
    let bench = Bench::new(&["*"], StartFrom::Start);
    let pipe = bench.path("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    bench.append("a.log", "line\n");
    fs::create_dir(bench.path("directory")).unwrap();
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), ["line"]);
    assert_eq!(value(&tail, "hostnorm_log_files_unreadable"), 1);
    // A pipe in the place of a file that was read.
    fs::remove_file(bench.path("a.log")).unwrap();
    fs::rename(&pipe, bench.path("a.log")).unwrap();
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
}

#[test]
fn a_file_that_becomes_readable_is_read() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let bench = Bench::new(&["*"], StartFrom::Start);
    bench.append("a.log", "line\n");
    let allow = |mode| fs::set_permissions(bench.path("a.log"), fs::Permissions::from_mode(mode)).unwrap();
    allow(0);
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    assert_eq!(value(&tail, "hostnorm_log_files_unreadable"), 1);
    allow(0o600);
    assert_eq!(Bench::poll(&mut now, &mut tail), ["line"]);
}

#[test]
fn ten_thousand_files_need_few_descriptors() {
    let mut bench = Bench::new(&["d/*.log"], StartFrom::Start);
    fs::create_dir(bench.path("d")).unwrap();
    let name = |idx: usize| format!("d/{idx}.log");
    (0..FILES_MAX + 1).for_each(|idx| bench.append(&name(idx), "one\n"));
    let mut now = 0.0;
    {
        let mut tail = bench.start();
        assert_eq!(Bench::poll(&mut now, &mut tail).len(), FILES_MAX);
        assert!(value(&tail, "hostnorm_log_files_open") <= OPEN_MAX);
        assert_eq!(value(&tail, "hostnorm_log_files_unreadable"), 1);
        (0..FILES_MAX).step_by(2).for_each(|idx| bench.append(&name(idx), "two\n"));
        now += 20.0;
        let lines = Bench::poll(&mut now, &mut tail).len();
        // One of the files is beyond the bound, and which one depends on their names.
        assert!((FILES_MAX / 2 - 1..=FILES_MAX / 2).contains(&lines), "{lines}");
    }
    bench.now = now;
    assert_eq!(bench.run(2), [""; 0], "what was read is not read again");
}

#[test]
fn a_directory_goes_away_and_comes_back() {
    let bench = Bench::new(&["d/*.log"], StartFrom::Start);
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    fs::create_dir(bench.path("d")).unwrap();
    bench.append("d/a.log", "one\n");
    assert_eq!(Bench::poll(&mut now, &mut tail), ["one"]);
    bench.append("d/a.log", "two\n");
    bench.rename("d", "elsewhere");
    assert_eq!(Bench::poll(&mut now, &mut tail), ["two"]);
    now += 100.0;
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    bench.append("elsewhere/a.log", "three\n");
    bench.rename("elsewhere", "d");
    assert_eq!(Bench::poll(&mut now, &mut tail), ["three"]);
    fs::remove_dir_all(bench.path("d")).unwrap();
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    fs::create_dir(bench.path("d")).unwrap();
    bench.append("d/a.log", "four\n");
    assert_eq!(Bench::poll(&mut now, &mut tail), ["four"]);
}

#[test]
fn a_reused_inode_is_another_file() {
    let bench = Bench::new(&["*.log"], StartFrom::Start);
    bench.append("a.log", "one\ntwo\n");
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), ["one", "two"]);
    drop(tail);
    // The same inode with other bytes, as a file that takes the place of a deleted one has it.
    let file = OpenOptions::new().write(true).open(bench.path("a.log")).unwrap();
    file.write_all_at(b"another beginning\nand more\n", 0).unwrap();
    let mut tail = bench.start();
    assert_eq!(Bench::poll(&mut now, &mut tail), ["another beginning", "and more"]);
}

#[test]
fn links_are_followed_where_they_lead() {
    // As in Kubernetes: containers/x.log -> pods/x/0.log, which the kubelet rotates.
    let bench = Bench::new(&["containers/*.log"], StartFrom::Start);
    fs::create_dir_all(bench.path("pods/x")).unwrap();
    fs::create_dir(bench.path("containers")).unwrap();
    symlink(bench.path("pods/x/0.log"), bench.path("containers/x.log")).unwrap();
    let line = |text: &str| format!("2026-01-02T03:04:05.6Z stdout F {text}\n");
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), [""; 0]);
    bench.append("pods/x/0.log", line("one"));
    assert_eq!(Bench::poll(&mut now, &mut tail), ["one"]);
    bench.append("pods/x/0.log", line("two"));
    bench.rename("pods/x/0.log", "pods/x/0.log.20260102-030405");
    bench.append("pods/x/0.log", line("three"));
    assert_eq!(Bench::poll(&mut now, &mut tail), ["two", "three"]);
    // A new container of the pod.
    bench.append("pods/x/1.log", line("four"));
    fs::remove_file(bench.path("containers/x.log")).unwrap();
    symlink(bench.path("pods/x/1.log"), bench.path("containers/x.log")).unwrap();
    bench.append("pods/x/0.log", line("late"));
    let mut lines = Bench::poll(&mut now, &mut tail);
    lines.sort();
    assert_eq!(lines, ["four", "late"]);
}

#[test]
fn parts_are_joined_over_a_restart_and_no_message_is_doubled() {
    let mut bench = Bench::new(&["a.log"], StartFrom::Start);
    bench.settings.format = FileFormat::Cri;
    let part = |stream: &str, tag: &str, text: &str| format!("2026-01-02T03:04:05Z {stream} {tag} {text}\n");
    bench.append("a.log", part("stdout", "P", "one ") + &part("stderr", "F", "error"));
    assert_eq!(bench.run(1), ["error"]);
    bench.append("a.log", part("stdout", "F", "two"));
    assert_eq!(bench.run(1), ["one two"]);
    bench.append("a.log", part("stdout", "F", "three"));
    assert_eq!(bench.run(1), ["three"]);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_whole() {
    let bench = Bench::new(&["a.log"], StartFrom::Start);
    bench.append("a.log", "");
    const LINES: usize = 200_000;
    let (mut count, mut tail) = (0, bench.start());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let chunk = "a line of about fifty bytes, as logs often have it\n".repeat(1_000);
            (0..LINES / 1_000).for_each(|_| bench.append("a.log", &chunk));
        });
        // No time passes, so a line that is half written is not taken for one without an end.
        while count < LINES {
            tail.poll(0.0, &mut |_| count += 1);
        }
    });
    tail.poll(10.0, &mut |_| count += 1);
    assert_eq!(count, LINES);
    assert_eq!(fs::metadata(bench.path("a.log")).unwrap().len() % LINES as u64, 0);
}

#[test]
fn a_path_that_is_listed_twice_is_read_once() {
    let bench = Bench::new(&["*.log", "a*"], StartFrom::Start);
    bench.append("a.log", "one\n");
    symlink(Path::new("a.log"), bench.path("b.log")).unwrap();
    let (mut now, mut tail) = (0.0, bench.start());
    assert_eq!(Bench::poll(&mut now, &mut tail), ["one"]);
}
