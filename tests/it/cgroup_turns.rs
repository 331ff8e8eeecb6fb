//! A host with many groups: which files are read at a reading.

use std::collections::BTreeMap;

use hostnorm::reading::{Subject, Timestamp};
use hostnorm::sources::CgroupSettings;

use crate::cgroup::{CgroupHost, Version, value};

const IO_STAT: &str = "8:0 rbytes=N wbytes=0\n";

/// Each file of a group of version 2, with a metric that shows whether it was read.
const FILES: [(&str, &str, &str); 11] = [
    ("cpu.stat", "usage_usec N000000\n", "cpu_seconds_total"),
    ("memory.current", "N\n", "memory_usage_bytes"),
    ("memory.stat", "inactive_file 0\npgmajfault N\n", "major_page_faults_total"),
    ("memory.events", "oom_kill N\n", "oom_kills_total"),
    ("io.stat", IO_STAT, "disk_read_bytes_total"),
    ("pids.current", "N\n", "tasks"),
    (
        "cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=N000000\n",
        "pressure_cpu_waiting_seconds_total",
    ),
    (
        "memory.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=N000000\n",
        "pressure_memory_waiting_seconds_total",
    ),
    (
        "io.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=N000000\n",
        "pressure_io_waiting_seconds_total",
    ),
    ("cpu.max", "N00000 100000\n", "cpu_limit_cores"),
    ("memory.max", "N\n", "memory_limit_bytes"),
];

fn service(number: usize) -> Subject {
    Subject::Service(format!("app-{number:03}.service").into())
}

/// Reads this many groups some times, with other contents each time, except that idle groups use no CPU time and no other
/// memory, and with this text in `io.stat`; returns the number of files with other contents that were read at each reading, and the largest age of a value
/// that is no limit, in readings.
fn files_read(groups: usize, readings: u32, are_idle: bool, io_stat: &str) -> (Vec<usize>, u32) {
    let is_constant = |file: &str| are_idle && ["cpu.stat", "memory.current"].contains(&file);
    let host = CgroupHost::new(Version::V2);
    let mut sources = host.open_with_window(CgroupSettings::default(), 30);
    let (mut counts, mut oldest) = (Vec::new(), 0);
    let mut newest: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for now in 1..=readings {
        for group in 0..groups {
            for (file, text, _) in FILES {
                let path = format!("sys/fs/cgroup/system.slice/{}/{file}", service(group).name());
                let content = if is_constant(file) { 1 } else { now };
                let text = if file == "io.stat" { io_stat } else { text };
                host.write(&path, &text.replace('N', &content.to_string()));
            }
        }
        let reading = sources.read_all(Timestamp(f64::from(now)));
        // Nine fields of these short files, and the odd line.
        let omitted = groups * if io_stat == IO_STAT { 9 } else { 10 };
        assert_eq!(reading.collections[0].omitted, omitted, "at {now}");
        for group in 0..groups {
            for (file, _, metric) in FILES {
                let value = value(&reading, &service(group), &format!("hostnorm_cgroup_{metric}"));
                if value.is_none() && file == "io.stat" && !io_stat.starts_with("8:0") {
                    continue;
                }
                let value = value.unwrap();
                if (value - f64::from(now)).abs() < 1e-9 {
                    newest.insert((group, file), now);
                } else if !file.ends_with(".max") && !is_constant(file) {
                    oldest = oldest.max(now - newest[&(group, file)]);
                }
            }
        }
        counts.push(newest.values().filter(|it| **it == now).count());
    }
    (counts, oldest)
}

#[test]
fn the_files_of_many_groups_are_read_in_turn() {
    let (counts, oldest) = files_read(200, 9, false, IO_STAT);
    assert_eq!(counts[0], 200 * 11, "the first reading is complete");
    // A fifth of the groups at each reading, without their limits.
    assert_eq!(counts[1..], [40 * 9; 8]);
    assert_eq!(oldest, 4);
}

#[test]
fn the_cheap_files_of_few_groups_are_read_at_each_reading() {
    let (counts, oldest) = files_read(40, 9, false, IO_STAT);
    assert_eq!(counts[0], 40 * 11);
    assert_eq!(counts[1..], [40 * 2 + 8 * 7; 8]);
    assert_eq!(oldest, 4);
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn most_files_of_idle_groups_are_read_at_each_third_turn() {
    let (counts, oldest) = files_read(200, 21, true, IO_STAT);
    assert_eq!(counts[0], 200 * 11);
    // Three pressures at each turn, and four other files at the first one and the fourth.
    assert_eq!(counts[1..6], [40 * 7; 5]);
    assert_eq!(counts[6..16], [40 * 3; 10]);
    assert_eq!(counts[16..], [40 * 7; 5]);
    assert_eq!(oldest, 14);
}

/// The kernel has no name for some devices: paths of NVMe multipath, disks of ZFS.
#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn odd_lines_cost_no_further_readings() {
    let line = "(unknown) rbytes=0 wbytes=0 rios=6\n";
    let (counts, oldest) = files_read(200, 9, false, &format!("{IO_STAT}{line}"));
    assert_eq!(counts[0], 200 * 11);
    assert_eq!(counts[1..], [40 * 9; 8]);
    assert_eq!(oldest, 4);
    // A file without another line is read twice at once, and then at each turn together with the limits.
    let (counts, oldest) = files_read(200, 9, false, line);
    assert_eq!(counts[..2], [200 * 10; 2]);
    assert_eq!(counts[2..], [40 * 10; 7]);
    assert_eq!(oldest, 4);
}
