//! Faults of kernels, drivers and hypervisors that people reported: each has the right values, and costs only itself.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hostnorm::reading::{MetricSample, Reading, Timestamp};
use hostnorm::signal::ReadingPair;
use hostnorm::sources::{self, BlockingReads, RootPaths, SourceSettings, Sources};
use tempfile::TempDir;

use crate::captured_tree::{copy, fixtures};

/// A copy of the captured tree, with other files.
struct Tree(TempDir);

impl Tree {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        copy(&fixtures(), tree.0.path());
        files.iter().for_each(|(file, content)| tree.put(file, content));
        tree
    }

    fn put(&self, file: &str, content: &[u8]) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Changes a file of the captured tree.
    fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.0.path().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        self.put(file, text.replace(from, to).as_bytes());
    }

    fn open(&self, source: &str) -> Sources {
        self.open_with(SourceSettings::default(), source)
    }

    fn open_with(&self, settings: SourceSettings, source: &str) -> Sources {
        let root = self.0.path();
        let roots = RootPaths {
            procfs: root.join("proc"),
            sysfs: root.join("sys"),
            rootfs: root.into(),
            ..RootPaths::default()
        };
        Sources::open(&SourceSettings { roots, ..settings }, |it| it == source)
    }

    fn read(&self, source: &str) -> Reading {
        let blocking = BlockingReads::with_patience(crate::sources::PATIENCE);
        let settings = SourceSettings { blocking, ..SourceSettings::default() };
        self.open_with(settings, source).read_all(Timestamp(1.0))
    }
}

fn samples(reading: &Reading) -> impl Iterator<Item = &MetricSample> {
    reading.subjects.values().flat_map(|it| it.iter())
}

/// The values of a metric, as `label value`.
fn values(reading: &Reading, metric: &str) -> Vec<String> {
    let line =
        |it: &MetricSample| format!("{} {}", it.labels.values().join(" "), it.value).trim_start().to_owned();
    samples(reading).filter(|it| it.metric.name == metric).map(line).collect()
}

/// Whether the only source succeeded, and how much it does not show.
fn result(reading: &Reading) -> (bool, usize) {
    (reading.collections[0].success, reading.collections[0].omitted)
}

/// The value of a signal between two readings a second apart.
fn signal(name: &str, before: &Reading, now: &Reading) -> Option<f64> {
    let pair = ReadingPair::new(before.host_values()?, now.host_values()?, 1.0)?;
    (sources::host_signals(|_| true).find(|it| it.name == name).unwrap().formula)(&pair)
}

const NET: &str = "proc/1/net/dev";
const TITLES: &str = "Inter-|   Receive   |  Transmit\n face |bytes |bytes\n";

fn net(lines: &str) -> Vec<u8> {
    format!("{TITLES}{lines}").into_bytes()
}

#[test]
fn a_reading_that_is_incomplete_is_logged_once() {
    let tree = Tree::with(&[(NET, &net("no row\neth0: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n"))]);
    let mut sources = tree.open("network");
    let log = tree.0.path().join("log");
    let subscriber =
        tracing_subscriber::fmt().with_writer(Arc::new(fs::File::create(&log).unwrap())).finish();
    tracing::subscriber::with_default(subscriber, || {
        for second in 1..=3 {
            assert_eq!(result(&sources.read_all(Timestamp(f64::from(second)))), (true, 1));
        }
    });
    let text = fs::read_to_string(log).unwrap();
    assert_eq!(text.matches("reading is incomplete").count(), 1, "{text}");
    assert!(text.contains("no row"), "{text}");
}

#[test]
fn rows_of_interfaces_are_shown_or_counted() {
    let rows = ["we|rd", "eth0", "eth1", "eth0"].map(|it| format!("{it}: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n"));
    let reading = Tree::with(&[(NET, &net(&rows.concat()))]).read("network");
    let received = values(&reading, "hostnorm_network_receive_bytes_total");
    assert_eq!(received, ["we|rd 3", "eth0 3", "eth1 3"]);
    assert_eq!(result(&reading), (true, 1), "the second row of eth0");
}

#[test]
fn a_counter_without_a_value_is_counted() {
    let reading = Tree::with(&[("proc/vmstat", b"pswpin\npswpout 7\n")]).read("memory");
    assert_eq!(values(&reading, "hostnorm_swap_out_pages_total"), ["7"]);
    assert_eq!(result(&reading), (true, 4), "three fields are missing");
}

#[test]
fn what_only_passes_on_excluded_devices_is_said_to_be() {
    let rows = ["bond0", "ens1"].map(|it| format!("{it}: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n"));
    let tree = Tree::with(&[(NET, &net(&rows.concat())), ("sys/class/net/bond0/ifindex", b"3\n")]);
    tree.put("proc/diskstats", b"259 0 nvme0n1 1 0 8 1 1 0 8 1 0 1 1\n253 0 dm-0 1 0 8 1 1 0 8 1 0 1 1\n");
    let yaml = "disk: { device_exclude: ^nvme }\nnetwork: { device_exclude: ^ens }\n";
    let settings: SourceSettings = yaml_serde::from_str(yaml).unwrap();
    for source in ["disk", "network"] {
        let reading = tree.open_with(settings.clone(), source).read_all(Timestamp(1.0));
        assert_eq!(result(&reading), (true, 1), "{source}");
        // Without the pattern, the device below is judged.
        let reading = tree.open(source).read_all(Timestamp(1.0));
        assert_eq!(result(&reading), (true, 0), "{source}");
    }
}

