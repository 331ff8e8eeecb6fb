//! Sources read a captured tree of a real machine; their values are compared as text.

use crate::captured_tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use hostnorm::metric::MetricType;
use hostnorm::reading::{MetricSample, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::signal::{ReadingPair, Signal};
use hostnorm::sources::{self, BlockingReads, RootPaths, SOURCES, SourceSettings, Sources};

use captured_tree::{copy, fixtures};

/// A reading is complete although the threads that read beside the loop are late on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

fn settings(tree: &Path) -> SourceSettings {
    let roots = RootPaths {
        procfs: tree.join("proc"),
        sysfs: tree.join("sys"),
        rootfs: tree.into(),
        ..RootPaths::default()
    };
    let blocking = BlockingReads::with_patience(PATIENCE);
    SourceSettings { roots, blocking, deploy_marker: "/proc/uptime".into(), ..SourceSettings::default() }
}

/// Reads until the filesystems have answered, usually at once.
fn read(sources: &mut Sources) -> Reading {
    loop {
        let reading = sources.read_all(Timestamp(0.0));
        if samples(&reading).any(|it| it.metric.name == "hostnorm_filesystem_size_bytes") {
            return reading;
        }
        std::thread::yield_now();
    }
}

fn samples(reading: &Reading) -> impl Iterator<Item = &MetricSample> {
    reading.subjects.values().flat_map(|it| it.iter())
}

fn line((subject, sample): (&Subject, &MetricSample)) -> String {
    let subject = if *subject == Subject::Host { String::new() } else { format!("{} ", subject.name()) };
    let labels = sample.metric.labels.iter().zip(sample.labels.values());
    let labels = labels.map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>();
    format!("{subject}{}{{{}}} {}\n", sample.metric, labels.join(","), sample.value)
}

/// Values of the machine that runs the test, regardless of the roots.
fn is_real(name: &str) -> bool {
    let filesystem = ["size_bytes", "free_bytes", "available_bytes", "inodes", "inodes_free"];
    name.starts_with("process_")
        || ["hostnorm_suspended_seconds_total", "hostnorm_deploy_marker_timestamp_seconds"].contains(&name)
        || name.strip_prefix("hostnorm_filesystem_").is_some_and(|it| filesystem.contains(&it))
}

#[test]
fn a_captured_tree_gives_the_golden_values() {
    let reading = read(&mut Sources::open(&settings(&fixtures()), |_| true));
    assert_eq!(reading.problems, []);
    assert!(reading.collections.iter().all(|it| it.success));

    let all =
        reading.subjects.iter().flat_map(|(subject, values)| values.iter().map(move |it| (subject, it)));
    let text = all.filter(|(_, it)| !is_real(it.metric.name)).map(line).collect::<String>();
    let golden = fixtures().join("values.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap();
    for (text, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(text, expected);
    }
    assert_eq!(text.lines().count(), expected.lines().count());

    let given = samples(&reading).map(|it| it.metric.name).collect::<BTreeSet<_>>();
    for metric in sources::metrics() {
        let differs = metric.name.contains("inodes")
            || ["process_max_fds", "hostnorm_network_speed_bytes_per_second"].contains(&metric.name);
        // Those of timing need two readings and an interval, as does a share of periods.
        let differs =
            differs || metric.name.contains("_delay_seconds") || metric.name.contains("_step_seconds");
        let differs = differs || metric.name == "hostnorm_cgroup_cpu_throttled_ratio";
        // Those of logs come from threads; tests/it/logs.rs has them.
        let differs = differs || metric.name.starts_with("hostnorm_log_");
        assert!(differs || given.contains(metric.name), "{metric} is never set");
    }
}

#[test]
fn equal_trees_give_equal_readings() {
    let mut sources =
        Sources::open(&settings(&fixtures()), |it| !["self", "filesystem", "timing"].contains(&it));
    // Some values need two readings.
    let [_, one, other] = [(); 3].map(|()| sources.read_all(Timestamp(1.0)));
    assert_eq!(one.subjects, other.subjects);
}

#[test]
fn own_process_and_root_filesystem_are_real() {
    let reading = read(&mut Sources::open(&settings(&fixtures()), |_| true));
    let value = |name: &str| samples(&reading).find(|it| it.metric.name == name).unwrap().value;
    let now = hostnorm::clock::now().0;
    assert!(
        value("process_start_time_seconds") <= now && now - 86_400.0 < value("process_start_time_seconds")
    );
    assert!(1e5 < value("process_resident_memory_bytes"));
    assert!(value("process_resident_memory_bytes") <= value("process_virtual_memory_bytes"));
    assert!(3.0 <= value("process_open_fds"));
    assert!(value("hostnorm_filesystem_free_bytes") <= value("hostnorm_filesystem_size_bytes"));
    assert!(value("hostnorm_filesystem_available_bytes") <= value("hostnorm_filesystem_free_bytes"));
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let mut names = BTreeSet::new();
    for metric in sources::metrics() {
        let name = metric.name;
        assert!(names.insert(name), "{name} comes twice");
        assert!(name.starts_with("hostnorm_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), metric.ty == MetricType::Counter, "{name}");
        for bad in ["percent", "gauge", "counter", "_ms", "minutes", ":", "__"] {
            assert!(!name.contains(bad), "{name} has {bad}");
        }
        assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{name}");
        for label in metric.labels {
            let taken =
                ["job", "instance", "namespace", "pod", "container", "node", "type", "le", "quantile"];
            assert!(!taken.contains(label), "{name} has {label}");
        }
    }
    let mut names = BTreeSet::new();
    for signal in sources::signals(|_| true) {
        assert!(names.insert((signal.kind, signal.name)), "{} comes twice", signal.name);
        assert!(signal.floor > 0.0 && signal.floor < signal.max(), "{}", signal.name);
        assert!(!signal.help.ends_with('.') && !signal.title.is_empty(), "{}", signal.name);
        assert!(!signal.name.contains("percent"), "{}", signal.name);
    }
    let of_host = names.iter().filter(|(kind, _)| *kind == SubjectKind::Host).count();
    assert!((20..=32).contains(&of_host), "{of_host} signals");
    assert_eq!(SOURCES.iter().map(|it| it.name).collect::<BTreeSet<_>>().len(), SOURCES.len());
}

#[test]
fn settings_are_checked_when_they_are_read() {
    let yaml = "disk: { device_exclude: '^sd' }\nnetwork: {}\nfilesystem: { mount_exclude: '' }\n";
    let settings: SourceSettings = yaml_serde::from_str(yaml).unwrap();
    assert_eq!(settings.disk.device_exclude.as_str(), "^sd");
    assert_eq!(settings.network, SourceSettings::default().network);
    for (yaml, words) in [
        ("disk: { device_exclude: '(' }", "\"(\" is not a regular expression"),
        ("disk: { exclude: x }", "unknown field `exclude`"),
        ("discs: {}", "unknown field `discs`"),
    ] {
        let error = yaml_serde::from_str::<SourceSettings>(yaml).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// Checks a signal after some files changed within two seconds.
fn check(signal: &str, changes: &[(&str, &str, &str)], expected: f64) {
    let tree = tempfile::tempdir().unwrap();
    copy(&fixtures().join("proc"), &tree.path().join("proc"));
    let mut sources = Sources::open(&settings(tree.path()), |it| it != "filesystem");
    let before = sources.read_all(Timestamp(0.0));
    for (file, from, to) in changes {
        let path = tree.path().join("proc").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
    let now = sources.read_all(Timestamp(2.0));
    assert_eq!(now.problems, []);
    let [before, now] = [before, now].map(|mut it| it.subjects.remove(&Subject::Host).unwrap());
    let change = ReadingPair::new(&before, &now, 2.0).unwrap();
    let signal: &Signal = sources::signals(|_| true).find(|it| it.name == signal).unwrap();
    let value = (signal.formula)(&change).unwrap();
    assert!((value - expected).abs() < 1e-9, "{} is {value}", signal.name);
}

const CPU: (&str, &str) = ("stat", "cpu  212000 47072 33296 363299 1129 0 546 177 0 0");

#[test]
fn shares_of_processor_time() {
    // 100 ticks of user CPU time, 20 of system, 60 idle, 10 of I/O wait, 10 stolen.
    let changes = [(CPU.0, CPU.1, "cpu  212100 47072 33316 363359 1139 0 546 187 0 0")];
    check("cpu_busy_ratio", &changes, 0.65);
    check("cpu_user_ratio", &changes, 0.5);
    check("cpu_system_ratio", &changes, 0.1);
    check("cpu_iowait_ratio", &changes, 0.05);
    check("cpu_steal_ratio", &changes, 0.05);
}

#[test]
fn levels_of_memory() {
    check("memory_used_ratio", &[("meminfo", "MemAvailable:   ", "MemAvailable: 0 kB\nX:")], 1.0);
    check("swap_pages_per_second", &[("vmstat", "pswpin 123", "pswpin 133")], 5.0);
}

#[test]
fn time_lost_waiting() {
    let tail = |file: &str| {
        let text = fs::read_to_string(fixtures().join("proc").join(file)).unwrap();
        let line = text.lines().next().unwrap().to_owned();
        let (head, total) = line.rsplit_once('=').unwrap();
        let later = format!("{head}={}", total.parse::<u64>().unwrap() + 1_000_000);
        (line, later)
    };
    for name in ["cpu", "memory", "io"] {
        let file = format!("pressure/{name}");
        let (line, later) = tail(&file);
        check(&format!("pressure_{name}_ratio"), &[(&file, &line, &later)], 0.5);
    }
}

#[test]
fn disks_count_once() {
    let sda = "sda 3451 214 287466 5123 9821 3312 1734521 40211 0 21004";
    let dm = "dm-0 900000 0 73000000 200000 1200000 0 99000000 1000000 0 400000";
    let changes = [
        ("diskstats", sda, "sda 3453 214 291466 5123 9825 3312 1738521 40211 0 22504"),
        ("diskstats", dm, "dm-0 990000 0 79000000 200000 1900000 0 99900000 1000000 0 402000"),
    ];
    check("disk_busy_ratio", &changes, 0.75);
    check("disk_read_bytes_per_second", &changes, 2000.0 * 512.0);
    check("disk_written_bytes_per_second", &changes, 2000.0 * 512.0);
    check("disk_operations_per_second", &changes, 3.0);
}

#[test]
fn packets_count_once() {
    let eth1 = "eth1: 1000      10    1    2    0     0          0         0     2000      20    3    4";
    let bond = "bond0: 430872432   25976";
    let changes = [
        (
            "1/net/dev",
            eth1,
            "eth1: 3000      30    2    3    0     0          0         0     6000      40    4    5",
        ),
        ("1/net/dev", bond, "bond0: 430874432   25996"),
    ];
    check("network_received_bytes_per_second", &changes, 1000.0);
    check("network_sent_bytes_per_second", &changes, 2000.0);
    check("network_packets_per_second", &changes, 20.0);
    check("network_errors_per_second", &changes, 2.0);
    check("loopback_bytes_per_second", &changes, 0.0);
}

#[test]
fn the_network_of_a_container_is_not_shown_as_the_hosts() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixtures(), dir.path());
    // As on a node that hides process 1: only the network of hostnorm itself is left.
    fs::rename(dir.path().join("proc/1/net"), dir.path().join("proc/net")).unwrap();
    let mut sources = Sources::open(&settings(dir.path()), |it| ["network", "tcp"].contains(&it));
    let reading = sources.read_all(Timestamp(0.0));
    assert_eq!(samples(&reading).count(), 0);
    assert!(reading.collections.iter().all(|it| !it.success));
}

/// The list of locks of a machine on which the lock file of this package manager is held in this mode.
fn package_lock(path: &str, lock: &str) -> Vec<(String, f64)> {
    use std::os::linux::fs::MetadataExt;

    let dir = tempfile::tempdir().unwrap();
    copy(&fixtures(), dir.path());
    let file = dir.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "").unwrap();
    let inode = fs::metadata(&file).unwrap().st_ino();
    // The device number is missing, as on filesystems without their own.
    fs::write(dir.path().join("proc/locks"), format!("7: {lock} 00:00:{inode} 0 EOF\n")).unwrap();
    let mut sources = Sources::open(&settings(dir.path()), |it| it == "context");
    let reading = sources.read_all(Timestamp(0.0));
    assert_eq!(reading.problems, []);
    let held = samples(&reading).filter(|it| it.metric.name == "hostnorm_package_lock_held");
    held.map(|it| (it.labels.values()[0].to_string(), it.value)).collect()
}

#[test]
fn a_running_package_manager_is_detected_without_opening_its_lock() {
    let held = |dpkg: f64| vec![("dpkg".to_owned(), dpkg)];
    let dpkg = "var/lib/dpkg/lock-frontend";
    assert_eq!(package_lock(dpkg, "POSIX  ADVISORY  WRITE 12"), held(1.0));
    assert_eq!(package_lock(dpkg, "POSIX  ADVISORY  READ 12"), held(0.0));
    assert_eq!(package_lock(dpkg, "-> POSIX  ADVISORY  WRITE 12"), held(0.0));
    let both = package_lock("var/lib/rpm/.rpm.lock", "POSIX  ADVISORY  WRITE 12");
    assert_eq!(both, [("dpkg".to_owned(), 0.0), ("rpm".to_owned(), 1.0)]);
}

#[test]
fn a_deploy_marker_has_its_modification_time() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixtures(), dir.path());
    let settings = SourceSettings { deploy_marker: "/run/deployed".into(), ..settings(dir.path()) };
    let mut sources = Sources::open(&settings, |it| it == "context");
    let mut touched = || {
        let reading = sources.read_all(Timestamp(0.0));
        assert_eq!(reading.problems, []);
        let marker = samples(&reading).find(|it| it.metric.name.starts_with("hostnorm_deploy_marker"));
        marker.map(|it| it.value)
    };
    assert_eq!(touched(), None);
    fs::create_dir(dir.path().join("run")).unwrap();
    fs::write(dir.path().join("run/deployed"), "").unwrap();
    let now = hostnorm::clock::now().0;
    let at = crate::sampler::until("time of the marker", &mut touched);
    assert!((now - 60.0..=now + 1.0).contains(&at));
}
