//! For any content of the files, no source panics, errors name their path, and other sources keep their values.

use crate::captured_tree;

use std::fs;
use std::path::{Path, PathBuf};

use hostnorm::metric::{CounterResetCause, GAIN_MAX, MetricType, fits};
use hostnorm::reading::{MetricSample, Reading, Timestamp};
use hostnorm::sources::{BlockingReads, RootPaths, SOURCES, SourceInfo, SourceSettings, Sources};
use proptest::prelude::*;
use tempfile::TempDir;

use captured_tree::{copy, fixtures};

/// Each file of the fixtures, with the sources that read it.
const FILES: &[(&str, &[&str])] = &[
    ("proc/uptime", &["context"]),
    ("proc/sys/kernel/random/boot_id", &["context"]),
    ("proc/locks", &["context"]),
    ("proc/stat", &["cpu", "stat", "cgroup"]),
    ("proc/meminfo", &["memory"]),
    ("proc/vmstat", &["memory"]),
    ("proc/loadavg", &["load"]),
    ("proc/pressure/cpu", &["pressure"]),
    ("proc/pressure/memory", &["pressure"]),
    ("proc/pressure/io", &["pressure"]),
    ("proc/diskstats", &["disk"]),
    ("proc/1/mountinfo", &["filesystem"]),
    ("proc/1/net/dev", &["network", "cgroup"]),
    ("proc/1/net/snmp", &["tcp"]),
    ("proc/1/net/netstat", &["tcp"]),
    ("proc/1/net/sockstat", &["tcp"]),
    ("proc/sys/fs/file-nr", &["stat"]),
    ("sys/class/hwmon/hwmon0/name", &["sensors"]),
    ("sys/class/hwmon/hwmon0/temp1_input", &["sensors"]),
    ("sys/class/hwmon/hwmon0/temp1_label", &["sensors"]),
    ("sys/fs/cgroup/system.slice/ssh.service/cpu.stat", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/cpu.max", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/memory.current", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/memory.stat", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/memory.max", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/memory.events", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/io.stat", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/pids.current", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/cpu.pressure", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/memory.pressure", &["cgroup"]),
    ("sys/fs/cgroup/system.slice/ssh.service/io.pressure", &["cgroup"]),
];

/// Files with one thing in each line.
const LINES: &[&str] = &[
    "proc/locks",
    "proc/stat",
    "proc/meminfo",
    "proc/vmstat",
    "proc/pressure/cpu",
    "proc/diskstats",
    "proc/1/mountinfo",
    "proc/1/net/dev",
    "proc/1/net/snmp",
    "proc/1/net/netstat",
    "proc/1/net/sockstat",
    "sys/fs/cgroup/system.slice/ssh.service/cpu.stat",
    "sys/fs/cgroup/system.slice/ssh.service/memory.stat",
    "sys/fs/cgroup/system.slice/ssh.service/memory.events",
    "sys/fs/cgroup/system.slice/ssh.service/io.stat",
    "sys/fs/cgroup/system.slice/ssh.service/cpu.pressure",
];

/// Files in which each kernel of one version has the same lines and columns: what is not there is lost.
const FIXED: &[&str] = &[
    "proc/stat",
    "proc/meminfo",
    "proc/vmstat",
    "proc/pressure/cpu",
    "proc/pressure/memory",
    "proc/pressure/io",
    "proc/1/net/snmp",
    "proc/1/net/netstat",
    "proc/1/net/sockstat",
    "proc/sys/fs/file-nr",
];

/// What is wrong with a copy of a line of the kernel.
#[derive(Debug, Clone, Copy)]
enum LineDamage {
    /// It ends before a word.
    Cut,
    /// A word and those after it are zero bytes, as after a page that could not be read.
    Zeros,
    /// A number is a word.
    Word,
    /// A number is followed by another character.
    Suffix,
    /// It has the words of the line twice.
    Twice,
}

impl LineDamage {
    /// A copy of a line, damaged from the word with this index on; `None` if it would be sound.
    fn of(self, line: &str, from: usize) -> Option<String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (sound, rest) = words.split_at_checked(from)?;
        let (first, later) = rest.split_first()?;
        let is_number = first.contains(|it: char| it.is_ascii_digit());
        let lost: String = first.chars().map(|it| if it.is_ascii_digit() { '\0' } else { it }).collect();
        let damaged = match self {
            Self::Cut => sound.join(" "),
            Self::Zeros => [&sound.join(" "), " ", &"\0".repeat(first.len())].concat(),
            Self::Word if is_number => [sound, &[&*lost], later].concat().join(" "),
            Self::Suffix if is_number => [sound, &[&*format!("{first}x")], later].concat().join(" "),
            Self::Twice => [&words[..], &words].concat().join(" "),
            Self::Word | Self::Suffix => return None,
        };
        Some(damaged).filter(|it| it != line)
    }
}