/// A container without root has nothing but a `tap0`, which the default leaves out on other hosts.
#[test]
fn the_only_interface_is_shown_and_counted() {
    let row = |name: &str| format!("{name}: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n");
    for (names, counted) in [
        (vec!["tap0"], vec!["tap0"]),
        (vec!["wg0"], vec!["wg0"]),
        (vec!["docker0", "veth1", "veth2"], vec!["docker0"]),
        (vec!["eth0", "tap0", "docker0"], vec!["eth0"]),
        // The kernel adds tunnels to each network, and there may be several cables.
        (vec!["tunl0", "tap0"], vec!["tap0"]),
        (vec!["sit0", "ip6tnl0", "tap0"], vec!["tap0"]),
        (vec!["veth0", "veth1"], vec!["veth0", "veth1"]),
        (vec!["wg0", "eth0", "veth1"], vec!["eth0"]),
    ] {
        let rows: String = std::iter::once("lo").chain(names.iter().copied()).map(row).collect();
        let reading = Tree::with(&[(NET, &net(&rows))]).read("network");
        let mut found = values(&reading, "hostnorm_network_device_counted");
        found.retain(|it| it.ends_with(" 1"));
        let expect: Vec<String> = counted.iter().map(|it| format!("{it} 1")).collect();
        assert_eq!(found, expect, "of {names:?}");
        assert_eq!(result(&reading), (true, 0), "of {names:?}");
    }
}

/// Whether each device is counted, as `name 1`.
fn counted(sources: &mut Sources) -> Vec<String> {
    values(&sources.read_all(Timestamp(1.0)), "hostnorm_network_device_counted")
}

fn rows(names: &[&[u8]]) -> Vec<u8> {
    let row = |name: &&[u8]| [*name, b": 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n"].concat();
    net("").into_iter().chain(names.iter().flat_map(row)).collect()
}

#[test]
fn hardware_is_shown_whatever_its_name() {
    let tree = Tree::with(&[(NET, &rows(&[b"vnet0", b"vnet1", b"eth1"]))]);
    for name in ["vnet0", "eth1"] {
        fs::create_dir_all(tree.0.path().join("sys/class/net").join(name).join("device")).unwrap();
    }
    assert_eq!(counted(&mut tree.open("network")), ["vnet0 1", "eth1 1"]);
    // A pattern of the settings is obeyed.
    let settings: SourceSettings = yaml_serde::from_str("network: { device_exclude: ^vnet }").unwrap();
    assert_eq!(counted(&mut tree.open_with(settings, "network")), ["eth1 1"]);
}

#[test]
fn a_device_whose_name_is_no_text_is_found_in_sysfs() {
    use std::os::unix::ffi::OsStrExt;

    let bridge = std::ffi::OsStr::from_bytes(b"k\xf6ln");
    let tree = Tree::with(&[(NET, &rows(&[b"eno1", bridge.as_bytes()]))]);
    let directory = tree.0.path().join("sys/class/net");
    fs::create_dir_all(directory.join("eno1/device")).unwrap();
    fs::create_dir_all(directory.join(bridge)).unwrap();
    let found = counted(&mut tree.open("network"));
    assert_eq!((found.len(), &*found[0]), (2, "eno1 1"));
    assert!(found[1].starts_with("k\u{FFFD}ln~") && found[1].ends_with(" 0"), "{found:?}");
}

#[test]
fn a_bridge_is_not_counted_when_the_hardware_is_gone() {
    let tree = Tree::with(&[(NET, &rows(&[b"eth0", b"docker0"]))]);
    let nic = tree.0.path().join("sys/class/net/eth0");
    fs::create_dir_all(nic.join("device")).unwrap();
    tree.put("sys/class/net/docker0/type", b"1\n");
    let mut sources = tree.open("network");
    assert_eq!(counted(&mut sources), ["eth0 1", "docker0 0"]);
    fs::rename(&nic, tree.0.path().join("kept")).unwrap();
    tree.put(NET, &rows(&[b"docker0"]));
    assert_eq!(counted(&mut sources), ["docker0 0"]);
    let [before, now] = [1.0, 2.0].map(|it| sources.read_all(Timestamp(it)));
    assert_eq!(signal("network_received_bytes_per_second", &before, &now), None);
    fs::rename(tree.0.path().join("kept"), &nic).unwrap();
    tree.put(NET, &rows(&[b"eth0", b"docker0"]));
    crate::sampler::until("return of the card", || {
        let counted = counted(&mut sources);
        assert!(counted.contains(&"docker0 0".to_owned()), "{counted:?}");
        counted.contains(&"eth0 1".to_owned()).then_some(())
    });
}

#[test]
fn tens_of_thousands_of_excluded_interfaces_are_read() {
    let veth = |it: u32| {
        let zeros = "          0".repeat(8);
        format!("veth{it:06x}: 500 5 0 0 0 0 0 0 600 6 0 0 0 0 0 0{zeros}\n")
    };
    let lines: String = (0..45_000).map(veth).collect();
    assert!(lines.len() > 4 << 20);
    let reading =
        Tree::with(&[(NET, &net(&(lines + "eth0: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n")))]).read("network");
    assert_eq!(values(&reading, "hostnorm_network_device_counted"), ["eth0 1"]);
    assert_eq!(result(&reading), (true, 0));
}

