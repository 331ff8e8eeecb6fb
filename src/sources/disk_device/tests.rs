//! Tests of [`DiskKinds`].
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use proptest::prelude::*;

use super::*;

fn kinds(directory: &Path, names: &[&str]) -> DiskKinds {
    let lines: String = names.iter().map(|it| format!("8 0 {it} 1\n")).collect();
    let mut kinds = DiskKinds::new(directory.into());
    kinds.update(KernelText::of(Path::new("diskstats"), &lines), crate::clock::instant(), |_| false);
    kinds
}

fn check(directory: &Path, names: &[&str], counted: &[&str]) {
    let kinds = kinds(directory, names);
    let found: Vec<&str> = names.iter().filter(|it| kinds.is_counted(it, |_| true)).copied().collect();
    assert_eq!(found, counted, "of {names:?}");
}

#[test]
fn without_sysfs_names_and_the_list_say_what_a_device_is() {
    let none = Path::new("/nonexistent");
    check(none, &["sda", "sda1", "sdaa", "sdb2"], &["sda", "sdaa", "sdb2"]);
    check(none, &["xvda1", "xvda2"], &["xvda1", "xvda2"]);
    check(none, &["nvme0n1", "nvme0n1p1", "nvme0n10", "nvme1n1p1"], &["nvme0n1", "nvme0n10", "nvme1n1p1"]);
    check(none, &["mmcblk0", "mmcblk0p2", "mmcblk0boot0"], &["mmcblk0", "mmcblk0boot0"]);
    check(none, &["sda", "dm-0", "md127", "md127p1", "loop0", "zd16"], &["sda"]);
}

#[test]
fn a_multipath_disk_is_counted_once() {
    let names = ["nvme0c0n1", "nvme0c1n1", "nvme0n1"];
    check(Path::new("/nonexistent"), &names, &["nvme0n1"]);
    let kinds = kinds(Path::new("/nonexistent"), &names);
    let of_paths: Vec<bool> = names.iter().map(|it| kinds.is_counted(it, |it| it != "nvme0n1")).collect();
    assert_eq!(of_paths, [true, true, false], "older kernels count at the paths");
}

#[cfg(unix)]
#[test]
fn sysfs_says_what_a_device_is() {
    use std::fs;
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let (block, devices) = (dir.path().join("class"), dir.path().join("devices"));
    fs::create_dir_all(&block).unwrap();
    let add = |name: &str, path: &str, members: &[&str]| {
        let device = devices.join(path);
        fs::create_dir_all(device.join("slaves")).unwrap();
        members.iter().for_each(|it| symlink(block.join(it), device.join("slaves").join(it)).unwrap());
        symlink(&device, block.join(name)).unwrap();
    };
    add("sda", "sda", &[]);
    add("sda1", "sda/sda1", &[]);
    fs::write(devices.join("sda/sda1/partition"), "1\n").unwrap();
    add("xvdb1", "xvdb1", &[]);
    add("md5", "md5", &["sda1"]);
    add("dm-0", "dm-0", &["md5"]);
    // The disk below it is not listed.
    add("dm-1", "dm-1", &["sdz"]);
    add("nvmedisk", "nvmedisk", &[]);
    let names = ["sda", "sda1", "xvdb1", "md5", "dm-0", "dm-1", "nvmedisk", "vdc1"];
    check(&block, &names, &["sda", "xvdb1", "dm-1", "nvmedisk", "vdc1"]);
    let kinds = kinds(&block, &names);
    let alike: Vec<&str> = names.into_iter().filter(|it| kinds.only_looks_like_partition(it)).collect();
    assert_eq!(alike, ["xvdb1", "vdc1"]);
    // A partition whose disk is not listed is counted by its array only if that is listed.
    check(&block, &["sda", "md5"], &["sda"]);
}

proptest! {
    #[test]
    fn no_name_makes_it_panic(name in ".{0,20}", other in ".{0,20}") {
        let _ = is_counted_by_name(&name, &[&name, &other]);
        let _ = looks_like_partition(&name);
    }

    #[test]
    fn each_disk_of_a_list_is_counted(
        names in prop::collection::btree_set("(sd|xvd)[ab][12]?|nvme[01]n1(p[12])?|md0", 1..10),
    ) {
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        for name in &all {
            // It is counted, or a part of another that is.
            let disk = disk_of_partition(name).filter(|it| all.contains(it));
            let is_base = *name != "md0" || all.len() == 1;
            prop_assert_eq!(is_counted_by_name(name, &all), disk.is_none() && is_base);
        }
    }
}

