//! Counts of a process that not everybody may read.
#![expect(clippy::disallowed_methods, reason = "reads files of all processes")]

use std::path::Path;
use std::{fs, io};

/// Largest number of open descriptors of a process that are counted one by one.
pub(super) const DESCRIPTORS_MAX: usize = 4_096;

/// A count of one process that not everybody may read: its bytes from and to disks so far, or its open descriptors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PrivateCount {
    Unread,
    /// Only its user or root may read them.
    Denied,
    Total(u64),
}

impl PrivateCount {
    pub(super) fn failed(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied { Self::Denied } else { Self::Unread }
    }
}

/// Counts the descriptors in a directory `fd`, without a look at their names. Since Linux 6.2 its size is their number, which
/// everybody may read; before, the size is 0.
pub(super) fn count_descriptors(directory: &Path) -> PrivateCount {
    match fs::metadata(directory) {
        Ok(it) if it.len() > 0 => PrivateCount::Total(it.len()),
        Ok(_) => count_entries(directory),
        Err(error) => PrivateCount::failed(&error),
    }
}

/// Counts the entries of a directory, at most [`DESCRIPTORS_MAX`].
pub(super) fn count_entries(directory: &Path) -> PrivateCount {
    match fs::read_dir(directory) {
        Ok(entries) => PrivateCount::Total(entries.take(DESCRIPTORS_MAX).count() as u64),
        Err(error) => PrivateCount::failed(&error),
    }
}