/// What a kernel does not have is no fault, and is counted.
#[test]
fn fields_that_a_file_lacks_are_counted() {
    let check = |file: &str, source: &str, without: &[&str], lacking: usize| {
        let text = fs::read_to_string(fixtures().join(file)).unwrap();
        let is_kept = |it: &&str| !without.iter().any(|start| it.starts_with(start));
        let tree = Tree::with(&[]);
        assert_eq!(result(&tree.read(source)), (true, 0), "{file}");
        let text: String = text.split_inclusive('\n').filter(is_kept).collect();
        tree.put(file, text.as_bytes());
        assert_eq!(result(&tree.read(source)), (true, lacking), "{file} without {without:?}");
    };
    check("proc/meminfo", "memory", &["MemAvailable:", "Cached:"], 2);
    check("proc/meminfo", "memory", &["MemTotal:"], 1);
    check("proc/vmstat", "memory", &["pswp"], 2);
    check("proc/stat", "stat", &["procs_blocked"], 1);
    check("proc/stat", "stat", &["cpu"], 1);
    check("proc/stat", "cpu", &["cpu0", "cpu1", "cpu2", "cpu3"], 1);
    check("proc/pressure/io", "pressure", &["full"], 1);
    check("proc/1/net/sockstat", "tcp", &["sockets:"], 1);
    for (file, source, from, to, lacking) in [
        ("proc/1/net/snmp", "tcp", "CurrEstab", "Another", 1),
        ("proc/1/net/netstat", "tcp", " ListenDrops", " Another", 1),
        ("proc/stat", "cpu", "cpu  ", "cpu  1 2 3 4\n", 4),
    ] {
        let tree = Tree::with(&[]);
        tree.change(file, from, to);
        assert_eq!(result(&tree.read(source)), (true, lacking), "{file} without {from:?}");
    }
}

#[test]
fn fields_that_a_file_of_a_group_lacks_are_counted() {
    let lacking = |file: &str, content: &str, absent: &[&str], count: usize| {
        check_group(&[(file, content)], absent, &[("tasks", "7")], count);
    };
    let lacked = ["oom_kills_total", "memory_high_events_total", "memory_max_events_total"];
    lacking("memory.events", "oom 3\n", &lacked, 3);
    lacking("memory.stat", "inactive_file 5\n", &["major_page_faults_total"], 1);
    lacking("cpu.stat", "nr_throttled 5\n", &["cpu_seconds_total", "cpu_periods_total"], 3);
    lacking("cpu.stat", "usage_usec 5\n", &["cpu_periods_total", "cpu_throttled_periods_total"], 3);
    lacking("io.stat", "8:0 wbytes=2 rios=1\n", &["disk_read_bytes_total"], 1);
    lacking("io.pressure", "some total=5\n", &["pressure_io_stalled_seconds_total"], 1);
    lacking("io.pressure", "some total=5\nfull total=x\n", &["pressure_io_stalled_seconds_total"], 1);
    // A group without a controller lacks nothing, and one without a limit is not throttled.
    let unlimited = [("cpu.max", "max 100000\n"), ("cpu.stat", "usage_usec 5000000\n")];
    check_group(&unlimited, &["cpu_periods_total"], &[("cpu_seconds_total", "5")], 0);
}

/// A source may have several files, of which this host lacks one.
#[test]
fn files_that_a_host_lacks_are_counted() {
    for (file, source) in [
        ("proc/vmstat", "memory"),
        ("proc/sys/fs/file-nr", "stat"),
        ("proc/1/net/netstat", "tcp"),
        ("proc/1/net/sockstat", "tcp"),
        ("proc/pressure/memory", "pressure"),
    ] {
        let tree = Tree::with(&[]);
        fs::remove_file(tree.0.path().join(file)).unwrap();
        assert_eq!(result(&tree.read(source)), (true, 1), "{file}");
    }
}

#[test]
fn connections_below_zero_are_missing() {
    let tree = Tree::with(&[]);
    let text = fs::read_to_string(fixtures().join("proc/1/net/snmp")).unwrap();
    let values_line = text.lines().filter(|it| it.starts_with("Tcp: ")).nth(1).unwrap();
    let names = text.lines().find(|it| it.starts_with("Tcp: ")).unwrap();
    let at = names.split(' ').position(|it| it == "CurrEstab").unwrap();
    for count in ["18446744073709540830", "-5", "4294967290"] {
        let mut fields: Vec<&str> = values_line.split(' ').collect();
        fields[at] = count;
        tree.put("proc/1/net/snmp", text.replace(values_line, &fields.join(" ")).as_bytes());
        let reading = tree.read("tcp");
        assert_eq!(values(&reading, "hostnorm_tcp_connections_established"), [""; 0], "{count}");
        assert_eq!(values(&reading, "hostnorm_tcp_segments_sent_total").len(), 1);
        assert_eq!(result(&reading), (true, 1));
    }
}

#[test]
fn more_free_swap_than_swap_is_missing() {
    let tree = Tree::with(&[(
        "proc/meminfo",
        b"MemTotal: 100 kB\nMemFree: 50 kB\nMemAvailable: 60 kB\nSwapTotal: 0 kB\nSwapFree: 7 kB\n",
    )]);
    for free in ["SwapFree: 7 kB", "SwapFree: 18446744073709346016 kB"] {
        tree.put(
            "proc/meminfo",
            format!("MemTotal: 100 kB\nMemFree: 50 kB\nMemAvailable: 60 kB\nSwapTotal: 0 kB\n{free}\n")
                .as_bytes(),
        );
        let reading = tree.read("memory");
        assert_eq!(values(&reading, "hostnorm_swap_free_bytes"), [""; 0]);
        assert_eq!(values(&reading, "hostnorm_swap_size_bytes"), ["0"]);
        assert_eq!(result(&reading), (true, 5), "four fields are missing");
    }
}

