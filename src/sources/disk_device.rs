//! What a block device is, from `/sys/class/block` (`Documentation/ABI/stable/sysfs-block`): whether other devices count its
//! I/O again. Where sysfs does not say, names and the other devices of the list do.
#![expect(clippy::disallowed_methods, reason = "looks up entries of sysfs, which asks no hardware")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::kernel_file::KernelText;

/// Seconds between two looks at all devices: they are rebuilt rarely.
const REFRESH_SECONDS: u64 = 10;

/// Largest number of shown devices that are looked up.
const KNOWN_MAX: usize = 4096;

/// Largest number of members of a device that are used.
const MEMBERS_MAX: usize = 64;

/// Largest number of layers below a device that are followed.
const LAYERS_MAX: usize = 8;

/// The block devices of sysfs.
#[derive(Debug)]
pub(super) struct DiskKinds {
    directory: PathBuf,
    known: BTreeMap<String, DiskKind>,
    /// The kind of those layers over unknown devices that are counted, as the height in [`LAYERS`].
    lowest: Option<u8>,
    /// Time of the last look, and a hash of the list then.
    last_refresh: Option<(Instant, u64)>,
}

/// What a device is, the most important first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum DiskKind {
    /// A disk of its own, or the lowest device of its data that is listed.
    Whole,
    /// One path of several to the disk of this name.
    PathTo(String),
    /// It consists of others, and nobody says of which.
    LayerOfUnknown,
    /// It consists of listed devices.
    Layer,
    /// A partition of a listed disk.
    Partition,
}

/// What is below a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Below {
    /// Nothing, or devices that are not listed.
    Unlisted,
    /// A file of a filesystem, which may be on any disk.
    File,
    /// A listed device, which counts the same I/O.
    Listed,
}

impl DiskKinds {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, known: BTreeMap::new(), lowest: None, last_refresh: None }
    }

    /// Looks at the devices of a list that are shown, if the list changed or it is time.
    pub(super) fn update(
        &mut self,
        list: KernelText<'_>,
        now: Instant,
        mut is_left_out: impl FnMut(&str) -> bool,
    ) {
        let names = || list.lines().filter_map(|it| it.text.split_ascii_whitespace().nth(2));
        let mut hasher = DefaultHasher::new();
        names().for_each(|it| it.hash(&mut hasher));
        let hash = hasher.finish();
        let is_fresh = |at| now.saturating_duration_since(at) < Duration::from_secs(REFRESH_SECONDS);
        if self.last_refresh.is_some_and(|(at, of)| of == hash && is_fresh(at)) {
            return;
        }
        self.last_refresh = Some((now, hash));
        let listed: BTreeSet<&str> = names().collect();
        let is_listed = |name: &str| listed.contains(name);
        // A device that only looks like a partition is shown.
        let mut shown: Vec<&str> =
            names().filter(|it| looks_like_partition(it) || !is_left_out(it)).collect();
        // Disks first, if there are too many.
        shown.sort_by_key(|it| layer_of(it).is_some());
        shown.truncate(KNOWN_MAX);
        self.known = shown.iter().map(|it| ((*it).to_owned(), self.kind_of(it, &is_listed))).collect();
        self.lowest = lowest_layer(&self.known, listed.into_iter());
    }

    fn kind_of(&self, name: &str, is_listed: &dyn Fn(&str) -> bool) -> DiskKind {
        let entry = self.directory.join(name.replace('/', "!"));
        if entry.symlink_metadata().is_err() {
            return kind_by_name(name, is_listed);
        }
        if entry.join("partition").exists() {
            let disk = disk_of(&entry);
            let is_part = disk.as_deref().or(disk_of_partition(name)).is_some_and(is_listed);
            return if is_part { DiskKind::Partition } else { DiskKind::Whole };
        }
        let members = members(&entry);
        match members.iter().map(|it| below(it, is_listed, LAYERS_MAX)).max() {
            None if layer_of(name).is_some() => DiskKind::LayerOfUnknown,
            None => disk_of_path(name, is_listed).map_or(DiskKind::Whole, DiskKind::PathTo),
            Some(Below::Listed) => DiskKind::Layer,
            Some(Below::File) => DiskKind::LayerOfUnknown,
            Some(Below::Unlisted) => DiskKind::Whole,
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
            Some(DiskKind::LayerOfUnknown) => height_of(name) == self.lowest,
            Some(DiskKind::Partition | DiskKind::Layer) => false,
            None => true,
        }
    }

    /// A number that is smaller for devices that are shown first if there are too many: disks before what is made of them.
    pub(super) fn rank(&self, name: &str) -> usize {
        match self.known.get(name) {
            Some(DiskKind::Whole) => 0,
            Some(DiskKind::PathTo(_)) => 1,
            Some(DiskKind::LayerOfUnknown) => 2,
            Some(DiskKind::Layer) => 3,
            Some(DiskKind::Partition) | None => 4,
        }
    }
}

/// The name in lists of the device of a directory: slashes are exclamation marks in sysfs, as in `cciss!c0d0`.
fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.replace('!', "/"))
}

