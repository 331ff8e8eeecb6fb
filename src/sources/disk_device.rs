//! What a block device is, from `/sys/class/block` (`Documentation/ABI/stable/sysfs-block`): whether other devices count its
//! I/O again. Where sysfs does not say, names and the other devices of the list do.
#![expect(clippy::disallowed_methods, reason = "looks up entries of sysfs, which asks no hardware")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::kernel_file::KernelText;

/// Seconds between two looks at all devices: they are rebuilt rarely.
const ASK_SECONDS: u64 = 10;

/// Largest number of devices that are looked up; the names of others count.
const KNOWN_MAX: usize = 4096;

/// Largest number of members of a device that are used.
const MEMBERS_MAX: usize = 64;

/// The block devices of sysfs.
#[derive(Debug)]
pub(super) struct DiskKinds {
    directory: PathBuf,
    known: BTreeMap<String, DiskKind>,
    asked: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq)]
enum DiskKind {
    /// A disk of its own.
    Whole,
    /// A partition of a listed disk.
    Partition,
    /// It consists of listed devices, or of none.
    Layer,
    /// One path of several to the disk of this name.
    PathTo(String),
}

impl DiskKinds {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, known: BTreeMap::new(), asked: None }
    }

    /// Looks at the devices of a list, if one is new or it is time.
    pub(super) fn update(&mut self, list: KernelText<'_>, now: Instant) {
        let names = || list.lines().filter_map(|it| it.text.split_ascii_whitespace().nth(2));
        let is_fresh = |asked| now.saturating_duration_since(asked) < Duration::from_secs(ASK_SECONDS);
        let is_known = || names().take(KNOWN_MAX).all(|it| self.known.contains_key(it));
        if self.asked.is_some_and(is_fresh) && is_known() {
            return;
        }
        self.asked = Some(now);
        let all: Vec<&str> = names().take(KNOWN_MAX).collect();
        self.known = all.iter().map(|name| ((*name).to_owned(), self.kind_of(name, &all))).collect();
    }

    fn kind_of(&self, name: &str, all: &[&str]) -> DiskKind {
        // Slashes in names are exclamation marks in sysfs: `cciss/c0d0`.
        let entry = self.directory.join(name.replace('/', "!"));
        if entry.symlink_metadata().is_err() {
            return kind_by_name(name, all);
        }
        if entry.join("partition").exists() {
            return DiskKind::Partition;
        }
        let members = std::fs::read_dir(entry.join("slaves")).into_iter().flatten().take(MEMBERS_MAX);
        let members: Vec<PathBuf> = members.filter_map(|it| Some(it.ok()?.path())).collect();
        let is_listed = |member: &PathBuf| {
            let own = name_of(member);
            own.is_some_and(|it| all.contains(&it)) || disk_of(member).is_some_and(|it| all.contains(&&*it))
        };
        match members.is_empty() {
            true if is_virtual(name) => DiskKind::Layer,
            true => disk_of_path(name, all).map_or(DiskKind::Whole, DiskKind::PathTo),
            false if members.iter().any(is_listed) => DiskKind::Layer,
            false => DiskKind::Whole,
        }
    }

    /// Whether a device has the name of a partition and is a disk, as Xen has `xvda1` without `xvda`.
    pub(super) fn only_looks_like_partition(&self, name: &str) -> bool {
        looks_like_partition(name) && self.known.get(name) == Some(&DiskKind::Whole)
    }

    /// Whether the I/O of a device is counted, because no other one counts it. `is_used` says whether a device was ever
    /// used: older kernels count I/O over several paths at the paths only.
    pub(super) fn is_counted(&self, name: &str, is_used: impl Fn(&str) -> bool) -> bool {
        match self.known.get(name) {
            Some(DiskKind::PathTo(disk)) => !is_used(disk),
            Some(DiskKind::Whole) => {
                let is_own_path =
                    |it: &&String| self.known.get(*it) == Some(&DiskKind::PathTo(name.to_owned()));
                is_used(name) || !self.known.keys().filter(is_own_path).any(|it| is_used(it))
            }
            Some(DiskKind::Partition | DiskKind::Layer) => false,
            None => true,
        }
    }
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The disk that a member is a partition of.
fn disk_of(member: &Path) -> Option<String> {
    let device = member.canonicalize().ok()?;
    device.join("partition").exists().then(|| name_of(device.parent()?).map(str::to_owned))?
}

