//! The list of mounts in `/proc/[pid]/mountinfo` (`Documentation/filesystems/proc.rst`, §3.5).
//!
//! It is parsed as bytes, because names need not be UTF-8. `procfs-core` requires UTF-8 and does not decode the escapes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::filter_pattern::ExcludePattern;

/// Largest number of mounts that are queried; further ones are dropped and counted.
pub(super) const MOUNTS_MAX: usize = 128;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The device, for labels.
    pub(super) device: String,
    /// The mount point as seen from the root.
    pub(super) point: PathBuf,
    /// Type of the filesystem.
    pub(super) fstype: String,
    /// Whether it is mounted read-only.
    pub(super) read_only: bool,
    /// The mount point above it where another filesystem was mounted later, so that its own mount point leads elsewhere.
    pub(super) hidden_by: Option<PathBuf>,
}

/// Determines which mounts are left out.
#[derive(Debug)]
pub(super) struct MountFilter {
    pub(super) points: ExcludePattern,
    pub(super) fstypes: ExcludePattern,
    /// Mount points below this root are named as if it were `/`.
    pub(super) rootfs: PathBuf,
}

/// The mounts of one list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts<'a> {
    /// In the order of the list, each mount point once.
    pub(super) shown: Vec<Mount>,
    /// Mounts beyond [`MOUNTS_MAX`].
    pub(super) dropped: usize,
    /// Malformed lines.
    pub(super) malformed: Vec<BadLine<'a>>,
}

/// A malformed line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine<'a>(pub(super) usize, pub(super) &'a [u8]);

/// Parses a list, without the mounts that the filter leaves out, those below another one on the same mount point, and malformed
/// lines.
///
/// # Errors
/// If no line is a mount; the first malformed line is returned.
pub(super) fn parse<'a>(bytes: &'a [u8], filter: &MountFilter) -> Result<Mounts<'a>, BadLine<'a>> {
    let (mut malformed, mut tree, mut included) = (Vec::new(), MountTree::default(), Vec::new());
    for (idx, line) in bytes.split(|it| *it == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let Some((node, mount)) = parse_line(line) else {
            malformed.push(BadLine(idx + 1, line));
            continue;
        };
        let place = tree.add(node, &mount.point);
        let point = below(&filter.rootfs, &mount.point);
        if !filter.fstypes.matches(&mount.fstype) && !filter.points.matches(&point.to_string_lossy()) {
            included.push((place, point, mount));
        }
    }
    // There is always a root.
    match (tree.nodes.is_empty(), malformed.first()) {
        (false, _) => {}
        (true, Some(BadLine(number, line))) => return Err(BadLine(*number, line)),
        (true, None) => return Err(BadLine(1, b"")),
    }
    let mut shown: Vec<Mount> = Vec::new();
    let mut by_point: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (place, point, mount) in included {
        let hidden_by = tree.hider(place, &mount.point).map(Path::to_owned);
        if hidden_by.as_ref() == Some(&mount.point) {
            continue;
        }
        let mount = Mount { point: point.clone(), hidden_by, ..mount };
        match by_point.get(&point).and_then(|it| shown.get_mut(*it)) {
            Some(other) => *other = mount,
            None => {
                by_point.insert(point, shown.len());
                shown.push(mount);
            }
        }
    }
    let dropped = shown.len().saturating_sub(MOUNTS_MAX);
    if dropped > 0 {
        shown.sort_by_key(rank);
        shown.truncate(MOUNTS_MAX);
    }
    Ok(Mounts { shown, dropped, malformed })
}

/// A number that is smaller for mounts that are shown first if there are too many: those of a device, a server or a pool come
/// before those in memory or of a program, such as one for each user.
fn rank(mount: &Mount) -> usize {
    let is_of_program = ["tmpfs", "ramfs"].contains(&&*mount.fstype) || mount.fstype.starts_with("fuse");
    match () {
        () if mount.point == Path::new("/") || mount.device.contains('/') => 0,
        () if is_of_program => 2,
        () => 1,
    }
}

/// Where the mounts of a list are mounted on each other.
#[derive(Debug, Default)]
struct MountTree {
    nodes: Vec<MountNode>,
    /// Places in the list by identifiers.
    places: BTreeMap<u64, usize>,
    /// The last mount of each mount point.
    last: BTreeMap<PathBuf, usize>,
    /// The mount on top of another one with the same mount point, by the identifier of that.
    on_top: BTreeMap<u64, usize>,
}

/// A mount with its parent, by their identifiers.
#[derive(Debug, Clone, Copy)]
struct MountNode {
    id: u64,
    parent: u64,
}

/// Longest chain of mounts on each other that is followed.
const CHAIN_MAX: usize = 256;

impl MountTree {
    /// Adds the next mount of the list; returns its place.
    fn add(&mut self, node: MountNode, point: &Path) -> usize {
        let place = self.nodes.len();
        self.nodes.push(node);
        self.places.insert(node.id, place);
        // A mount that was moved is listed before the mount below it.
        let below = self.last.insert(point.to_owned(), place).and_then(|it| self.nodes.get(it));
        match below {
            Some(it) if it.parent == node.id && it.id != node.id => {
                let moved = self.places.get(&it.id).copied();
                self.on_top.extend(moved.map(|it| (node.id, it)));
            }
            _ => {}
        }
        place
    }

