//! Traffic, age, restarts and names of control groups, which come from processes, directories and homes of users.

use crate::cgroup::{CgroupHost, UID, Version, id, subjects, value};

use std::fs;
use std::os::unix::fs::symlink;

use hostnorm::reading::{Reading, Subject, Timestamp};
use hostnorm::sources::CgroupSettings;

const RECEIVED: &str = "hostnorm_cgroup_network_receive_bytes_total";
const SENT: &str = "hostnorm_cgroup_network_transmit_bytes_total";
const STARTED: &str = "hostnorm_cgroup_start_time_seconds";
const RESTARTS: &str = "hostnorm_cgroup_restarts_total";

/// A process with this network: the number of its namespace, if it is readable, and its devices.
fn add_process(host: &CgroupHost, number: usize, namespace: Option<usize>, devices: &[(&str, u64)]) {
    let process = format!("proc/{number}");
    let dev: String = devices
        .iter()
        .map(|(name, bytes)| format!("{name}: {bytes} 1 0 0 0 0 0 0 {} 1 0 0 0 0 0 0\n", 2 * bytes))
        .collect();
    host.write(&format!("{process}/net/dev"), &format!("Inter-| Receive\n face |bytes\n{dev}"));
    let stat = format!("{number} (app) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 {number}00 4096 1 0\n");
    host.write(&format!("{process}/stat"), &stat);
    if let Some(namespace) = namespace {
        fs::create_dir_all(host.path(&format!("{process}/ns"))).unwrap();
        symlink(format!("net:[{namespace}]"), host.path(&format!("{process}/ns/net"))).unwrap();
    }
}

fn put_in(host: &CgroupHost, group: &str, number: usize) {
    host.write(&format!("sys/fs/cgroup/{group}/cgroup.procs"), &format!("{number}\n"));
}

fn read(host: &CgroupHost) -> Reading {
    host.write("proc/stat", "btime 1000000\n");
    let reading = host.open(CgroupSettings::default()).read_all(Timestamp(0.0));
    assert_eq!(reading.problems, []);
    reading
}

#[test]
fn a_group_has_the_traffic_of_its_own_network() {
    let host = CgroupHost::new(Version::V2);
    let of_host: &[(&str, u64)] = &[("lo", 1), ("eth0", 500)];
    add_process(&host, 1, Some(1), of_host);
    for (number, name, namespace, devices) in [
        (20, "own", Some(2), &[("lo", 1), ("eth0", 70)][..]),
        (30, "of-host", Some(1), of_host),
        // Namespaces that are not readable: the devices tell, unless they have equal names.
        (40, "other-devices", None, &[("lo", 1), ("tap0", 90)]),
        (50, "equal-devices", None, &[("lo", 1), ("eth0", 70)]),
    ] {
        host.add(&format!("lxc/{name}/init.scope"));
        host.add(&format!("lxc/{name}"));
        put_in(&host, &format!("lxc/{name}/init.scope"), number);
        add_process(&host, number, namespace, devices);
    }
    let reading = read(&host);
    for (name, expect) in
        [("own", Some(70.0)), ("of-host", None), ("other-devices", Some(90.0)), ("equal-devices", None)]
    {
        let subject = Subject::Container(name.into());
        assert_eq!(value(&reading, &subject, RECEIVED), expect, "{name}");
        assert_eq!(value(&reading, &subject, SENT), expect.map(|it| 2.0 * it), "{name}");
    }
    assert_eq!(value(&reading, &Subject::Container("own".into()), STARTED), Some(1_000_020.0));
}

#[test]
fn the_network_of_a_pod_is_not_that_of_its_containers() {
    let host = CgroupHost::new(Version::V2);
    add_process(&host, 1, Some(1), &[("lo", 1), ("eth0", 500)]);
    add_process(&host, 20, Some(2), &[("lo", 1), ("eth0", 70)]);
    let slice = host.add_pod("shop", "web-5dd5756b68-x7k2p", UID, 1);
    put_in(&host, &format!("{slice}/cri-containerd-{}.scope", id(1)), 20);
    let reading = read(&host);
    assert_eq!(value(&reading, &Subject::Pod("shop/web".into()), RECEIVED), Some(70.0));
    assert_eq!(value(&reading, &Subject::Container("shop/web/app".into()), RECEIVED), None);
}