/// What nothing else counts is counted, as in a container whose list has only the device of its root.
#[test]
fn a_layer_over_devices_that_are_not_listed_is_counted() {
    let none = Path::new("/nonexistent");
    for name in ["dm-5", "md0", "zd16", "bcache0", "drbd0"] {
        check(none, &[name], &[name]);
        check(none, &[name, "sr0", "fd0"], &[name, "sr0", "fd0"]);
        check(none, &[name, "vda"], &["vda"]);
    }
    check(none, &["dm-0", "dm-1"], &["dm-0", "dm-1"]);
    check(none, &["dm-0", "md0", "md0p1", "md1"], &["md0", "md1"]);
    check(none, &["bcache0", "drbd0", "zd16", "dm-0"], &["bcache0", "drbd0", "zd16"]);
}

/// The name of the directory of a device.
#[cfg(unix)]
fn entry(name: &str) -> String {
    name.replace('/', "!")
}

/// A device of sysfs below a directory, with its members.
#[cfg(unix)]
struct BlockTree {
    dir: tempfile::TempDir,
}

#[cfg(unix)]
impl BlockTree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("class")).unwrap();
        Self { dir }
    }

    fn class(&self) -> PathBuf {
        self.dir.path().join("class")
    }

    fn add(&self, name: &str, path: &str, members: &[&str]) {
        use std::os::unix::fs::symlink;

        let device = self.dir.path().join("devices").join(path);
        std::fs::create_dir_all(device.join("slaves")).unwrap();
        for member in members.iter().map(|it| entry(it)) {
            symlink(self.class().join(&member), device.join("slaves").join(member)).unwrap();
        }
        symlink(&device, self.class().join(entry(name))).unwrap();
    }

    fn add_partition(&self, disk: &str, name: &str) {
        self.add(name, &format!("{}/{}", entry(disk), entry(name)), &[]);
        std::fs::write(self.class().join(entry(name)).join("partition"), "1\n").unwrap();
    }
}

#[cfg(unix)]
#[test]
fn files_and_memory_below_a_layer_are_no_disks() {
    let tree = BlockTree::new();
    tree.add("sda", "sda", &[]);
    ["loop0", "zram0", "bcache0", "drbd0"].into_iter().for_each(|it| tree.add(it, it, &[]));
    tree.add("dm-0", "dm-0", &["zram0"]);
    tree.add("dm-1", "dm-1", &["loop0"]);
    // Nobody else counts what is in memory; a file is on a disk.
    check(&tree.class(), &["sda", "zram0", "loop0", "dm-0", "dm-1"], &["sda", "dm-0"]);
    check(&tree.class(), &["loop0", "dm-1"], &["dm-1"]);
    check(&tree.class(), &["bcache0"], &["bcache0"]);
    check(&tree.class(), &["drbd0", "sda"], &["sda"]);
    // sysfs links bcache to its backing device.
    tree.add("sdb", "sdb", &[]);
    std::fs::create_dir(tree.class().join("sdb/bcache")).unwrap();
    std::os::unix::fs::symlink(tree.class().join("sdb/bcache"), tree.class().join("bcache0/bcache")).unwrap();
    check(&tree.class(), &["bcache0", "sda"], &["bcache0", "sda"]);
    check(&tree.class(), &["bcache0", "sdb"], &["sdb"]);
}

#[cfg(unix)]
#[test]
fn a_partition_without_its_disk_is_counted() {
    let tree = BlockTree::new();
    tree.add("sda", "sda", &[]);
    tree.add_partition("sda", "sda1");
    check(&tree.class(), &["sda", "sda1"], &["sda"]);
    check(&tree.class(), &["sda1"], &["sda1"]);
    assert!(kinds(&tree.class(), &["sda1"]).only_looks_like_partition("sda1"));
}