/// Larger than the maximum of a file.
const HUGE: usize = (4 << 20) + 1;
/// The same of lists, which may be longer.
const HUGE_LIST: usize = (32 << 20) + 1;

/// A copy of the fixtures to modify.
struct Tree {
    dir: TempDir,
    /// The values of the valid tree.
    sound: Reading,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&fixtures(), dir.path());
        let sound = read(dir.path());
        assert_eq!(sound.problems, []);
        Self { dir, sound }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Reads with one file replaced, checks what must always hold, and restores the file.
    fn check(&self, file: &str, readers: &[&str], content: &[u8]) -> Reading {
        let path = self.path(file);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        let reading = self.check_read(file, readers);
        fs::write(&path, kept).unwrap();
        reading
    }

    /// Reads with a line inserted into a file, and checks that all values of the other lines are there.
    fn check_with_line(&self, file: &str, place: prop::sample::Index, odd: &[u8]) {
        let readers = FILES.iter().find(|it| it.0 == file).unwrap().1;
        let content = fs::read(self.path(file)).unwrap();
        let mut lines: Vec<&[u8]> = content.split_inclusive(|it| *it == b'\n').collect();
        let odd = [odd, b"\n"].concat();
        lines.insert(place.index(lines.len() + 1), &odd);
        let reading = self.check(file, readers, &lines.concat());
        assert_eq!(reading.problems, [], "{file} with {:?}", String::from_utf8_lossy(&odd));
        for row in readers.iter().map(|it| row(it)).filter(|it| comparable(it)) {
            let found = of(row, &reading);
            for sample in of(row, &self.sound) {
                assert!(
                    found.contains(&sample),
                    "{file} with {:?} lacks {sample:?}",
                    String::from_utf8_lossy(&odd)
                );
            }
        }
    }

    /// Reads with other content of a file, and checks that its readers fail or count something where values are lost.
    fn check_counted(&self, file: &str, content: &str) {
        let readers = FILES.iter().find(|it| it.0 == file).unwrap().1;
        let is_reader = |it: &str| it != "cgroup" && readers.contains(&it);
        let path = self.path(file);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        let reading = open(self.dir.path(), is_reader).read_all(Timestamp(0.0));
        fs::write(&path, kept).unwrap();
        for row in SOURCES.iter().filter(|it| is_reader(it.name)) {
            let found = of(row, &reading);
            let is_lost = |it: &MetricSample| {
                !found.iter().any(|other| other.metric == it.metric && other.labels == it.labels)
            };
            let lost: Vec<_> = of(row, &self.sound).into_iter().filter(|it| is_lost(it)).collect();
            let result = reading.collections.iter().find(|it| it.source == row.name);
            // A collector without a result is unavailable, which is said.
            let is_said = result.is_none_or(|it| !it.success || 0 < it.omitted);
            assert!(lost.is_empty() || is_said, "{} does not count {lost:?}; {file}:\n{content}", row.name);
        }
    }

    fn check_read(&self, file: &str, readers: &[&str]) -> Reading {
        let reading = read(self.dir.path());
        for problem in &reading.problems {
            assert!(readers.contains(&problem.source), "{problem:?}");
            let path = self.path(file);
            assert!(problem.what.contains(path.to_str().unwrap()), "{problem:?} names no {file}");
            assert!(problem.what.chars().count() < 600, "{problem:?} is long");
        }
        for row in SOURCES.iter().filter(|row| comparable(row) && !readers.contains(&row.name)) {
            assert_eq!(of(row, &reading), of(row, &self.sound), "{} is spoiled by {file}", row.name);
        }
        no_series_comes_twice(&reading);
        no_value_is_impossible(&reading);
        no_part_exceeds_its_whole(&reading);
        reading
    }
}