/// The disk of a partition, with the path of the partition.
fn disk_of(partition: &Path) -> Option<String> {
    let device = partition.canonicalize().ok()?;
    device.join("partition").exists().then(|| name_of(device.parent()?))?
}

/// The devices that a device consists of.
fn members(device: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(device.join("slaves")).into_iter().flatten().take(MEMBERS_MAX);
    let mut members: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    if members.is_empty() {
        // `bcache` has a link into its backing device instead, which has the directory itself.
        let backing = device.join("bcache").canonicalize().ok();
        let is_other = |it: &&Path| device.canonicalize().is_ok_and(|own| own != **it);
        members.extend(backing.as_deref().and_then(Path::parent).filter(is_other).map(Path::to_owned));
    }
    members
}

/// What counts the I/O of a member, or of the devices below it.
fn below(member: &Path, is_listed: &dyn Fn(&str) -> bool, layers: usize) -> Below {
    let Some(name) = name_of(member) else { return Below::Unlisted };
    match layer_of(&name).map(|it| it.0) {
        Some(Medium::File) => return Below::File,
        Some(Medium::Memory) => return Below::Unlisted,
        Some(Medium::Devices) | None => {}
    }
    if is_listed(&name) || disk_of(member).is_some_and(|it| is_listed(&it)) {
        return Below::Listed;
    }
    if layers == 0 {
        return Below::Unlisted;
    }
    let lower = members(member);
    lower.iter().map(|it| below(it, is_listed, layers - 1)).max().unwrap_or(Below::Unlisted)
}

/// Whether the I/O of a device is counted, where sysfs does not say what it is.
pub(super) fn is_counted_by_name(name: &str, all: &[&str]) -> bool {
    let kind = |name: &str| kind_by_name(name, &|it| all.contains(&it));
    match kind(name) {
        DiskKind::LayerOfUnknown => {
            let known = all.iter().map(|it| ((*it).to_owned(), kind(it))).collect();
            height_of(name) == lowest_layer(&known, all.iter().copied())
        }
        kind => kind == DiskKind::Whole,
    }
}

fn kind_by_name(name: &str, is_listed: &dyn Fn(&str) -> bool) -> DiskKind {
    if disk_of_partition(name).is_some_and(is_listed) {
        DiskKind::Partition
    } else if layer_of(name).is_some() {
        DiskKind::LayerOfUnknown
    } else {
        disk_of_path(name, is_listed).map_or(DiskKind::Whole, DiskKind::PathTo)
    }
}

/// The layers over unknown devices that count their I/O: none beside a disk that may be below them, otherwise those that are
/// usually the lowest ones.
fn lowest_layer<'a>(
    known: &BTreeMap<String, DiskKind>,
    mut listed: impl Iterator<Item = &'a str>,
) -> Option<u8> {
    // Nothing is built on floppies and CDs.
    let is_base = |name: &str| layer_of(name).is_none() && !name.starts_with("fd") && !name.starts_with("sr");
    let is_whole = |(name, kind): (&String, &DiskKind)| *kind == DiskKind::Whole && layer_of(name).is_some();
    if listed.any(is_base) || known.iter().any(is_whole) {
        return None;
    }
    let layers = known.iter().filter(|it| *it.1 == DiskKind::LayerOfUnknown);
    layers.filter_map(|(name, _)| height_of(name)).min()
}

/// Where a kind of device stores its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Devices,
    File,
    Memory,
}

/// Names of devices that consist of others (`Documentation/admin-guide/devices.txt`; `zd` is a volume of ZFS), each with a
/// height: mapped devices are usually above the arrays and caches of a host, and loop devices above all.
const LAYERS: [(&str, Medium, u8); 8] = [
    ("md", Medium::Devices, 0),
    ("drbd", Medium::Devices, 0),
    ("bcache", Medium::Devices, 0),
    ("zd", Medium::Devices, 0),
    ("dm-", Medium::Devices, 1),
    ("loop", Medium::File, 2),
    ("zram", Medium::Memory, 2),
    ("ram", Medium::Memory, 2),
];

/// The medium and the height of a device, if it has the name of a layer.
fn layer_of(name: &str) -> Option<(Medium, u8)> {
    LAYERS.iter().find(|it| name.starts_with(it.0)).map(|it| (it.1, it.2))
}

/// The height of a device in [`LAYERS`].
fn height_of(name: &str) -> Option<u8> {
    layer_of(name).map(|it| it.1)
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
fn disk_of_path(name: &str, is_listed: &dyn Fn(&str) -> bool) -> Option<String> {
    let (subsystem, rest) = name.strip_prefix("nvme")?.split_once('c')?;
    let (controller, namespace) = rest.split_once('n')?;
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if ![subsystem, controller, namespace].into_iter().all(is_number) {
        return None;
    }
    let disk = format!("nvme{subsystem}n{namespace}");
    is_listed(&disk).then_some(disk)
}

#[cfg(test)]
mod tests;