#[cfg(unix)]
#[test]
fn devices_that_are_left_out_take_no_place_of_others() {
    let tree = BlockTree::new();
    tree.add("sda", "sda", &[]);
    tree.add("dm-0", "dm-0", &["sda"]);
    let names: Vec<String> = (0..KNOWN_MAX + 100).map(|it| format!("loop{it}")).collect();
    let lines: String =
        names.iter().map(String::as_str).chain(["sda", "dm-0"]).map(|it| format!("7 0 {it} 1\n")).collect();
    let list = KernelText::of(Path::new("diskstats"), &lines);
    let mut kinds = DiskKinds::new(tree.class());
    kinds.update(list, crate::clock::instant(), |it| it.starts_with("loop"));
    assert_eq!(["sda", "dm-0"].map(|it| kinds.is_counted(it, |_| true)), [true, false]);
    // If all are shown, disks are looked up first.
    let mut kinds = DiskKinds::new(tree.class());
    kinds.update(list, crate::clock::instant(), |_| false);
    assert!(kinds.is_counted("sda", |_| true));
    assert!(kinds.rank("sda") < kinds.rank("dm-0") && kinds.rank("sda") < kinds.rank("loop7"));
}

/// Data passes a disk, maybe a partition of it, and layers over it. Whichever of them are listed, its I/O is counted once.
#[cfg(unix)]
#[derive(Debug, Clone)]
struct Stack {
    /// The disk, and what its partition adds to the name; both with a number.
    names: (&'static str, &'static str),
    has_partition: bool,
    layers: Vec<&'static str>,
    /// Which of the devices are listed, from the lowest on; at least one.
    listed: Vec<bool>,
}

#[cfg(unix)]
impl Stack {
    /// Adds the devices to a tree; returns those that are listed.
    fn build(&self, number: usize, tree: &BlockTree) -> Vec<String> {
        let letter = char::from(b'a' + u8::try_from(number).unwrap()).to_string();
        let (disk, partition) = self.names;
        let mut devices = vec![disk.replace('#', &letter).replace('N', &number.to_string())];
        tree.add(&devices[0], &entry(&devices[0]), &[]);
        if self.has_partition {
            devices.push(format!("{}{partition}", devices[0]));
            tree.add_partition(&devices[0], &devices[1]);
        }
        for (height, layer) in self.layers.iter().enumerate() {
            let name = format!("{layer}{}", 10 * number + height);
            tree.add(&name, &name, &[devices.last().unwrap()]);
            devices.push(name);
        }
        let is_listed = |idx: usize| self.listed.get(idx).copied().unwrap_or(false);
        let lowest = if (0..devices.len()).any(is_listed) { None } else { Some(devices.len() - 1) };
        let devices = devices.into_iter().enumerate();
        devices.filter(|(idx, _)| is_listed(*idx) || lowest == Some(*idx)).map(|it| it.1).collect()
    }
}

#[cfg(unix)]
fn stack() -> impl Strategy<Value = Stack> {
    let layers = prop::collection::vec(prop::sample::select(vec!["dm-", "md", "drbd"]), 0..4);
    let names =
        prop::sample::select(vec![("sd#", "1"), ("nvmeNn1", "p1"), ("cciss/cNd0", "p1"), ("mmcblkN", "p2")]);
    (names, any::<bool>(), layers, prop::collection::vec(any::<bool>(), 6))
        .prop_map(|(names, has_partition, layers, listed)| Stack { names, has_partition, layers, listed })
}

#[cfg(unix)]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_transfer_is_counted_once(
        stacks in prop::collection::vec(stack(), 1..5),
        order in any::<prop::sample::Index>(),
    ) {
        let tree = BlockTree::new();
        let listed: Vec<Vec<String>> =
            stacks.iter().enumerate().map(|(number, it)| it.build(number, &tree)).collect();
        let mut names: Vec<&str> = listed.iter().flatten().map(String::as_str).collect();
        let middle = order.index(names.len());
        names.rotate_left(middle);
        let kinds = kinds(&tree.class(), &names);
        for stack in &listed {
            let counted: Vec<&String> = stack.iter().filter(|it| kinds.is_counted(it, |_| true)).collect();
            prop_assert_eq!(counted, [&stack[0]], "of {:?} in {:?}", stack, names);
        }
    }
}