#[test]
fn more_available_memory_than_memory_is_missing() {
    let tree = Tree::with(&[("proc/meminfo", b"MemTotal: 100 kB\nMemFree: 50 kB\nMemAvailable: 160 kB\n")]);
    let reading = tree.read("memory");
    assert_eq!(values(&reading, "hostnorm_memory_available_bytes"), [""; 0]);
    assert_eq!(values(&reading, "hostnorm_memory_used_bytes"), [""; 0]);
    assert_eq!(values(&reading, "hostnorm_memory_free_bytes"), ["51200"]);
}

#[test]
fn available_memory_is_estimated_where_the_kernel_does_not_say() {
    let text = b"MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 10 kB\nCached: 300 kB\nShmem: 50 kB\n";
    let reading = Tree::with(&[("proc/meminfo", text)]).read("memory");
    assert_eq!(values(&reading, "hostnorm_memory_available_bytes"), [(360 * 1024).to_string()]);
    assert_eq!(values(&reading, "hostnorm_memory_used_bytes"), [(640 * 1024).to_string()]);
    assert_eq!(result(&reading), (true, 5), "four fields are missing");
}

#[test]
fn excluded_interfaces_do_not_displace_others() {
    let taps: String = (0..3000).map(|it| format!("tap{it:x}: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n")).collect();
    for lines in [
        format!("{taps}eno1: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"),
        format!("eno1: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n{taps}"),
    ] {
        let reading = Tree::with(&[(NET, &net(&lines))]).read("network");
        assert_eq!(values(&reading, "hostnorm_network_receive_bytes_total"), ["eno1 5"]);
        assert_eq!(values(&reading, "hostnorm_network_devices_omitted"), ["0"]);
    }
}

#[test]
fn names_that_are_no_text_are_shown_and_distinct() {
    let mut lines = net("eth0: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n");
    for byte in [0xff, 0xfe] {
        lines.extend([b"abc", &[byte][..], b"def: 2 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n"].concat());
    }
    let reading = Tree::with(&[(NET, &lines)]).read("network");
    let found = values(&reading, "hostnorm_network_receive_bytes_total");
    assert_eq!((found.len(), &*found[0]), (3, "eth0 3"));
    assert!(
        found[1..].iter().all(|it| it.starts_with("abc\u{FFFD}def~")) && found[1] != found[2],
        "{found:?}"
    );
    assert_eq!(result(&reading), (true, 0));
    // When the first is gone, the second does not take its name.
    let lines =
        net("").into_iter().chain(*b"abc\xfedef: 2 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n").collect::<Vec<u8>>();
    let reading = Tree::with(&[(NET, &lines)]).read("network");
    assert_eq!(values(&reading, "hostnorm_network_receive_bytes_total"), found[2..]);
}

/// Traffic of a device whose row is malformed in one reading is unknown, not 0, while another device is idle.
#[test]
fn a_part_that_is_missing_makes_the_sum_unknown() {
    let net = |bytes: Option<u64>| {
        let row = |name: &str, bytes: u64| format!("{name}: {bytes} 1 0 0 0 0 0 0 {bytes} 1 0 0 0 0 0 0\n");
        let odd = || "eth0: 447531902 27043 0\n".to_owned();
        net(&(bytes.map_or_else(odd, |it| row("eth0", it)) + &row("eth1", 5)))
    };
    let disk = |sectors: Option<u64>| {
        let row = |name: &str, sectors: u64| format!("8 0 {name} 1 0 {sectors} 5 0 0 0 5 0 0 0\n");
        let odd = || "8 0 sda 1 0 x\n".to_owned();
        (sectors.map_or_else(odd, |it| row("sda", it)) + &row("sdb", 7)).into_bytes()
    };
    let start = 1_000_000_000;
    let check = |file: &str, source: &str, name: &str, text: &dyn Fn(Option<u64>) -> Vec<u8>, unit: f64| {
        let tree = Tree::with(&[(file, &text(Some(start)))]);
        for it in ["eth0", "eth1"] {
            tree.put(&format!("sys/class/net/{it}/device/uevent"), b"");
        }
        let mut sources = tree.open(source);
        let (mut before, mut count) = (sources.read_all(Timestamp(0.0)), start);
        let mut next = |is_odd: bool| {
            count += 1_000_000;
            tree.put(file, &text(Some(count).filter(|_| !is_odd)));
            let now = sources.read_all(Timestamp((count - start) as f64 / 1e6));
            let rate = signal(name, &before, &now);
            before = now;
            rate
        };
        // What kind of device it is may be known later than its counters, and no rate is wrong meanwhile.
        let mut known = |what| {
            let rate = crate::sampler::until(what, || next(false));
            assert!((rate - 1e6 * unit).abs() < 1e-6, "{name}: {rate}");
        };
        known("the rate");
        known("the rate again");
        assert_eq!([next(true), next(false)], [None, None], "{name}");
        let rate = crate::sampler::until("the rate after the odd row", || next(false));
        assert!((rate - 1e6 * unit).abs() < 1e-6, "{name}: {rate}");
    };
    check(NET, "network", "network_received_bytes_per_second", &net, 1.0);
    check("proc/diskstats", "disk", "disk_read_bytes_per_second", &disk, 512.0);
}