#[test]
fn without_processes_a_group_has_the_age_of_its_directory() {
    let host = CgroupHost::new(Version::V2);
    host.add("lxc/hidden");
    // Of another PID namespace.
    put_in(&host, "lxc/hidden", 0);
    let reading = read(&host);
    let subject = Subject::Container("hidden".into());
    assert!(value(&reading, &subject, STARTED).is_some_and(|it| 1.7e9 < it));
    assert_eq!(value(&reading, &subject, RECEIVED), None);
}

#[test]
fn restarts_are_counted_and_the_subject_stays() {
    let host = CgroupHost::new(Version::V2);
    host.add("system.slice/web.service");
    let container = |number| format!("system.slice/docker-{}.scope", id(number));
    let add_container = |number| {
        host.add(&container(number));
        let config = r#"{"Name":"/shop","Config":{"Image":"shop:1"}}"#;
        host.write(&format!("var/lib/docker/containers/{}/config.v2.json", id(number)), config);
    };
    add_container(1);
    let both = [Subject::Container("shop".into()), Subject::Service("web.service".into())];
    let mut sources = host.open(CgroupSettings::default());
    let mut check = |seconds: f64, restarts: f64, has_values: bool, has_counters: bool| {
        let reading = sources.read_all(Timestamp(seconds));
        for subject in &both {
            let has = |metric| value(&reading, subject, metric).is_some();
            assert_eq!(value(&reading, subject, RESTARTS), Some(restarts), "{subject:?} at {seconds}");
            assert_eq!(has("hostnorm_cgroup_tasks"), has_values, "{subject:?} at {seconds}");
            assert_eq!(has("hostnorm_cgroup_cpu_seconds_total"), has_counters, "{subject:?} at {seconds}");
        }
    };
    check(0.0, 0.0, true, true);
    // A service is restarted within a moment, and so is a container.
    host.add("system.slice/new.service");
    let path = |name: &str| host.path("sys/fs/cgroup/system.slice").join(name);
    fs::rename(path("web.service"), host.path("old")).unwrap();
    fs::rename(path("new.service"), path("web.service")).unwrap();
    host.remove(&container(1));
    add_container(2);
    check(5.0, 1.0, true, false);
    check(6.0, 1.0, true, true);
    // They are gone for some seconds.
    host.remove("system.slice/web.service");
    host.remove(&container(2));
    check(7.0, 1.0, false, false);
    host.add("system.slice/web.service");
    add_container(3);
    check(10.0, 2.0, true, false);
    check(11.0, 2.0, true, true);
}

#[test]
fn rootless_containers_have_the_names_that_the_runtimes_of_their_user_know() {
    let host = CgroupHost::new(Version::V2);
    let scope = |number| {
        format!("user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{}.scope", id(number))
    };
    host.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n");
    let storage = "home/ann/.local/share/containers/storage/overlay-containers";
    host.write(
        &format!("{storage}/containers.json"),
        &format!(r#"[{{"id":"{}","names":["mail"],"metadata":"{{}}"}}]"#, id(0xabc)),
    );
    host.write(
        &format!("home/ann/.local/share/docker/containers/{}/config.v2.json", id(0xd0)),
        r#"{"Name":"/web","Config":{"Image":"nginx:1"}}"#,
    );
    host.add(&scope(0xabc));
    host.add(&scope(0xdef));
    host.add(&scope(0xd0).replace("libpod", "docker"));
    let mut sources = host.open(CgroupSettings::default());
    // The home is read beside the loop.
    let found = (0..).map(|it| {
        std::thread::yield_now();
        subjects(&sources.read_all(Timestamp(20.0 * f64::from(it))))
    });
    let found = found.take(1_000_000).find(|it| it.len() == 3);
    assert_eq!(found.unwrap(), ["container/000000000000", "container/mail", "container/web"]);
}