/// Sources whose values depend on the machine that runs the test are left out.
fn comparable(row: &SourceInfo) -> bool {
    !["self", "filesystem", "timing"].contains(&row.name)
}

fn of<'a>(row: &SourceInfo, reading: &'a Reading) -> Vec<&'a MetricSample> {
    let samples = reading.subjects.values().flat_map(|it| it.iter());
    samples.filter(|it| row.metrics.contains(&it.metric)).collect()
}

fn no_series_comes_twice(reading: &Reading) {
    for values in reading.subjects.values() {
        let mut series = values.iter().map(|it| (it.metric.name, &it.labels)).collect::<Vec<_>>();
        series.sort();
        for pair in series.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }
}

/// Which value contains which, by what the kernel counts: this list does not read the declarations of the metrics.
///
/// TCP sockets are no part of all sockets: before Linux 4.16, the kernel counts those that no process owns with TCP only.
const PARTS: &[(&str, &str)] = &[
    ("hostnorm_memory_available_bytes", "hostnorm_memory_size_bytes"),
    ("hostnorm_memory_free_bytes", "hostnorm_memory_size_bytes"),
    ("hostnorm_memory_used_bytes", "hostnorm_memory_size_bytes"),
    ("hostnorm_memory_cached_bytes", "hostnorm_memory_size_bytes"),
    ("hostnorm_memory_buffers_bytes", "hostnorm_memory_size_bytes"),
    ("hostnorm_memory_dirty_bytes", "hostnorm_memory_size_bytes"),
    ("hostnorm_memory_slab_bytes", "hostnorm_memory_size_bytes"),
    ("hostnorm_swap_free_bytes", "hostnorm_swap_size_bytes"),
    ("hostnorm_pressure_cpu_stalled_seconds_total", "hostnorm_pressure_cpu_waiting_seconds_total"),
    ("hostnorm_pressure_memory_stalled_seconds_total", "hostnorm_pressure_memory_waiting_seconds_total"),
    ("hostnorm_pressure_io_stalled_seconds_total", "hostnorm_pressure_io_waiting_seconds_total"),
    ("hostnorm_filesystem_free_bytes", "hostnorm_filesystem_size_bytes"),
    ("hostnorm_filesystem_available_bytes", "hostnorm_filesystem_size_bytes"),
    ("hostnorm_filesystem_inodes_free", "hostnorm_filesystem_inodes"),
    ("hostnorm_cgroup_memory_working_set_bytes", "hostnorm_cgroup_memory_usage_bytes"),
    ("hostnorm_cgroup_cpu_throttled_periods_total", "hostnorm_cgroup_cpu_periods_total"),
];

/// No value contains less than its part. Both are rounded, and pressure is read while it changes.
fn no_part_exceeds_its_whole(reading: &Reading) {
    for values in reading.subjects.values() {
        for (part, whole) in PARTS {
            for part in values.iter().filter(|it| it.metric.name == *part) {
                let whole = values.iter().find(|it| it.metric.name == *whole && it.labels == part.labels);
                assert!(whole.is_none_or(|it| part.value <= it.value * 1.000_001), "{part:?} of {whole:?}");
            }
        }
    }
}