#[test]
fn a_new_device_has_no_rate_yet() {
    let rows = |names: &[&str], bytes: u64| {
        let row = |it: &&str| format!("{it}: {bytes} 1 0 0 0 0 0 0 {bytes} 1 0 0 0 0 0 0\n");
        net(&names.iter().map(row).collect::<String>())
    };
    let tree = Tree::with(&[(NET, &rows(&["eth0"], 1000))]);
    let mut sources = tree.open("network");
    let mut received = |names: &[&str], bytes: u64, before: &Reading| {
        tree.put(NET, &rows(names, bytes));
        let now = sources.read_all(Timestamp(bytes as f64));
        (signal("network_received_bytes_per_second", before, &now), now)
    };
    let (_, first) = received(&["eth0"], 1000, &Reading::default());
    let (rate, mut now) = received(&["eth0", "eth7"], 1500, &first);
    assert_eq!(rate, None, "what eth7 received before is not known");
    let mut bytes = 1500;
    let rate = crate::sampler::until("the rate of both", || {
        bytes += 200;
        let (rate, next) = received(&["eth0", "eth7"], bytes, &now);
        now = next;
        rate
    });
    assert!((rate - 400.0).abs() < 1e-9, "{rate}");
}

/// What is shown beyond the maximum is what others are made of.
#[test]
fn hardware_is_shown_before_what_is_made_of_it() {
    let virtual_devices = (0..300).map(|it| format!("macvtap{it}"));
    let row = |it: String| format!("{it}: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n");
    let rows: String = virtual_devices.clone().chain(["eno1".to_owned()]).map(row).collect();
    let tree = Tree::with(&[(NET, &net(&rows)), ("sys/class/net/eno1/device/uevent", b"")]);
    virtual_devices.for_each(|it| tree.put(&format!("sys/class/net/{it}/type"), b"1\n"));
    let mut sources = tree.open("network");
    // Also if it appears later.
    tree.put(NET, &net(&rows[..rows.rfind("eno1").unwrap()]));
    assert_eq!(values(&sources.read_all(Timestamp(1.0)), "hostnorm_network_devices_omitted"), ["44"]);
    tree.put(NET, &net(&rows));
    for mut sources in [tree.open("network"), sources] {
        let counted = |reading: &Reading| {
            let counted = values(reading, "hostnorm_network_device_counted");
            counted.into_iter().filter(|it| it.ends_with(" 1")).collect::<Vec<String>>()
        };
        let reading = crate::sampler::until("the kind of eno1", || {
            Some(sources.read_all(Timestamp(2.0))).filter(|it| !counted(it).is_empty())
        });
        assert_eq!(counted(&reading), ["eno1 1"]);
        assert_eq!(values(&reading, "hostnorm_network_devices_omitted"), ["45"]);
        assert_eq!(result(&reading), (true, 45));
    }

    let line = |it: String| format!("8 0 {it} 10 0 100 5 20 0 200 5 0 10 10\n");
    let many = |name: &'static str, count: usize| (0..count).map(move |it| format!("{name}{it}"));
    let disks = ["sda".to_owned(), "dm-7000".to_owned()];
    for others in [many("loop", 4200), many("dm-", 300)] {
        let text: String = others.chain(disks.clone()).map(line).collect();
        let tree = Tree::with(&[("proc/diskstats", text.as_bytes())]);
        for name in (0..300).map(|it| format!("dm-{it}")).chain(["dm-7000".to_owned()]) {
            tree.put(&format!("sys/class/block/{name}/slaves/sda/size"), b"1\n");
        }
        tree.put("sys/class/block/sda/size", b"1\n");
        let counted = values(&tree.read("disk"), "hostnorm_disk_device_counted");
        let counted: Vec<&String> = counted.iter().filter(|it| it.ends_with(" 1")).collect();
        assert_eq!(counted, ["sda 1"]);
    }
}

/// With the default settings, no list is judged nowhere.
#[test]
fn a_list_without_disks_is_judged_by_its_lowest_devices() {
    let line = |it: &&str| format!("253 0 {it} 10 0 100 5 20 0 200 5 0 10 10\n");
    let check = |names: &[&str], members: &[&str], counted: &[&str]| {
        let text: String = names.iter().map(line).collect();
        let tree = Tree::with(&[("proc/diskstats", text.as_bytes())]);
        members.iter().for_each(|it| tree.put(&format!("sys/class/block/{it}/size"), b"1\n"));
        let reading = tree.read("disk");
        let found = values(&reading, "hostnorm_disk_device_counted");
        let found: Vec<&str> = found.iter().filter_map(|it| it.strip_suffix(" 1")).collect();
        assert_eq!((&*found, result(&reading)), (counted, (true, 0)));
    };
    check(&["dm-5"], &[], &["dm-5"]);
    check(&["md0", "zd16"], &[], &["md0", "zd16"]);
    check(&["zram0", "dm-0"], &["zram0", "dm-0/slaves/zram0"], &["dm-0"]);
    check(&["bcache0", "drbd0"], &["bcache0", "drbd0"], &["bcache0", "drbd0"]);
}

#[test]
fn odd_lines_cost_themselves() {
    let lines = "\0\0\0\0\0\0\neth0: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\neth1: 3 1\neth2: x\nno colon\n";
    let reading = Tree::with(&[(NET, &net(lines))]).read("network");
    assert_eq!(values(&reading, "hostnorm_network_receive_bytes_total"), ["eth0 3"]);
    assert_eq!(result(&reading), (true, 4));

    let stat = "\0\0\ncpu  1 2 3 4\ncpu  9 9 9 9\ncpu0 1 2 3 4\n\0\ncpu1 1 2 3 4\nctxt 5\nprocesses x\n";
    let tree = Tree::with(&[("proc/stat", stat.as_bytes())]);
    let reading = tree.read("cpu");
    let modes = ["user 0.01", "nice 0.02", "system 0.03", "idle 0.04"];
    assert_eq!(values(&reading, "hostnorm_cpu_seconds_total"), modes);
    assert_eq!(values(&reading, "hostnorm_cpus_online"), ["2"]);
    assert_eq!(result(&reading), (true, 5), "the second line, and four modes");
    let reading = tree.read("stat");
    assert_eq!(values(&reading, "hostnorm_context_switches_total"), ["5"]);
    assert_eq!(result(&reading), (true, 4), "a line, and three keys");
}

