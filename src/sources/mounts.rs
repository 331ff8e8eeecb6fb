//! The list of mounts in `/proc/[pid]/mountinfo` (`Documentation/filesystems/proc.rst`, §3.5).
//!
//! It is parsed as bytes, because names need not be UTF-8. `procfs-core` requires UTF-8 and does not decode the escapes.

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

/// Parses a list, without the mounts that the filter leaves out and without malformed lines.
///
/// # Errors
/// If no line is a mount; the first malformed line is returned.
pub(super) fn parse<'a>(bytes: &'a [u8], filter: &MountFilter) -> Result<Mounts<'a>, BadLine<'a>> {
    let mut mounts = Mounts::default();
    let mut empty = true;
    for (idx, line) in bytes.split(|it| *it == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let Some(mut mount) = parse_line(line) else {
            mounts.malformed.push(BadLine(idx + 1, line));
            continue;
        };
        empty = false;
        mount.point = below(&filter.rootfs, &mount.point);
        if filter.fstypes.matches(&mount.fstype) || filter.points.matches(&mount.point.to_string_lossy()) {
            continue;
        }
        // A mount over another one hides it.
        if let Some(hidden) = mounts.shown.iter_mut().find(|it| it.point == mount.point) {
            *hidden = mount;
        } else if mounts.shown.len() < MOUNTS_MAX {
            mounts.shown.push(mount);
        } else {
            mounts.dropped += 1;
        }
    }
    // There is always a root.
    match (empty, mounts.malformed.first()) {
        (false, _) => Ok(mounts),
        (true, Some(BadLine(number, line))) => Err(BadLine(*number, line)),
        (true, None) => Err(BadLine(1, b"")),
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: any number of optional fields, up
/// to the dash.
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|it| *it == b' ');
    let point = unescape(fields.nth(4)?);
    let options = fields.next()?;
    fields.find(|it| *it == b"-")?;
    let (fstype, device, more) = (fields.next()?, fields.next()?, fields.next().unwrap_or_default());
    let read_only = [options, more].iter().any(|it| it.split(|it| *it == b',').any(|it| it == b"ro"));
    if point.first() != Some(&b'/') {
        return None;
    }
    Some(Mount {
        device: String::from_utf8_lossy(&unescape(device)).into_owned(),
        point: path_of(point),
        fstype: String::from_utf8_lossy(fstype).into_owned(),
        read_only,
    })
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