/// A list that names no metric checks nothing.
#[test]
fn parts_and_wholes_are_metrics() {
    let names: Vec<&str> = hostnorm::sources::metrics().map(|it| it.name).collect();
    for name in PARTS.iter().flat_map(|(part, whole)| [part, whole]) {
        assert!(names.contains(name), "{name}");
    }
}

/// A counter of the kernel without a limit of its own would show whatever a file shows for a moment.
#[test]
fn each_counter_of_the_kernel_has_a_limit() {
    for metric in hostnorm::sources::metrics() {
        if metric.ty == MetricType::Counter && metric.origin == CounterResetCause::Boot {
            assert!(metric.gain.per_second.to_bits() != GAIN_MAX.to_bits(), "{metric}");
        }
    }
}

/// Each value is in the range of its metric, and no part is larger than its whole.
fn no_value_is_impossible(reading: &Reading) {
    for values in reading.subjects.values() {
        for sample in values.iter() {
            assert!(sample.metric.is_possible(sample.value), "{sample:?}");
            let whole = sample.metric.whole.and_then(|it| values.get_by(it, &sample.labels));
            assert!(whole.is_none_or(|it| fits(sample.value, it)), "{sample:?} of {whole:?}");
        }
    }
}

fn open(tree: &Path, on: impl Fn(&str) -> bool) -> Sources {
    let roots = RootPaths {
        procfs: tree.join("proc"),
        sysfs: tree.join("sys"),
        rootfs: tree.into(),
        ..RootPaths::default()
    };
    let blocking = BlockingReads::with_patience(crate::sources::PATIENCE);
    Sources::open(&SourceSettings { roots, blocking, ..SourceSettings::default() }, on)
}