#[test]
fn a_disk_with_a_number_is_a_disk_unless_its_disk_is_listed() {
    let line = |name: &str| format!("202 1 {name} 10 0 100 5 20 0 200 5 0 10 10\n");
    for (names, shown) in [
        (&["xvda1", "xvda2"][..], &["xvda1", "xvda2"][..]),
        (&["sda", "sda1", "sdb1"], &["sda", "sdb1"]),
        (&["nvme0n1", "nvme0n1p1", "nvme1n1p1"], &["nvme0n1", "nvme1n1p1"]),
        (&["vda", "vda1", "loop0", "ram1", "zram0", "fd0"], &["vda"]),
    ] {
        let text: String = names.iter().map(|it| line(it)).collect();
        let reading = Tree::with(&[("proc/diskstats", text.as_bytes())]).read("disk");
        let expect: Vec<String> = shown.iter().map(|it| format!("{it} 1")).collect();
        assert_eq!(values(&reading, "hostnorm_disk_device_counted"), expect);
    }
}

#[cfg(unix)]
#[test]
fn a_mapped_disk_is_shown_and_its_members_are_counted() {
    use std::os::unix::fs::symlink;

    let line = |name: &str, reads: u32| format!("8 0 {name} {reads} 0 {} 5 0 0 0 5 0 0 0\n", reads * 8);
    let tree = Tree::with(&[]);
    let block = tree.0.path().join("sys/class/block");
    for name in ["nvme1n1", "nvme2n1", "dm-3"] {
        fs::create_dir_all(block.join(name).join("slaves")).unwrap();
    }
    symlink("../../nvme1n1", block.join("dm-3/slaves/nvme1n1")).unwrap();
    let list = |reads: u32| ["nvme1n1", "nvme2n1", "dm-3"].map(|it| line(it, reads)).concat();
    tree.put("proc/diskstats", list(10).as_bytes());
    let mut sources = tree.open("disk");
    let before = sources.read_all(Timestamp(1.0));
    tree.put("proc/diskstats", list(17).as_bytes());
    let now = sources.read_all(Timestamp(2.0));
    assert_eq!(values(&now, "hostnorm_disk_device_counted"), ["nvme1n1 1", "nvme2n1 1", "dm-3 0"]);
    assert_eq!(signal("disk_operations_per_second", &before, &now), Some(14.0));
}

#[test]
fn the_traffic_of_a_virtual_function_is_counted_once() {
    let lines = |bytes: u32| {
        ["eth0", "enP35596s1", "lxdbr0", "ppp0"]
            .map(|it| format!("{it}: {bytes} 1 0 0 0 0 0 0 {bytes} 1 0 0 0 0 0 0\n"))
            .concat()
    };
    let tree = Tree::with(&[(NET, &net(&lines(1000)))]);
    let mut sources = tree.open("network");
    let before = sources.read_all(Timestamp(1.0));
    tree.put(NET, &net(&lines(5000)));
    let now = sources.read_all(Timestamp(2.0));
    assert_eq!(signal("network_received_bytes_per_second", &before, &now), Some(4000.0));
}

#[test]
fn a_chip_keeps_its_labels_while_another_sleeps() {
    let tree = Tree::with(&[]);
    let awake = values(&tree.read("sensors"), "hostnorm_sensor_temperature_celsius");
    tree.put("sys/class/hwmon/hwmon1/temp1_input", b"");
    let asleep = values(&tree.read("sensors"), "hostnorm_sensor_temperature_celsius");
    let gone: Vec<&String> = awake.iter().filter(|it| !asleep.contains(it)).collect();
    assert_eq!(gone, ["nvme hwmon1 Composite 38.85"]);
    assert!(asleep.iter().all(|it| awake.contains(it)), "{asleep:?}");
}

#[test]
fn a_sleeping_only_sensor_is_no_failure_and_an_impossible_one_is_said() {
    let tree = Tree::with(&[]);
    fs::remove_dir_all(tree.0.path().join("sys/class/hwmon")).unwrap();
    tree.put("sys/class/hwmon/hwmon9/temp1_input", b"");
    let mut sources = tree.open("sensors");
    let reading = sources.read_all(Timestamp(1.0));
    assert_eq!((result(&reading), samples(&reading).count()), ((true, 0), 1));
    for celsius in ["-128000", "255000", "9999999999999999"] {
        tree.put("sys/class/hwmon/hwmon9/temp1_input", celsius.as_bytes());
        let reading = tree.read("sensors");
        assert_eq!((result(&reading), samples(&reading).count()), ((true, 1), 1), "{celsius}");
    }
}

