//! Which files are locked, from `/proc/locks` (`Documentation/filesystems/proc.rst`, §1.1).

use std::io;
use std::path::{Path, PathBuf};

use super::SourceError;
use super::kernel_file::{FileReader, KernelFileLine, KernelText, SkippedLines, optional};
use crate::reading::ReadingOmission;

/// Which of some files are locked.
#[derive(Debug, Default)]
pub(super) struct LockedFiles {
    /// Each file, and whether a process holds a write lock on it; empty if the kernel does not say.
    pub(super) files: Vec<(PathBuf, bool)>,
    /// Lines of the list that are malformed.
    pub(super) malformed: Option<ReadingOmission>,
}

/// Reads the kernel's list of locks. Opening it waits for a grace period of RCU: some milliseconds, and more with many CPUs.
pub(super) fn locked_files(
    list: &Path,
    wanted: &[(PathBuf, WatchedFile)],
) -> Result<LockedFiles, SourceError> {
    let mut reader = FileReader::default();
    if wanted.is_empty() {
        return Ok(LockedFiles::default());
    }
    let Some(text) = optional(reader.read(list))? else { return Ok(LockedFiles::default()) };
    let (mut skipped, mut is_list) = (SkippedLines::default(), text.text.trim_ascii().is_empty());
    let mut files: Vec<(PathBuf, bool)> = wanted.iter().map(|it| (it.0.clone(), false)).collect();
    for lock in locks(text) {
        let Some(lock) = skipped.take(lock) else { continue };
        is_list = true;
        for ((_, file), (_, is_held)) in wanted.iter().zip(&mut files) {
            *is_held |= lock.is_held && lock.file.is(*file);
        }
    }
    if !is_list {
        return Err(skipped.fail(text.error()));
    }
    Ok(LockedFiles { files, malformed: skipped.omission() })
}

/// Identity of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WatchedFile {
    major: u64,
    minor: u64,
    inode: u64,
}

impl WatchedFile {
    /// Filesystems without a device of their own (major 0, such as btrfs and overlay) show different device numbers in
    /// both places.
    fn is(self, other: Self) -> bool {
        let same_device = (self.major, self.minor) == (other.major, other.minor);
        self.inode == other.inode && (same_device || self.major == 0 || other.major == 0)
    }
}

#[cfg(target_os = "linux")]
pub(super) fn identity(of: &std::fs::Metadata) -> io::Result<WatchedFile> {
    use std::os::linux::fs::MetadataExt;
    let device = of.st_dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    Ok(WatchedFile { major: major.into(), minor: minor.into(), inode: of.st_ino() })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn identity(_: &std::fs::Metadata) -> io::Result<WatchedFile> {
    Err(io::ErrorKind::NotFound.into())
}

/// One line of `/proc/locks`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KernelLock {
    file: WatchedFile,
    /// Whether it is a held write lock; others are waiting or read locks.
    is_held: bool,
}

pub(super) fn locks(text: KernelText<'_>) -> impl Iterator<Item = Result<KernelLock, SourceError>> {
    let lines = text.lines().filter(|it| !it.text.is_empty());
    lines.map(|line: KernelFileLine<'_>| parse_lock(line.text).ok_or_else(|| line.error()))
}

/// `1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF`, with `->` after the number for a waiting one.
fn parse_lock(line: &str) -> Option<KernelLock> {
    let mut fields = line.split_ascii_whitespace();
    fields.next()?.strip_suffix(':')?.parse::<u64>().ok()?;
    let kind = fields.next()?;
    let waits = kind == "->";
    let mode = fields.nth(if waits { 2 } else { 1 })?;
    let file = fields.nth(1)?;
    let mut parts = file.split(':');
    let file = match (parts.next()?, parts.next()?, parts.next()) {
        // A lock of a deleted file.
        ("<none>", _, None) => WatchedFile { major: 0, minor: 0, inode: 0 },
        (major, minor, Some(inode)) => WatchedFile {
            major: u64::from_str_radix(major, 16).ok()?,
            minor: u64::from_str_radix(minor, 16).ok()?,
            inode: inode.parse().ok()?,
        },
        _ => return None,
    };
    Some(KernelLock { file, is_held: !waits && mode == "WRITE" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, expect: Option<(u64, u64, u64, bool)>) {
        let expect = expect.map(|(major, minor, inode, is_held)| KernelLock {
            file: WatchedFile { major, minor, inode },
            is_held,
        });
        assert_eq!(parse_lock(line), expect, "{line}");
    }

    #[test]
    fn reads_the_lines_of_the_kernel() {
        check("1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF", Some((0xfd, 0, 2_531_452, true)));
        check("2: -> POSIX  ADVISORY  WRITE 9 08:1a:7 0 EOF", Some((8, 0x1a, 7, false)));
        check("3: FLOCK  ADVISORY  READ  77 00:1b:12 0 EOF", Some((0, 0x1b, 12, false)));
        check("4: OFDLCK ADVISORY  WRITE -1 103:02:12 128 128", Some((0x103, 2, 12, true)));
        check("5: LEASE  ACTIVE    READ 7 <none>:0 0 EOF", Some((0, 0, 0, false)));
        for line in ["", "1", "1: POSIX", "x: POSIX  ADVISORY  WRITE 3568 fd:00:1 0 EOF", "1: a b c d e f"] {
            check(line, None);
        }
    }

    #[test]
    fn a_device_without_number_is_told_by_its_inode() {
        let file = |major, minor, inode| WatchedFile { major, minor, inode };
        assert!(file(8, 1, 7).is(file(8, 1, 7)));
        assert!(!file(8, 1, 7).is(file(8, 2, 7)));
        assert!(file(0, 31, 7).is(file(0, 44, 7)));
        assert!(!file(0, 31, 7).is(file(0, 31, 8)));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9a-f: ]|->|POSIX|WRITE|\\PC){0,60}") {
            let _ = parse_lock(&text);
        }
    }
}
