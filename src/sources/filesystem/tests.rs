//! Tests of the filesystems.

use std::sync::mpsc::channel;

use super::*;
use crate::signal::ReadingPair;
use crate::sources::SourceSettings;

fn check(filesystems: &[(f64, f64, f64, bool)], expected: Option<(&str, f64)>) {
    let mut values = SubjectValues::default();
    for (idx, (size, free, available, read_only)) in filesystems.iter().enumerate() {
        let labels = MetricLabels::new(["d", format!("/{idx}").as_str(), "f"]);
        let usage = FilesystemUsage {
            size: *size,
            free: *free,
            available: *available,
            inodes: 0.0,
            inodes_free: 0.0,
        };
        ShownMount { point: PathBuf::new(), labels, read_only: *read_only, hidden_by: None }
            .set(Some(usage), &mut values);
    }
    let change = ReadingPair::new(&values, &values, 1.0).unwrap();
    assert_eq!((SIGNALS[0].formula)(&change), expected.map(|it| it.1));
    assert_eq!(SIGNALS[0].highest_device(&change), expected.map(|it| it.0));
    assert_eq!((SIGNALS[1].formula)(&change), None, "no inodes");
}

#[test]
fn the_fullest_is_what_a_user_cannot_fill() {
    check(&[], None);
    check(&[(100.0, 60.0, 40.0, false)], Some(("/0", 0.5)));
    check(&[(100.0, 60.0, 40.0, false), (100.0, 10.0, 10.0, false)], Some(("/1", 0.9)));
    check(&[(100.0, 0.0, 0.0, true), (0.0, 0.0, 0.0, false)], None);
}

#[cfg(unix)]
#[test]
fn mount_points_stay_distinct() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let long = "/x".repeat(100);
    let points = [&b"/a\xff"[..], b"/a\xfe", long.as_bytes(), &[long.as_bytes(), b"y"].concat()];
    let mount = |point: &[u8]| Mount {
        device: "d".into(),
        point: OsStr::from_bytes(point).into(),
        fstype: "f".into(),
        read_only: false,
        hidden_by: None,
    };
    let labels: Vec<MetricLabels> = shown(points.map(mount).into()).into_iter().map(|it| it.labels).collect();
    assert!(labels[0].values()[1].starts_with("/a\u{FFFD}~"), "{labels:?}");
    // Each keeps its label without the others.
    for (point, label) in points.iter().zip(&labels) {
        assert_eq!(&shown(vec![mount(point)])[0].labels, label);
    }
    for (idx, one) in labels.iter().enumerate() {
        assert!(labels[..idx].iter().all(|it| it != one), "{one:?}");
    }
}

#[test]
fn the_defaults_are_those_of_node_exporter() {
    let FilesystemSettings { mount_exclude, fstype_exclude } = FilesystemSettings::default();
    for point in
        ["/dev", "/dev/shm", "/proc", "/sys/fs/cgroup", "/var/lib/docker/overlay2/ab", "/run/credentials/x"]
    {
        assert!(mount_exclude.matches(point), "{point}");
    }
    for point in ["/", "/devel", "/home", "/var/lib/docker", "/run"] {
        assert!(!mount_exclude.matches(point), "{point}");
    }
    assert!(fstype_exclude.matches("overlay") && fstype_exclude.matches("cgroup2"));
    assert!(!fstype_exclude.matches("ext4") && !fstype_exclude.matches("tmpfs"));
}

#[expect(clippy::disallowed_methods, reason = "tests make files")]
#[test]
fn a_mount_that_hangs_is_named_and_delays_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mountinfo = dir.path().join("1/mountinfo");
    std::fs::create_dir_all(mountinfo.parent().unwrap()).unwrap();
    std::fs::write(
        &mountinfo,
        "30 1 0:40 / /mnt rw - nfs server:/data rw\n31 1 0:41 / /own rw - ext4 /dev/sda rw\n",
    )
    .unwrap();
    let mut settings = SourceSettings::default();
    settings.roots.procfs = dir.path().into();
    settings.roots.rootfs = dir.path().into();
    let mut source = Filesystem::new(&settings);
    let (release, released) = channel::<()>();
    let hang = move |_: &Path| {
        let _ = released.recv();
        Err("late".to_owned())
    };
    source.usages.request(Path::new("/mnt"), hang).unwrap();
    settings.blocking.make_late();
    let mut reading = Reading::default();
    let error = source.read(&mut reading).unwrap_err().to_string();
    assert_eq!(error, "cannot read /mnt: no answer within 3 s");
    let errors: Vec<String> =
        reading.host().each(&ERROR).map(|it| format!("{} {}", it.labels.values()[1], it.value)).collect();
    assert!(errors.contains(&"/mnt 1".to_owned()), "{errors:?}");
    drop(release);
}

#[expect(clippy::disallowed_methods, reason = "tests make files")]
#[test]
fn a_mount_that_cannot_be_queried_is_said_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("1")).unwrap();
    std::fs::create_dir_all(dir.path().join("srv")).unwrap();
    let mounts = "28 1 8:1 / /srv/covered rw - ext4 /dev/a rw\n29 1 8:2 / /srv rw - ext4 /dev/b rw\n\
                  30 1 8:3 / /gone rw - ext4 /dev/c rw\n";
    std::fs::write(dir.path().join("1/mountinfo"), mounts).unwrap();
    let mut settings = SourceSettings::default();
    settings.roots.procfs = dir.path().into();
    settings.roots.rootfs = dir.path().into();
    // Another directory has the name of the mount point.
    std::fs::create_dir_all(dir.path().join("srv/covered")).unwrap();
    let mut source = Filesystem::new(&settings);
    source.start_round().unwrap();
    source.usages.wait(Duration::from_secs(60));
    let mut reading = Reading::default();
    source.read(&mut reading).unwrap();
    let errors: Vec<String> =
        reading.host().each(&ERROR).map(|it| format!("{} {}", it.labels.values()[1], it.value)).collect();
    assert_eq!(errors, ["/srv/covered 1", "/srv 0", "/gone 1"]);
    let said: Vec<&str> = reading.omissions.iter().map(|it| &*it.what).collect();
    let expect = [
        "/srv/covered is hidden by the mount on /srv",
        "cannot read /gone: No such file or directory (os error 2)",
    ];
    assert_eq!(said, expect);
}