/// A named pipe in place of a file, which no writer opens.
fn block(path: &Path) {
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_file_that_blocks_is_named_and_delays_nothing() {
    let tree = Tree::with(&[]);
    let input = tree.0.path().join("sys/class/hwmon/hwmon1/temp1_input");
    block(&input);
    let mut sources = tree.open("sensors");
    let first = sources.read_all(Timestamp(1.0));
    let celsius = |reading: &Reading| values(reading, "hostnorm_sensor_temperature_celsius").len();
    assert!(result(&first).0, "it is not late yet");
    let reading = crate::sampler::until("failure of the sensors", || {
        Some(sources.read_all(Timestamp(2.0))).filter(|it| !it.problems.is_empty() && celsius(it) > 2)
    });
    let problem = &reading.problems[0].what;
    assert!(problem.contains(input.to_str().unwrap()), "{problem}");
    assert!(problem.contains("no answer within 3 s"), "{problem}");
    // It answers late: its reader gets an empty text.
    drop(fs::OpenOptions::new().write(true).open(&input).unwrap());
    crate::sampler::until("success of the sensors", || {
        Some(sources.read_all(Timestamp(3.0))).filter(|it| it.problems.is_empty())
    });
}

#[test]
fn a_blocking_file_of_a_fault_is_named_and_the_temperature_is_shown() {
    let tree = Tree::with(&[]);
    let fault = tree.0.path().join("sys/class/hwmon/hwmon1/temp1_fault");
    block(&fault);
    let mut sources = tree.open("sensors");
    let reading = crate::sampler::until("failure of the sensors", || {
        Some(sources.read_all(Timestamp(2.0))).filter(|it| !it.problems.is_empty())
    });
    let problem = &reading.problems[0].what;
    assert!(problem.contains(fault.to_str().unwrap()), "{problem}");
    let celsius = values(&reading, "hostnorm_sensor_temperature_celsius");
    assert!(celsius.contains(&"nvme hwmon1 Composite 38.85".to_owned()), "{celsius:?}");
    drop(fs::OpenOptions::new().write(true).open(&fault).unwrap());
}

/// An odd line or field of a file costs itself: the others are shown, and the source succeeds.
#[test]
fn an_odd_line_of_a_small_file_costs_itself() {
    for (file, content, source, shown, omitted) in [
        ("proc/loadavg", "\0\0\n0.1 0.2 0.3 1/2 3\n", "load", ["load1 0.1", "load15 0.3"], 1),
        ("proc/loadavg", "0.1 -0.2 0.3 1/2 3\n", "load", ["load1 0.1", "load15 0.3"], 1),
        ("proc/loadavg", "0.1 nan 0.3 1/2 3\n", "load", ["load1 0.1", "load15 0.3"], 1),
        ("proc/sys/fs/file-nr", "1024\t0\n", "stat", ["file_handles_open 1024", "tasks_blocked 0"], 1),
        (
            "proc/sys/fs/file-nr",
            "\0\0\n1024\t0\t18446744073709551615\n",
            "stat",
            ["file_handles_open 1024", "tasks_blocked 0"],
            1,
        ),
        ("proc/uptime", "\0\0\n350800.5 1\n", "context", ["host_uptime_seconds 350800.5", ""], 1),
        ("proc/uptime", "-5.00 1\n", "context", ["package_lock_held 0", ""], 1),
        (
            "proc/vmstat",
            "pgfault 100\npgmajfault 500000\npswpin 1\npswpout 1\noom_kill 0\n",
            "memory",
            ["major_page_faults_total 500000", "page_faults_total 100"],
            0,
        ),
    ] {
        let tree = Tree::with(&[(file, content.as_bytes())]);
        let reading = tree.read(source);
        for (name, value) in shown.iter().filter_map(|it| it.split_once(' ')) {
            let found = values(&reading, &format!("hostnorm_{name}"));
            let found: Vec<&str> = found.iter().filter_map(|it| it.rsplit(' ').next()).collect();
            assert!(found.contains(&value), "{file} {content:?}: {name} {found:?}");
        }
        assert_eq!(result(&reading), (true, omitted), "{file} {content:?}");
    }
}

#[test]
fn the_speed_of_a_link_may_block() {
    let tree = Tree::with(&[(NET, &net("eth0: 3 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n"))]);
    let device = tree.0.path().join("sys/class/net/eth0");
    fs::create_dir_all(device.join("device")).unwrap();
    block(&device.join("speed"));
    let mut sources = tree.open("network");
    let reading = crate::sampler::until("note of the speed", || {
        Some(sources.read_all(Timestamp(2.0))).filter(|it| result(it) == (true, 1))
    });
    assert_eq!(values(&reading, "hostnorm_network_receive_bytes_total"), ["eth0 3"]);
    assert_eq!(values(&reading, "hostnorm_network_device_counted"), ["eth0 1"]);
    drop(fs::OpenOptions::new().write(true).open(device.join("speed")).unwrap());
}

#[test]
fn a_pipe_in_procfs_fails_at_once() {
    let tree = Tree::with(&[]);
    for (file, source) in
        [("proc/stat", "cpu"), ("proc/pressure/io", "pressure"), ("proc/1/mountinfo", "filesystem")]
    {
        block(&tree.0.path().join(file));
        let reading = tree.read(source);
        assert!(reading.problems[0].what.contains(file), "{:?}", reading.problems);
    }
}

#[test]
fn a_missing_pressure_file_is_said() {
    let tree = Tree::with(&[]);
    fs::remove_file(tree.0.path().join("proc/pressure/memory")).unwrap();
    let reading = tree.read("pressure");
    assert_eq!(result(&reading), (true, 1));
    tree.change("proc/pressure/io", "some", "half");
    assert_eq!(tree.read("pressure").problems.len(), 1);
}

#[test]
fn another_unit_of_memory_is_an_odd_line() {
    let captured = fs::read_to_string(fixtures().join("proc/meminfo")).unwrap();
    let metrics = [("MemTotal", "size"), ("MemFree", "free"), ("Cached", "cached"), ("Dirty", "dirty")];
    for (line, name) in metrics {
        for unit in ["GB", "MB", "B", "KB", "kB kB", ""] {
            let change = |it: &str| match it.strip_suffix(" kB") {
                Some(number) if it.starts_with(&format!("{line}:")) => format!("{number} {unit}\n"),
                _ => format!("{it}\n"),
            };
            let tree = Tree::with(&[]);
            tree.put("proc/meminfo", captured.lines().map(change).collect::<String>().as_bytes());
            let reading = tree.read("memory");
            let found = values(&reading, &format!("hostnorm_memory_{name}_bytes"));
            if unit == "kB kB" {
                assert_eq!((found.len(), result(&reading)), (1, (true, 0)), "what follows the unit");
                continue;
            }
            assert_eq!((found.len(), result(&reading)), (0, (true, 1)), "{line} in {unit}");
            assert_eq!(values(&reading, "hostnorm_swap_size_bytes").len(), 1);
        }
    }
}

#[test]
fn more_unused_file_handles_than_handles_are_impossible() {
    let tree = Tree::with(&[("proc/sys/fs/file-nr", b"477 500 2466170\n")]);
    let reading = tree.read("stat");
    assert_eq!(values(&reading, "hostnorm_file_handles_open"), [""; 0]);
    assert_eq!(values(&reading, "hostnorm_file_handles_limit"), ["2466170"]);
    assert_eq!(result(&reading), (true, 1));
}

const GROUP: &str = "sys/fs/cgroup/system.slice/ssh.service";

/// The values of metrics of groups, each with the number of values that are not shown.
fn check_group(files: &[(&str, &str)], absent: &[&str], present: &[(&str, &str)], omitted: usize) {
    let tree = Tree::with(&[]);
    files.iter().for_each(|(file, content)| tree.put(&format!("{GROUP}/{file}"), content.as_bytes()));
    let mut sources = tree.open("cgroup");
    // What is wrong is counted at each reading, not only at the group's turn.
    for at in 0..7 {
        let reading = sources.read_all(Timestamp(f64::from(at)));
        for name in absent {
            assert_eq!(values(&reading, &format!("hostnorm_cgroup_{name}")), [""; 0], "{files:?} at {at}");
        }
        for (name, value) in present {
            assert_eq!(values(&reading, &format!("hostnorm_cgroup_{name}")), [*value], "{files:?} at {at}");
        }
        assert_eq!(result(&reading), (true, omitted), "{files:?} at {at}");
    }
}

#[test]
fn impossible_values_of_a_group_are_missing() {
    check_group(
        &[("cpu.stat", "usage_usec 5000000\nnr_periods 21\nnr_throttled 149\nthrottled_usec 9\n")],
        &["cpu_throttled_periods_total"],
        &[("cpu_periods_total", "21"), ("cpu_seconds_total", "5")],
        1,
    );
    check_group(
        &[("memory.current", "5000\n"), ("memory.stat", "inactive_file 9000\npgmajfault 3\n")],
        &["memory_working_set_bytes"],
        &[("memory_usage_bytes", "5000"), ("major_page_faults_total", "3")],
        1,
    );
}

#[test]
fn page_cache_that_a_group_drops_is_not_impossible() {
    let tree = Tree::with(&[]);
    let mut sources = tree.open("cgroup");
    for at in 0..20 {
        let cache = if at % 2 == 0 { 400_000 } else { 100 };
        tree.put(&format!("{GROUP}/memory.current"), format!("{}\n", 500 + cache).as_bytes());
        tree.put(
            &format!("{GROUP}/memory.stat"),
            format!("inactive_file {cache}\npgmajfault 3\n").as_bytes(),
        );
        let reading = sources.read_all(Timestamp(f64::from(at)));
        assert_eq!(values(&reading, "hostnorm_cgroup_memory_working_set_bytes").len(), 1, "at {at}");
        assert_eq!(result(&reading), (true, 0));
    }
}

#[test]
fn odd_lines_and_files_of_a_group_cost_themselves_and_are_counted() {
    let odd = "8:0 rbytes=1 wbytes=2\n(unknown) rbytes=3 wbytes=3\n8:32 rbytes=5 wbytes=6\n";
    let bytes = [("disk_read_bytes_total", "6"), ("disk_written_bytes_total", "8")];
    check_group(&[("io.stat", odd)], &[], &bytes, 1);
    check_group(
        &[("cpu.stat", "usage_usec x\n\0\0\nnr_periods 9\nnr_throttled\n")],
        &["cpu_seconds_total", "cpu_throttled_periods_total"],
        &[("cpu_periods_total", "9")],
        3,
    );
    // Each malformed file counts.
    check_group(
        &[("io.stat", odd), ("pids.current", "x\n"), ("memory.events", "\n"), ("memory.max", "-5\n")],
        &["tasks", "oom_kills_total", "memory_limit_bytes"],
        &bytes,
        4,
    );
}

#[test]
fn groups_whose_names_are_no_text_or_long_are_shown_and_distinct() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let tree = Tree::with(&[]);
    let slice = tree.0.path().join("sys/fs/cgroup/system.slice");
    let long = |end: &str| format!("{}{end}.service", "x".repeat(200)).into_bytes();
    for name in [b"b\xff.service".to_vec(), b"b\xfe.service".to_vec(), long("1"), long("2")] {
        let group = slice.join(OsStr::from_bytes(&name));
        fs::create_dir(&group).unwrap();
        fs::write(group.join("memory.current"), "5\n").unwrap();
    }
    let reading = tree.read("cgroup");
    let mut names: Vec<&str> = reading.subjects.keys().map(|it| it.name()).collect();
    names.retain(|it| it.contains('~'));
    names.sort_unstable();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names[..2].iter().all(|it| it.starts_with("b\u{FFFD}.service~")), "{names:?}");
    assert!(names[2..].iter().all(|it| it.starts_with("xxx") && it.len() <= 128), "{names:?}");
    assert!(names[0] != names[1] && names[2] != names[3], "{names:?}");
}