/// Whether the I/O of a device is counted, where sysfs does not say what it is.
pub(super) fn is_counted_by_name(name: &str, all: &[&str]) -> bool {
    kind_by_name(name, all) == DiskKind::Whole
}

fn kind_by_name(name: &str, all: &[&str]) -> DiskKind {
    if is_virtual(name) {
        DiskKind::Layer
    } else if disk_of_partition(name).is_some_and(|it| all.contains(&it)) {
        DiskKind::Partition
    } else {
        disk_of_path(name, all).map_or(DiskKind::Whole, DiskKind::PathTo)
    }
}

/// Whether a device consists of others (`Documentation/admin-guide/devices.txt`; `zd` is a volume of ZFS).
fn is_virtual(name: &str) -> bool {
    ["dm-", "md", "bcache", "drbd", "zd", "loop", "ram", "zram"].iter().any(|it| name.starts_with(it))
}

/// The disk that a device is a partition of, by its name: the number follows a `p` if the name of the disk ends with a digit
/// (`block/genhd.c`, `disk_name`).
fn disk_of_partition(name: &str) -> Option<&str> {
    let disk = name.trim_end_matches(|it: char| it.is_ascii_digit());
    if disk.len() == name.len() {
        return None;
    }
    match disk.strip_suffix('p') {
        Some(numbered) if numbered.ends_with(|it: char| it.is_ascii_digit()) => Some(numbered),
        _ if disk.ends_with(|it: char| it.is_ascii_alphabetic()) => Some(disk),
        _ => None,
    }
}

/// Whether the default of the setting leaves out a device as a partition.
fn looks_like_partition(name: &str) -> bool {
    disk_of_partition(name).is_some_and(|disk| {
        let is_letter_disk = ["hd", "sd", "vd", "xvd"].iter().any(|it| {
            disk.strip_prefix(it)
                .is_some_and(|it| it.len() == 1 && it.bytes().all(|it| it.is_ascii_lowercase()))
        });
        is_letter_disk || disk.starts_with("nvme")
    })
}

/// The disk of several paths, as `nvme0n1` of `nvme0c1n1`, if it is listed (`drivers/nvme/host/multipath.c`).
fn disk_of_path(name: &str, all: &[&str]) -> Option<String> {
    let (subsystem, rest) = name.strip_prefix("nvme")?.split_once('c')?;
    let (controller, namespace) = rest.split_once('n')?;
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if ![subsystem, controller, namespace].into_iter().all(is_number) {
        return None;
    }
    let disk = format!("nvme{subsystem}n{namespace}");
    all.contains(&&*disk).then_some(disk)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(directory: &Path, names: &[&str]) -> DiskKinds {
        let lines: String = names.iter().map(|it| format!("8 0 {it} 1\n")).collect();
        let mut kinds = DiskKinds::new(directory.into());
        kinds.update(KernelText::of(Path::new("diskstats"), &lines), crate::clock::instant());
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
        check(
            none,
            &["nvme0n1", "nvme0n1p1", "nvme0n10", "nvme1n1p1"],
            &["nvme0n1", "nvme0n10", "nvme1n1p1"],
        );
        check(none, &["mmcblk0", "mmcblk0p2", "mmcblk0boot0"], &["mmcblk0", "mmcblk0boot0"]);
        check(none, &["dm-0", "md127", "md127p1", "loop0", "zd16"], &[]);
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
            let _ = kind_by_name(&name, &[&other]);
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
                prop_assert_eq!(is_counted_by_name(name, &all), disk.is_none() && *name != "md0");
            }
        }
    }
}
