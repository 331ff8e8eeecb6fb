//! Control groups of hosts with each runtime, in versions 1, 2 and hybrid: which are subjects, by which names, with which
//! values.
//!
//! The paths follow the runtimes' sources and documentation; the files of a group are partly captured, as
//! `tests/cgroups/README.md` says.

use crate::captured_tree::copy;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hostnorm::reading::{Reading, Subject, SubjectKind, Timestamp};
use hostnorm::signal::ReadingPair;
use hostnorm::sources::{self, BlockingReads, CgroupSettings, RootPaths, SourceSettings, Sources};
use proptest::prelude::*;
use tempfile::TempDir;

pub(crate) const UID: &str = "1b2c3d4e-0000-4000-8000-123456789abc";

/// The ID of a container that starts with this number.
pub(crate) fn id(number: usize) -> String {
    format!("{number:064x}")
}

/// Version of the control groups of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
    Hybrid,
}

/// A host with control groups.
pub(crate) struct CgroupHost {
    tree: TempDir,
    version: Version,
}

impl CgroupHost {
    pub(crate) fn new(version: Version) -> Self {
        let tree = tempfile::tempdir().unwrap();
        let it = Self { tree, version };
        fs::create_dir_all(it.path("sys/dev/block/253:0/dm")).unwrap();
        match version {
            Version::V1 => {}
            Version::V2 => it.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n"),
            Version::Hybrid => it.write("sys/fs/cgroup/unified/cgroup.controllers", "\n"),
        }
        if version != Version::V2 {
            for controller in ["cpu", "cpuacct", "memory", "blkio", "pids"] {
                fs::create_dir_all(it.path("sys/fs/cgroup").join(controller)).unwrap();
            }
        }
        it
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.tree.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The directories of a group with the files of each.
    fn directories(&self, group: &str) -> Vec<(PathBuf, PathBuf)> {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cgroups");
        let root = self.path("sys/fs/cgroup");
        let v1 = ["cpu", "cpuacct", "memory", "blkio", "pids"]
            .map(|it| (files.join("v1").join(it), root.join(it).join(group)));
        match self.version {
            Version::V1 => v1.to_vec(),
            Version::V2 => vec![(files.join("v2"), root.join(group))],
            Version::Hybrid => {
                v1.into_iter().chain([(files.join("v2"), root.join("unified").join(group))]).collect()
            }
        }
    }

    /// The files of a group, in all hierarchies.
    pub(crate) fn files(&self, group: &str) -> Vec<PathBuf> {
        let directories = self.directories(group).into_iter();
        directories
            .flat_map(|(_, directory)| fs::read_dir(directory).unwrap())
            .map(|it| it.unwrap().path())
            .collect()
    }

    pub(crate) fn add(&self, group: &str) {
        for (files, directory) in self.directories(group) {
            copy(&files, &directory);
            // Without controllers, version 2 has these files only.
            if self.version == Version::Hybrid && directory.starts_with(self.path("sys/fs/cgroup/unified")) {
                for file in [
                    "cpu.max",
                    "memory.current",
                    "memory.stat",
                    "memory.max",
                    "memory.events",
                    "io.stat",
                    "pids.current",
                ] {
                    fs::remove_file(directory.join(file)).unwrap();
                }
            }
        }
    }

    pub(crate) fn remove(&self, group: &str) {
        for (_, directory) in self.directories(group) {
            fs::remove_dir_all(directory).unwrap();
        }
    }

    /// A pod with one container and a sandbox, as the kubelet and containerd name them.
    pub(crate) fn add_pod(&self, namespace: &str, pod: &str, uid: &str, number: usize) -> String {
        self.write(&format!("var/log/pods/{namespace}_{pod}_{uid}/app/0.log"), "");
        self.write(&format!("var/log/containers/{pod}_{namespace}_app-{}.log", id(number)), "");
        let slice = format!("kubepods-burstable-pod{}.slice", uid.replace('-', "_"));
        let slice = format!("kubepods.slice/kubepods-burstable.slice/{slice}");
        self.add(&slice);
        self.add(&format!("{slice}/cri-containerd-{}.scope", id(number)));
        self.add(&format!("{slice}/cri-containerd-{}.scope", id(number + 1_000_000)));
        slice
    }

    pub(crate) fn open(&self, cgroup: CgroupSettings) -> Sources {
        self.open_with_window(cgroup, 0)
    }

    pub(crate) fn open_with_window(&self, cgroup: CgroupSettings, window: usize) -> Sources {
        let blocking = BlockingReads::with_patience(crate::sources::PATIENCE);
        let settings =
            SourceSettings { roots: self.roots(), cgroup, window, blocking, ..SourceSettings::default() };
        Sources::open(&settings, |it| it == "cgroup")
    }

    fn roots(&self) -> RootPaths {
        let root = self.tree.path();
        RootPaths {
            procfs: root.join("proc"),
            sysfs: root.join("sys"),
            rootfs: root.into(),
            ..RootPaths::default()
        }
    }

    fn read(&self) -> Reading {
        let reading = self.open(CgroupSettings::default()).read_all(Timestamp(0.0));
        assert_eq!(reading.problems, []);
        reading
    }
}

/// Kind and name of each subject but the host.
pub(crate) fn subjects(reading: &Reading) -> Vec<String> {
    let others = reading.subjects.keys().filter(|it| **it != Subject::Host);
    others.map(|it| format!("{}/{}", it.kind().name(), it.name())).collect()
}

pub(crate) fn value(reading: &Reading, subject: &Subject, metric: &str) -> Option<f64> {
    reading.subjects.get(subject)?.iter().find(|it| it.metric.name == metric).map(|it| it.value)
}

fn check(version: Version, groups: &[&str], expect: &[&str]) {
    let host = CgroupHost::new(version);
    for group in groups {
        host.add(&group.replace("UID", &UID.replace('-', "_")).replace("ID", &id(0xabc)));
    }
    assert_eq!(subjects(&host.read()), expect, "{version:?} {groups:?}");
}

#[test]
fn each_runtime_on_each_version() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let short = "container/000000000000";
        // docker, with the drivers systemd and cgroupfs.
        check(version, &["system.slice/docker-ID.scope"], &[short]);
        check(version, &["docker/ID", "docker"], &[short]);
        // podman: of root, and of a user.
        check(
            version,
            &[
                "machine.slice/libpod-ID.scope",
                "machine.slice/libpod-ID.scope/container",
                "machine.slice/libpod-conmon-ID.scope",
            ],
            &[short],
        );
        check(
            version,
            &["user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope"],
            &[short],
        );
        let quadlet = "app.slice/web.service/libpod-payload-ID";
        check(version, &[&format!("user.slice/user-1000.slice/user@1000.service/{quadlet}")], &[short]);
        check(version, &["system.slice/web.service/libpod-payload-ID"], &["service/web.service"]);
        // Kubernetes without readable names: containerd and CRI-O.
        let pod = format!("pod/{UID}");
        let container = format!("container/{UID}/000000000000");
        let slice = "kubepods.slice/kubepods-podUID.slice";
        check(version, &[slice, &format!("{slice}/cri-containerd-ID.scope")], &[&container, &pod]);
        check(version, &[slice, &format!("{slice}/crio-ID.scope")], &[&container, &pod]);
        check(
            version,
            &["lxc.payload.db-1", "lxc.payload.db-1/system.slice/ssh.service", "lxc.monitor.db-1"],
            &["container/db-1"],
        );
        check(version, &["lxc/104", "lxc/104/ns"], &["container/104"]);
        check(
            version,
            &["machine.slice/machine-web\\x2d1.scope", "machine.slice/machine-web\\x2d1.scope/payload"],
            &["container/web-1"],
        );
        check(version, &["machine.slice/machine-qemu\\x2d3\\x2ddb.scope/libvirt"], &["container/db"]);
        let task = "1b2c3d4e-0000-4000-8000-123456789abc.api";
        check(version, &[&format!("nomad/{task}")], &["container/api"]);
        check(version, &[&format!("nomad.slice/share.slice/{task}.scope")], &["container/api"]);
        check(version, &["ecs/0123456789abcdef/ID"], &[short]);
        check(version, &["ecstasks.slice/ecstasks-0123456789abcdef.slice/docker-ID.scope"], &[short]);
        check(
            version,
            &[
                "system.slice/ssh.service",
                "system.slice/system-getty.slice/getty@tty1.service",
                "user.slice/user-1000.slice/session-3.scope",
                "user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service",
                "init.scope",
                "system.slice/run-u7.service",
            ],
            &["service/getty@tty1.service", "service/ssh.service"],
        );
    }
}

