//! Tests of [`Cgroup`].
#![expect(clippy::disallowed_methods, reason = "tests write files")]

use std::fs;

use super::*;
use crate::sources::RootPaths;

#[test]
fn a_field_that_this_kernel_lacks_is_one_sentence() {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().join("sys/fs/cgroup");
    for group in ["a", "b", "c"] {
        let group = root.join(format!("system.slice/{group}.service"));
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.events"), "low 0\nhigh 0\nmax 0\noom 0\n").unwrap();
    }
    fs::write(root.join("cgroup.controllers"), "memory\n").unwrap();
    let path = |name: &str| tree.path().join(name);
    let roots = RootPaths { procfs: path("proc"), sysfs: path("sys"), ..RootPaths::default() };
    let mut source = open(&SourceSettings { roots, ..SourceSettings::default() });
    // They are counted at each reading, not only at a group's turn.
    for at in 0..7 {
        let mut reading = Reading::new(Timestamp(f64::from(at)));
        source.read(&mut reading).unwrap();
        let [lacking] = &reading.omissions[..] else { panic!("{:?}", reading.omissions) };
        let first = root.join("system.slice/a.service/memory.events");
        assert_eq!((lacking.count, &*lacking.key), (3, "memory.events oom_kill"));
        assert_eq!(lacking.what, format!("{} has no oom_kill", first.display()));
    }
}