fn read(tree: &Path) -> Reading {
    let mut sources = open(tree, |it| it != "self");
    sources.read_all(Timestamp(0.0));
    // The kernel's list of locks is read beside the loop, and may answer late on a busy machine.
    for _ in 0..100 {
        let reading = sources.read_all(Timestamp(1.0));
        let has_locks =
            of(row("context"), &reading).iter().any(|it| it.metric.name == "hostnorm_package_lock_held");
        if has_locks || !reading.problems.is_empty() {
            return reading;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    sources.read_all(Timestamp(1.0))
}

#[test]
fn an_absent_or_empty_tree_is_no_problem() {
    let dir = tempfile::tempdir().unwrap();
    for tree in [dir.path().join("absent"), dir.path().to_owned()] {
        let reading = read(&tree);
        assert_eq!(reading.problems, []);
        assert!(reading.subjects.values().all(|it| it.iter().next().is_none()));
    }
}

#[test]
fn each_row_is_tried() {
    for row in SOURCES.iter().filter(|row| !["self", "timing", "log"].contains(&row.name)) {
        assert!(FILES.iter().any(|(_, readers)| readers.contains(&row.name)), "{}", row.name);
    }
}

#[test]
fn one_file_may_be_absent() {
    let tree = Tree::new();
    for (file, readers) in FILES {
        let (path, aside) = (tree.path(file), tree.path("aside"));
        fs::rename(&path, &aside).unwrap();
        let reading = tree.check_read(file, readers);
        assert_eq!(reading.problems, [], "{file}");
        fs::rename(&aside, &path).unwrap();
    }
}

/// Nothing is lost silently: each line and each word that a file lacks is counted.
#[test]
fn what_a_file_lacks_is_counted() {
    let tree = Tree::new();
    for file in FIXED {
        let text = fs::read_to_string(tree.path(file)).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for (idx, line) in lines.iter().enumerate() {
            let with = |line: &str| [&lines[..idx].concat(), line, &lines[idx + 1..].concat()].concat();
            tree.check_counted(file, &with(""));
            // Long lines, such as that of the interrupts, have one word that counts.
            let words: Vec<&str> = line.split_ascii_whitespace().take(12).collect();
            for (count, word) in words.iter().enumerate() {
                tree.check_counted(file, &with(&format!("{}\n", words[..count].join(" "))));
                tree.check_counted(file, &with(&line.replacen(word, "another", 1)));
            }
        }
    }
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn files_may_be_empty_truncated_or_doubled() {
    let tree = Tree::new();
    for (file, readers) in FILES {
        let whole = fs::read(tree.path(file)).unwrap();
        let step = (whole.len() / 60).max(1);
        for end in (0..whole.len()).step_by(step) {
            tree.check(file, readers, &whole[..end]);
        }
        tree.check(file, readers, &whole.repeat(2));
    }
}

#[test]
fn malformed_files_are_problems() {
    let tree = Tree::new();
    for (file, readers) in FILES {
        // A malformed sensor counts as unconnected.
        // Of these, `cgroup` takes the age and the network of a group, which are absent otherwise.
        let needs = |it: &&&str| **it != "cgroup" || file.starts_with("sys/fs");
        let problems = if file.starts_with("sys/class") { 0 } else { readers.iter().filter(needs).count() };
        for content in
            [&b""[..], b"\n\n\n", b"\xff\xfe\x00\x01\n\x80", b"cpu some Tcp: 1 2 3 : - x\n", &[0; 999]]
        {
            let reading = tree.check(file, readers, content);
            // Without locks the list is empty, as are the devices without I/O.
            let may_be_empty = *file == "proc/locks" || file.ends_with("io.stat");
            let problems = if may_be_empty && content.trim_ascii().is_empty() { 0 } else { problems };
            let given = readers.iter().any(|it| of(row(it), &reading).len() < of(row(it), &tree.sound).len());
            assert!(reading.problems.len() == problems || given, "{file}: {:?}", reading.problems);
        }
        let is_list = ["proc/1/mountinfo", "proc/1/net/dev"].contains(file);
        let huge = b"some text\n".repeat(if is_list { HUGE_LIST } else { HUGE } / 10 + 1);
        let reading = tree.check(file, readers, &huge);
        assert_eq!(reading.problems.len(), problems, "{file}");
        assert!(reading.problems.iter().all(|it| it.what.contains("larger than")), "{:?}", reading.problems);
    }
}

fn row(name: &str) -> &'static SourceInfo {
    SOURCES.iter().find(|it| it.name == name).unwrap()
}

#[test]
fn files_may_be_unreadable_directories_or_link_loops() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let tree = Tree::new();
    for (file, readers) in FILES {
        let (path, aside) = (tree.path(file), tree.path("aside"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        // Root can read it nevertheless.
        tree.check_read(file, readers);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        tree.check_read(file, readers);
        fs::remove_dir(&path).unwrap();
        symlink(&path, &path).unwrap();
        tree.check_read(file, readers);
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
}

#[test]
fn thousands_of_devices_are_bounded_and_counted() {
    let tree = Tree::new();
    let disk = |it| format!("8 {it} sd{it} 1 2 3 4 5 6 7 8 9 10 11\n");
    let nic = |it| format!("eth{it}: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    let mount = |it| format!("1 0 8:1 / /srv/{it} rw - ext4 /dev/a rw\n");
    let lists = [
        ("proc/diskstats", "disk", (0..9999).map(disk).collect::<String>()),
        ("proc/1/net/dev", "network", format!("x | y\nx | y\n{}", (0..9999).map(nic).collect::<String>())),
        ("proc/1/mountinfo", "filesystem", (0..9999).map(mount).collect::<String>()),
    ];
    for (file, name, text) in lists {
        let reading = tree.check(file, &[name], text.as_bytes());
        assert_eq!(reading.problems, []);
        let given = of(row(name), &reading);
        assert!(given.len() < 256 * 10, "{name} gives {}", given.len());
        let dropped = given.iter().find(|it| it.metric.name.ends_with("_omitted")).unwrap();
        assert!(9000.0 < dropped.value, "{name} drops {}", dropped.value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_spoils_more_than_its_source(idx in 0..FILES.len(), text in "([a-zA-Z:|/=. 0-9-]|\n|\\PC){0,200}") {
        let tree = Tree::new();
        let (file, readers) = FILES[idx];
        tree.check(file, readers, text.as_bytes());
    }

    /// Any number of any file may be any other.
    #[test]
    fn no_number_makes_a_value_impossible(
        idx in 0..FILES.len(),
        place in any::<prop::sample::Index>(),
        number in prop_oneof![
            any::<u64>().prop_map(|it| it.to_string()),
            any::<i64>().prop_map(|it| it.to_string()),
            (0u64..20).prop_map(|it| it.to_string()),
            (0u64..1_000_000).prop_map(|it| (u64::MAX - it).to_string()),
            Just("-1".to_owned()),
        ],
    ) {
        let tree = Tree::new();
        let (file, readers) = FILES[idx];
        let content = fs::read_to_string(tree.path(file)).unwrap();
        let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
        let words: Vec<&str> = content.split_inclusive([' ', '\n', '=']).collect();
        let numbers: Vec<usize> = (0..words.len())
            .filter(|it| is_number(words[*it].trim_end_matches([' ', '\n', '='])) && words[*it].len() > 1)
            .collect();
        prop_assume!(!numbers.is_empty());
        let chosen = *place.get(&numbers);
        let end = words[chosen].trim_start_matches(|it: char| it.is_ascii_digit());
        let changed = [&words[..chosen].concat(), &number, end, &words[chosen + 1..].concat()].concat();
        tree.check(file, readers, changed.as_bytes());
    }

    /// An odd line costs itself: all values of the other lines are there.
    #[test]
    fn an_odd_line_costs_one_line(
        idx in 0..LINES.len(),
        place in any::<prop::sample::Index>(),
        odd in prop_oneof![
            prop::collection::vec(any::<u8>().prop_filter("no line end", |it| *it != b'\n'), 1..30),
            Just(vec![0; 40]),
            Just(b"\xff\xfe".to_vec()),
            Just(b"x".repeat(5000)),
        ],
    ) {
        let tree = Tree::new();
        tree.check_with_line(LINES[idx], place, &odd);
    }

    /// So does one that starts like a line of the kernel, wherever it is.
    #[test]
    fn a_damaged_copy_of_a_line_costs_itself(
        idx in 0..LINES.len(),
        place in any::<prop::sample::Index>(),
        copied in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        damage in prop::sample::select(vec![
            LineDamage::Cut,
            LineDamage::Zeros,
            LineDamage::Word,
            LineDamage::Suffix,
            LineDamage::Twice,
        ]),
    ) {
        let tree = Tree::new();
        let content = fs::read_to_string(tree.path(LINES[idx])).unwrap();
        let lines: Vec<&str> = content.lines().collect();
        let line = copied.get(&lines);
        let words = line.split_ascii_whitespace().count();
        prop_assume!(1 < words);
        let odd = damage.of(line, 1 + from.index(words - 1));
        prop_assume!(odd.is_some());
        tree.check_with_line(LINES[idx], place, odd.unwrap().as_bytes());
    }

    #[test]
    fn no_bytes_spoil_more_than_their_source(
        idx in 0..FILES.len(),
        at in 0usize..4000,
        bytes in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        let tree = Tree::new();
        let (file, readers) = FILES[idx];
        let mut content = fs::read(tree.path(file)).unwrap();
        let at = at % content.len().max(1);
        let end = (at + bytes.len()).min(content.len());
        content.splice(at..end, bytes);
        tree.check(file, readers, &content);
    }
}