#[test]
fn values_of_each_version() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let host = CgroupHost::new(version);
        host.add("system.slice/ssh.service");
        let reading = host.read();
        let subject = Subject::Service("ssh.service".into());
        let check = |metric: &str, expect: Option<f64>| {
            let found = value(&reading, &subject, &format!("hostnorm_cgroup_{metric}"));
            let close = found.zip(expect).is_some_and(|(one, other)| (one - other).abs() < 1e-5);
            assert!(close || found == expect, "{version:?} {metric}: {found:?}");
        };
        check("cpu_seconds_total", Some(1.537_406));
        check("cpu_periods_total", Some(33.0));
        check("cpu_throttled_periods_total", Some(30.0));
        check("cpu_throttled_seconds_total", Some(0.885_878));
        check("cpu_limit_cores", Some(0.5));
        check("memory_usage_bytes", Some(532_480.0));
        check("memory_working_set_bytes", Some(528_384.0));
        check("memory_limit_bytes", Some(268_435_456.0));
        check("major_page_faults_total", Some(1.0));
        check("oom_kills_total", Some(if version == Version::V2 { 1.0 } else { 0.0 }));
        for (event, count) in [("high", 0.0), ("max", 5.0), ("oom", 1.0)] {
            check(&format!("memory_{event}_events_total"), (version == Version::V2).then_some(count));
        }
        // The mapped device 253:0 does not count twice.
        check("disk_read_bytes_total", Some(20_971_520.0));
        check("disk_written_bytes_total", Some(41_943_040.0));
        check("tasks", Some(if version == Version::V2 { 7.0 } else { 1.0 }));
        let pressure = (version != Version::V1).then_some(1.518_614);
        check("pressure_cpu_waiting_seconds_total", pressure);
        check("pressure_io_waiting_seconds_total", pressure.map(|_| 0.030_516));
    }
}