    /// The mount point of the mount that hides this one, if any: its own, or one above.
    fn hider<'a>(&self, place: usize, point: &'a Path) -> Option<&'a Path> {
        point.ancestors().find(|path| {
            let Some(top) = self.top(path) else { return false };
            let is_own = *path == point;
            top != place && (is_own || place < top) && !self.is_mounted_on(place, top)
        })
    }

    /// The visible mount of a mount point.
    fn top(&self, point: &Path) -> Option<usize> {
        let mut top = *self.last.get(point)?;
        for _ in 0..CHAIN_MAX {
            let Some(upper) = self.nodes.get(top).and_then(|it| self.on_top.get(&it.id)) else { break };
            top = *upper;
        }
        Some(top)
    }

    /// Whether a mount is mounted on another one, or on one that is.
    fn is_mounted_on(&self, mut place: usize, other: usize) -> bool {
        for _ in 0..CHAIN_MAX {
            let Some(parent) = self.nodes.get(place).and_then(|it| self.places.get(&it.parent)) else {
                return false;
            };
            if *parent == other {
                return true;
            }
            if *parent == place {
                return false;
            }
            place = *parent;
        }
        false
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: any number of optional fields, up
/// to the dash.
fn parse_line(line: &[u8]) -> Option<(MountNode, Mount)> {
    let mut fields = line.split(|it| *it == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let node = MountNode { id: number()?, parent: number()? };
    let point = unescape(fields.nth(2)?);
    let options = fields.next()?;
    fields.find(|it| *it == b"-")?;
    let (fstype, device, more) = (fields.next()?, fields.next()?, fields.next().unwrap_or_default());
    let read_only = [options, more].iter().any(|it| it.split(|it| *it == b',').any(|it| it == b"ro"));
    if point.first() != Some(&b'/') {
        return None;
    }
    let mount = Mount {
        device: String::from_utf8_lossy(&unescape(device)).into_owned(),
        point: path_of(point),
        fstype: String::from_utf8_lossy(fstype).into_owned(),
        read_only,
        hidden_by: None,
    };
    Some((node, mount))
}

/// Space, tab, newline, backslash and hash are escaped as three octal digits (`fs/seq_file.c`, `mangle_path`).
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let (byte, next) = match after.split_first_chunk::<3>() {
            Some((digits, next)) if *first == b'\\' => match octal(*digits) {
                Some(byte) => (byte, next),
                None => (*first, after),
            },
            _ => (*first, after),
        };
        plain.push(byte);
        rest = next;
    }
    plain
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let mut value = 0u32;
    for digit in digits {
        value = value * 8 + char::from(digit).to_digit(8)?;
    }
    u8::try_from(value).ok()
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// The mount point as seen from `rootfs`; a list of another namespace does not contain that root.
fn below(rootfs: &Path, point: &Path) -> PathBuf {
    match point.strip_prefix(rootfs) {
        Ok(rest) => Path::new("/").join(rest),
        Err(_) => point.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(rootfs: &str) -> MountFilter {
        MountFilter {
            points: ExcludePattern::known("^/sys"),
            fstypes: ExcludePattern::known("^(proc|overlay)$"),
            rootfs: rootfs.into(),
        }
    }

    fn check(text: &str, rootfs: &str, expected: &[(&str, &str, &str, bool)]) {
        let mounts = parse(text.as_bytes(), &filter(rootfs)).unwrap().shown;
        let found =
            mounts.iter().map(|it| (&*it.device, it.point.to_str().unwrap(), &*it.fstype, it.read_only));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn reads_and_leaves_out() {
        let text = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
            28 27 0:3 / /sys/fs/bpf rw shared:1 master:2 - bpf bpf rw\n\
            29 27 8:1 / /media/my\\040disk\\134 ro,nosuid shared:7 - vfat /dev/sda1 rw\n\
            30 27 8:2 / /srv rw - xfs /dev/sdb ro\n";
        check(
            text,
            "/",
            &[
                ("/dev/vda", "/", "ext4", false),
                ("/dev/sda1", "/media/my disk\\", "vfat", true),
                ("/dev/sdb", "/srv", "xfs", true),
            ],
        );
    }

    #[test]
    fn a_root_elsewhere_is_named_as_the_root() {
        let text = "1 0 8:1 / /host rw - ext4 /dev/a rw\n2 0 8:2 / /host/srv rw - ext4 /dev/b rw\n";
        check(text, "/host", &[("/dev/a", "/", "ext4", false), ("/dev/b", "/srv", "ext4", false)]);
    }

    #[test]
    fn the_upper_one_of_two_mounts_is_seen() {
        let text = "1 0 8:1 / /srv rw - ext4 /dev/a rw\n2 1 8:2 / /srv rw - ext4 /dev/b rw\n";
        check(text, "/", &[("/dev/b", "/srv", "ext4", false)]);
    }

    /// A mount by its numbers, mount point and type, as `3 1 /srv ext4`.
    fn check_hidden(lines: &[&str], expected: &[(&str, &str)]) {
        let line = |it: &&str| {
            let [id, parent, point, fstype] =
                it.split(' ').collect::<Vec<_>>().try_into().expect("four fields");
            format!("{id} {parent} 0:{id} / {point} rw - {fstype} /dev/{id} rw\n")
        };
        let text: String = lines.iter().map(line).collect();
        let mounts = parse(text.as_bytes(), &filter("/")).unwrap().shown;
        let found: Vec<(String, String)> = mounts
            .iter()
            .map(|it| {
                let hidden_by = it.hidden_by.as_deref().unwrap_or(Path::new(""));
                (format!("{} {}", it.point.display(), it.fstype), hidden_by.display().to_string())
            })
            .collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn what_another_mount_hides_is_not_shown_as_that() {
        let root = "27 1 / ext4";
        // The upper mount is excluded, or was moved there.
        check_hidden(&[root, "40 27 /srv xfs", "41 40 /srv overlay"], &[("/ ext4", "")]);
        check_hidden(&[root, "40 27 /srv xfs", "41 27 /srv overlay"], &[("/ ext4", "")]);
        check_hidden(&[root, "40 41 /srv xfs", "41 27 /srv vfat"], &[("/ ext4", ""), ("/srv xfs", "")]);
        // It is mounted above, later.
        check_hidden(
            &[root, "42 27 /mnt/a/b xfs", "43 27 /mnt/a tmpfs"],
            &[("/ ext4", ""), ("/mnt/a/b xfs", "/mnt/a"), ("/mnt/a tmpfs", "")],
        );
        check_hidden(
            &[root, "42 27 /mnt/a/b xfs", "43 27 /mnt/a tmpfs", "44 43 /mnt/a/b vfat"],
            &[("/ ext4", ""), ("/mnt/a tmpfs", ""), ("/mnt/a/b vfat", "")],
        );
        // The root is listed last, after what is mounted on it, and so is the root that the kernel begins with.
        check_hidden(&["42 27 /srv xfs", root, "1 1 / rootfs"], &[("/srv xfs", ""), ("/ ext4", "")]);
        check_hidden(&["1 1 / rootfs", root, "42 27 /srv xfs"], &[("/ ext4", ""), ("/srv xfs", "")]);
    }

    #[test]
    fn devices_are_shown_before_filesystems_in_memory() {
        let line = |it| format!("{} 1 0:9 / /run/user/{it} rw - tmpfs tmpfs rw\n", it + 100);
        let text = (0..2 * MOUNTS_MAX).map(line).collect::<String>()
            + "900 1 8:1 / /data rw - xfs /dev/sdb1 rw\n901 1 0:8 / /nfs rw - nfs4 nas:/x rw\n1 0 0:5 / / rw - zfs tank rw\n";
        let mounts = parse(text.as_bytes(), &filter("/")).unwrap();
        let first: Vec<_> = mounts.shown.iter().take(3).map(|it| it.point.to_str().unwrap()).collect();
        assert_eq!((first, mounts.dropped), (vec!["/data", "/nfs", "/"], MOUNTS_MAX + 3));
    }

    #[test]
    fn the_excess_is_counted() {
        let line = |it| format!("1 0 8:1 / /srv/{it} rw - ext4 /dev/a rw\n");
        let text = (0..MOUNTS_MAX + 3).map(line).collect::<String>();
        let mounts = parse(text.as_bytes(), &filter("/")).unwrap();
        assert_eq!((mounts.shown.len(), mounts.dropped), (MOUNTS_MAX, 3));
    }

    #[test]
    fn mounts_that_are_left_out_take_no_place() {
        let filter = MountFilter { fstypes: ExcludePattern::known("^tmpfs$"), ..filter("/") };
        let line = |it| format!("1 0 0:9 / /run/{it} rw - tmpfs tmpfs rw\n");
        let text = (0..3 * MOUNTS_MAX).map(line).collect::<String>() + "1 0 8:1 / / rw - ext4 /dev/a rw\n";
        let mounts = parse(text.as_bytes(), &filter).unwrap();
        assert_eq!((mounts.shown.len(), mounts.dropped), (1, 0));
    }

    #[test]
    fn a_malformed_line_is_reported() {
        let text = b"1 0 8:1 / /srv rw - ext4 /dev/a rw\n\n1 0 8:1 / /srv rw ext4 /dev/a rw\n";
        let mounts = parse(text, &filter("/")).unwrap();
        assert_eq!((mounts.shown.len(), mounts.malformed.iter().map(|it| it.0).collect()), (1, vec![3]));
        assert_eq!(parse(&text[35..], &filter("/")).map_err(|it| it.0), Err(2));
        assert_eq!(parse(b"", &filter("/")), Err(BadLine(1, b"")));
        assert_eq!(parse(b"\n\n", &filter("/")), Err(BadLine(1, b"")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, &filter("/"));
        }

        #[test]
        fn no_text_makes_it_panic(text in "([0-9 /\\\\-]|rw| - |ext4|\\\\040){0,40}") {
            let _ = parse(text.as_bytes(), &filter("/"));
        }
    }
}
