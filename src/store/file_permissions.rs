//! File permissions of the store, where the system supports them.

use std::fs::{self, Metadata, OpenOptions};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Device and inode of a file, to detect that a path leads to another file.
pub(super) type FileId = (u64, u64);

/// Permissions of the group and of others.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Creates a directory that only its owner may access, unless it exists.
pub(super) fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(directory)
}

/// Makes options create files that only their owner may access, and follow no link.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// The identity of a file.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// This system has no file identity: all files are equal.
#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> FileId {
    (0, 0)
}

/// Whether others may access a directory or a regular file. Sockets have their own permissions.
#[cfg(unix)]
pub(super) fn is_open_to_others(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|it| (it.is_file() || it.is_dir()) && it.mode() & OTHERS != 0)
}

/// This system has no such permissions.
#[cfg(not(unix))]
pub(super) fn is_open_to_others(_: &Path) -> bool {
    false
}

/// Removes the permissions of group and others.
pub(super) fn restrict_to_owner(path: &Path) -> io::Result<()> {
    let permissions = path.symlink_metadata()?.permissions();
    #[cfg(unix)]
    let permissions = fs::Permissions::from_mode(permissions.mode() & 0o7777 & !OTHERS);
    fs::set_permissions(path, permissions)
}