#[test]
fn the_control_groups_may_be_mounted_elsewhere() {
    let host = CgroupHost::new(Version::V2);
    host.add("system.slice/ssh.service");
    fs::rename(host.path("sys/fs/cgroup"), host.path("groups")).unwrap();
    assert_eq!(subjects(&host.open(CgroupSettings::default()).read_all(Timestamp(0.0))), [""; 0]);
    let roots = RootPaths { cgroupfs: host.path("groups"), ..host.roots() };
    let settings = SourceSettings { roots, ..SourceSettings::default() };
    let reading = Sources::open(&settings, |it| it == "cgroup").read_all(Timestamp(0.0));
    assert_eq!(subjects(&reading), ["service/ssh.service"]);
}

#[test]
fn pods_and_containers_have_the_names_of_their_workloads() {
    let host = CgroupHost::new(Version::V2);
    host.add_pod("shop", "checkout-5dd5756b68-x7k2p", UID, 1);
    host.add_pod("shop", "db-0", &UID.replace("1b2c", "2b2c"), 2);
    assert_eq!(
        subjects(&host.read()),
        ["container/shop/checkout/app", "container/shop/db-0/app", "pod/shop/checkout", "pod/shop/db-0"]
    );
}

#[test]
fn containers_have_the_names_that_docker_and_podman_know() {
    let host = CgroupHost::new(Version::V2);
    for (number, name, image) in [(1, "/web", "nginx:1"), (2, "/quirky_turing", "docker.io/library/redis:8")]
    {
        host.add(&format!("system.slice/docker-{}.scope", id(number)));
        let config = format!(
            r#"{{"Name":"{name}","Args":["--key=sesame"],"Config":{{"Image":"{image}","Env":["PASSWORD=sesame"],"Cmd":["sesame"]}}}}"#
        );
        host.write(&format!("var/lib/docker/containers/{}/config.v2.json", id(number)), &config);
    }
    host.add(&format!("machine.slice/libpod-{}.scope", id(3)));
    let config = format!(r#"[{{"id":"{}","names":["mail"],"metadata":"{{}}"}}]"#, id(3));
    host.write("var/lib/containers/storage/overlay-containers/containers.json", &config);
    let reading = host.read();
    assert_eq!(subjects(&reading), ["container/mail", "container/redis", "container/web"]);
    assert!(!format!("{reading:?}").contains("sesame"), "an argument or variable was read");
}

#[test]
fn a_replaced_pod_is_the_same_subject() {
    let host = CgroupHost::new(Version::V2);
    let mut sources = host.open(CgroupSettings::default());
    let old = host.add_pod("shop", "web-5dd5756b68-x7k2p", UID, 1);
    let names = ["container/shop/web/app", "pod/shop/web"];
    assert_eq!(subjects(&sources.read_all(Timestamp(0.0))), names);
    // A rolling update: both run for a while.
    host.add_pod("shop", "web-5dd5756b69-b4c5d", &UID.replace("1b2c", "2b2c"), 2);
    let both = [names[0], "container/shop/web/app#2", names[1], "pod/shop/web#2"];
    assert_eq!(subjects(&sources.read_all(Timestamp(10.0))), both);
    host.remove(&old);
    // A reading without counters, so that no rate is taken from those of two groups.
    let pod = Subject::Pod("shop/web".into());
    for (seconds, has_counters) in [(15.0, false), (16.0, true)] {
        let reading = sources.read_all(Timestamp(seconds));
        assert_eq!(subjects(&reading), names);
        assert_eq!(value(&reading, &pod, "hostnorm_cgroup_cpu_seconds_total").is_some(), has_counters);
        assert!(value(&reading, &pod, "hostnorm_cgroup_tasks").is_some());
        // The new pod ran beside the old one: that is no restart.
        assert_eq!(value(&reading, &pod, "hostnorm_cgroup_restarts_total"), Some(0.0));
    }
}

#[test]
fn patterns_and_the_maximum_leave_out_groups() {
    let host = CgroupHost::new(Version::V2);
    for number in 0..30 {
        host.add(&format!("system.slice/worker-{number:02}.service"));
        host.add(&format!("lxc.payload.box-{number:02}"));
    }
    let count = |settings: CgroupSettings| {
        let reading = host.open(settings).read_all(Timestamp(0.0));
        let of = |kind: &str| subjects(&reading).iter().filter(|it| it.starts_with(kind)).count();
        let dropped = value(&reading, &Subject::Host, "hostnorm_cgroups_omitted");
        (of("container"), of("service"), dropped.unwrap())
    };
    let settings = |text: &str| -> CgroupSettings { yaml_serde::from_str(text).unwrap() };
    assert_eq!(count(settings("{}")), (30, 30, 0.0));
    assert_eq!(count(settings("exclude: ^service/")), (30, 0, 0.0));
    assert_eq!(count(settings("include: box-1")), (10, 0, 0.0));
    // Containers come before services.
    assert_eq!(count(settings("subjects_max: 40")), (30, 10, 20.0));
    assert_eq!(count(settings("subjects_max: 0")), (0, 0, 60.0));
    assert!(yaml_serde::from_str::<CgroupSettings>("include: '('").is_err());
}

#[test]
fn odd_trees_are_survived() {
    let host = CgroupHost::new(Version::V2);
    let root = host.path("sys/fs/cgroup");
    host.add("lxc/a\nb \u{1F980}");
    host.add(&format!("lxc/{}", "x".repeat(200)));
    host.add(&(0..40).map(|it| format!("deep-{it}")).collect::<Vec<_>>().join("/"));
    fs::create_dir_all(root.join(std::ffi::OsStr::from_bytes(b"lxc/\xff\xfe"))).unwrap();
    std::os::unix::fs::symlink(&root, root.join("loop")).unwrap();
    host.add("lxc/huge");
    host.write("sys/fs/cgroup/lxc/huge/memory.current", "18446744073709551615\n");
    host.write("sys/fs/cgroup/lxc/huge/memory.max", "18446744073709551615\n");
    let reading = host.read();
    // Names that are cut or not UTF-8 stay distinct by their hash.
    let long = format!("container/{}~6ee14c8caecd", "x".repeat(107));
    let replaced = "container/\u{fffd}\u{fffd}~0a99c807b6f6";
    assert_eq!(subjects(&reading), ["container/a_b \u{1F980}", "container/huge", &long, replaced]);
    // A group that vanished is no problem, and its values do not stay.
    let mut sources = host.open(CgroupSettings::default());
    sources.read_all(Timestamp(0.0));
    host.remove("lxc/huge");
    let huge = Subject::Container("huge".into());
    for (seconds, count) in [(1.0, 4), (15.5, 4), (16.0, 3)] {
        let reading = sources.read_all(Timestamp(seconds));
        assert_eq!((reading.problems.len(), subjects(&reading).len()), (0, count), "at {seconds}");
        assert_eq!(value(&reading, &huge, "hostnorm_cgroup_tasks"), None);
    }
    // Nor is a hierarchy that was unmounted.
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(subjects(&sources.read_all(Timestamp(22.0))), Vec::<String>::new());
}

#[test]
fn more_directories_than_a_search_lists_are_counted() {
    let host = CgroupHost::new(Version::V2);
    for number in 0..4_200 {
        fs::create_dir(host.path("sys/fs/cgroup").join(format!("{number}.slice"))).unwrap();
    }
    let reading = host.open(CgroupSettings::default()).read_all(Timestamp(0.0));
    let dropped = value(&reading, &Subject::Host, "hostnorm_cgroups_omitted").unwrap();
    assert!((100.0..200.0).contains(&dropped), "{dropped}");
}

/// Measured on Linux 6.18 with a group limited to a fifth of a CPU: the pressure of the host and of the root group are the
/// same number, and rise by 0.4 to 0.6 on two CPUs.
#[test]
fn a_throttled_group_is_no_pressure_of_the_host() {
    let host = CgroupHost::new(Version::V2);
    host.add("lxc.payload.limited");
    let root = host.path("");
    let roots = RootPaths { procfs: root.join("proc"), sysfs: root.join("sys"), ..RootPaths::default() };
    let on = |it: &str| ["cgroup", "pressure"].contains(&it);
    let mut sources = Sources::open(&SourceSettings { roots, ..SourceSettings::default() }, on);
    let mut at = |seconds: f64, waited: f64, throttled: f64| {
        let pressure = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={:.0}\n", waited * 1e6);
        host.write("proc/pressure/cpu", &pressure);
        let stat =
            format!("usage_usec 1\nnr_periods 1\nnr_throttled 1\nthrottled_usec {:.0}\n", throttled * 1e6);
        host.write("sys/fs/cgroup/lxc.payload.limited/cpu.stat", &stat);
        sources.read_all(Timestamp(seconds)).subjects.remove(&Subject::Host).unwrap()
    };
    let ratio = sources::signal("pressure_cpu_ratio").unwrap();
    let before = at(0.0, 10.0, 5.0);
    let throttled = at(1.0, 10.5, 5.8);
    let busy = at(2.0, 11.3, 5.9);
    let of = |before, now| (ratio.formula)(&ReadingPair::new(before, now, 1.0).unwrap()).unwrap();
    assert_eq!(of(&before, &throttled), 0.0);
    assert!((of(&throttled, &busy) - 0.7).abs() < 1e-9);
}

/// Groups beyond 40 are read in turn: what they gained over several readings is not the throttled time of one of them.
#[test]
fn a_throttled_group_among_many_is_no_pressure_of_the_host() {
    let ratio = sources::signal("pressure_cpu_ratio").unwrap();
    for groups in [1, 45] {
        let host = CgroupHost::new(Version::V2);
        (0..groups).for_each(|number| host.add(&format!("lxc.payload.g{number:02}")));
        let root = host.path("");
        let roots = RootPaths { procfs: root.join("proc"), sysfs: root.join("sys"), ..RootPaths::default() };
        let on = |it: &str| ["cgroup", "pressure"].contains(&it);
        let mut sources = Sources::open(&SourceSettings { roots, ..SourceSettings::default() }, on);
        let mut at = |seconds: u32| {
            let micros = seconds * 800_000;
            host.write("proc/pressure/cpu", &format!("some avg10=0.00 total={micros}\n"));
            let stat = format!("usage_usec 1\nnr_periods 1\nnr_throttled 1\nthrottled_usec {micros}\n");
            host.write("sys/fs/cgroup/lxc.payload.g00/cpu.stat", &stat);
            sources.read_all(Timestamp(seconds.into())).subjects.remove(&Subject::Host).unwrap()
        };
        let readings: Vec<_> = (0..41).map(&mut at).collect();
        let ratios = readings
            .windows(2)
            .map(|it| (ratio.formula)(&ReadingPair::new(&it[0], &it[1], 1.0).unwrap()).unwrap());
        // Until a group was read twice, nothing is known of its limit.
        let window: Vec<f64> = ratios.skip(10).collect();
        assert!(window.iter().all(|it| *it < 1e-6), "{groups} groups: {window:?}");
    }
}

/// The signal is that of the group, no matter how many groups there are.
#[test]
fn a_group_among_many_is_throttled_as_much_as_one_alone() {
    let signal = sources::signal("cgroup_cpu_throttled_ratio").unwrap();
    for groups in [1, 45] {
        let host = CgroupHost::new(Version::V2);
        (0..groups).for_each(|number| host.add(&format!("lxc.payload.g{number:02}")));
        let mut sources = host.open_with_window(CgroupSettings::default(), 30);
        let mut at = |seconds: u32| {
            let stat = format!("nr_periods {}\nnr_throttled {}\n", 10 * seconds, 6 * seconds);
            host.write("sys/fs/cgroup/lxc.payload.g00/cpu.stat", &stat);
            let subject = Subject::Container("g00".into());
            sources.read_all(Timestamp(seconds.into())).subjects.remove(&subject).unwrap()
        };
        let readings: Vec<_> = (0..12).map(&mut at).collect();
        for pair in readings.windows(2).skip(6) {
            let ratio = (signal.formula)(&ReadingPair::new(&pair[0], &pair[1], 1.0).unwrap());
            assert_eq!(ratio, Some(0.6), "{groups} groups");
        }
    }
}

#[test]
fn each_kind_has_the_same_signals() {
    let of = |kind| sources::signals(|it| it == "cgroup").filter(move |it| it.kind == kind).map(|it| it.name);
    let containers: Vec<_> = of(SubjectKind::Container).collect();
    assert!((8..=14).contains(&containers.len()), "{containers:?}");
    assert!(of(SubjectKind::Pod).eq(containers.iter().copied()));
    assert!(of(SubjectKind::Service).eq(containers.iter().copied()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_content_of_a_file_affects_another_group(
        file in prop::sample::select(vec![
            "cpu.stat", "cpu.max", "memory.current", "memory.stat", "memory.max", "memory.events", "io.stat",
            "pids.current", "cpu.pressure", "memory.pressure", "io.pressure",
        ]),
        content in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let host = CgroupHost::new(Version::V2);
        host.add("lxc/sound");
        host.add("lxc/bad");
        let sound = Subject::Container("sound".into());
        let expect = host.read().subjects.remove(&sound);
        fs::write(host.path("sys/fs/cgroup/lxc/bad").join(file), content).unwrap();
        let mut reading = host.open(CgroupSettings::default()).read_all(Timestamp(0.0));
        prop_assert_eq!(reading.subjects.remove(&sound), expect);
        prop_assert!(reading.problems.iter().all(|it| it.what.contains(file)));
    }
}
