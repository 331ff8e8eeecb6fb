//! The directory of the store: private to its owner, locked by its writer, with regular files only.

#![expect(clippy::disallowed_methods, reason = "these are the files of the store")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::file_permissions::{self, FileId};
use crate::clock;
use crate::episode_text;
use crate::file_size_limit::file_bytes_max;

/// Name of the database.
pub const FILE: &str = "hostnorm.db";
/// Name of the lock file that the writer holds.
pub const LOCK: &str = "hostnorm.lock";
/// Suffix of the write-ahead log of the database.
pub(super) const LOG: &str = "-wal";
/// Suffixes of the files of a database, its own first.
const SUFFIXES: [&str; 4] = ["", LOG, "-shm", "-journal"];
/// Separates the name of a database that was set aside from the time.
const ASIDE: &str = ".aside-";
/// Bytes that must be free before SQLite opens or writes the database: its schema with the log and the index of the log. The
/// index is mapped into memory, and where the filesystem leaves holes in it, to fill one on a full disk ends the process.
const FREE_BYTES_MIN: u64 = 256 << 10;
/// Largest number of databases set aside; the oldest is deleted.
pub const SET_ASIDE_MAX: usize = 2;

/// The directory, locked for writing until dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Creates the directory if needed, makes it private and locks it. The system releases the lock when the process
    /// ends, even by a crash.
    pub(super) fn lock(directory: &Path) -> Result<Self, StoreError> {
        let created = file_permissions::create_private(directory);
        created.map_err(|source| match source.kind() {
            // A file, a device, or a link that leads nowhere.
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                StoreError::NotDirectory { path: directory.to_owned() }
            }
            _ => io(directory, source),
        })?;
        // SQLite is configured to follow no links, including directories.
        let path = directory.canonicalize().map_err(|source| io(directory, source))?;
        make_private(&path);
        let name = path.join(LOCK);
        is_there(&name)?;
        let mut options = File::options();
        let lock = file_permissions::private(options.write(true).create(true).truncate(false)).open(&name);
        let lock = lock.map_err(|source| io(&name, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: name }),
            Err(TryLockError::Error(source)) => Err(io(&name, source)),
        }
    }

    /// Path of the database.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// Whether the held lock is still the one in the directory.
    pub(super) fn is_in_place(&self) -> bool {
        let held = self.lock.metadata().ok().map(|it| file_permissions::identity(&it));
        held.is_some() && held == identity(&self.path.join(LOCK))
    }

    /// Bytes of the database, its log and its index.
    pub(super) fn bytes(&self) -> u64 {
        SUFFIXES.iter().map(|it| size(&suffixed(&self.database(), it))).sum()
    }

    /// An unused name for setting the database aside.
    pub(super) fn unused_name(&self) -> PathBuf {
        let stamp: String =
            episode_text::instant(clock::now()).chars().filter(|it| !matches!(it, '-' | ':')).collect();
        let name = |n: usize| suffixed(&self.database(), &format!("{ASIDE}{stamp}{}", "+".repeat(n)));
        let is_free = |it: &PathBuf| SUFFIXES.iter().all(|end| identity(&suffixed(it, end)).is_none());
        (0..).map(name).find(is_free).unwrap_or_else(|| name(0))
    }

    /// Renames the database with all of its files, or only its log, so that a new one can be created. Only the newest
    /// ones set aside are kept.
    pub(super) fn set_aside(&self, name: &Path, log_only: bool) -> Result<(), StoreError> {
        for suffix in if log_only { &SUFFIXES[1..] } else { &SUFFIXES[..] } {
            let from = suffixed(&self.database(), suffix);
            if identity(&from).is_some() {
                fs::rename(&from, suffixed(name, suffix)).map_err(|source| io(&from, source))?;
            }
        }
        self.delete_oldest_aside();
        Ok(())
    }

    fn delete_oldest_aside(&self) {
        let prefix = format!("{FILE}{ASIDE}");
        let mut found: Vec<String> = names(&self.path).filter(|it| it.starts_with(&prefix)).collect();
        // Names contain the time, so they sort by age; files of one database differ by suffix only.
        found.sort();
        let base = |name: &String| {
            let suffix = SUFFIXES[1..].iter().find_map(|it| name.strip_suffix(it));
            suffix.unwrap_or(name).to_owned()
        };
        let stores: BTreeSet<String> = found.iter().map(base).collect();
        let excess = stores.len().saturating_sub(SET_ASIDE_MAX);
        for name in found.iter().filter(|name| stores.iter().take(excess).any(|it| *it == base(name))) {
            let _ = fs::remove_file(self.path.join(name));
        }
    }
}

impl Drop for DataDir {
    /// A process that is just being started may hold a copy of the descriptor until it runs its program, so that closing
    /// does not release the lock.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

fn io(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), source }
}

/// The path of a file of a database.
pub(super) fn suffixed(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Size of a file; 0 if there is none.
pub(super) fn size(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |it| it.len())
}

/// Checks that the filesystem of a database has space left, and that the files of the database may grow.
///
/// # Errors
/// If it is full, or the process may not write files that large, of which SQLite says "disk I/O error". A filesystem that does
/// not say is not full.
pub(super) fn check_space(database: &Path) -> Result<(), StoreError> {
    let largest = || SUFFIXES.iter().map(|it| size(&suffixed(database, it))).max().unwrap_or(0);
    if let Some(limit) = file_bytes_max().filter(|it| *it < largest() + FREE_BYTES_MIN) {
        return Err(StoreError::FileSize { path: database.to_owned(), limit });
    }
    match database.parent().and_then(free_bytes) {
        Some(free) if free < FREE_BYTES_MIN => {
            Err(StoreError::DiskFull { path: database.to_owned(), free, needed: FREE_BYTES_MIN })
        }
        _ => Ok(()),
    }
}

/// Bytes that this process may use; `None` if the filesystem does not say.
#[cfg(unix)]
fn free_bytes(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok().filter(|it| it.f_blocks > 0)?;
    let blocks = if rustix::process::geteuid().is_root() { found.f_bfree } else { found.f_bavail };
    Some(blocks.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// Device and inode of a file; `None` if there is none.
pub(super) fn identity(path: &Path) -> Option<FileId> {
    path.symlink_metadata().ok().map(|it| file_permissions::identity(&it))
}

/// Whether a database exists.
///
/// # Errors
/// If this cannot be determined, or one of its files is not a regular file.
pub(super) fn is_database_there(path: &Path) -> Result<bool, StoreError> {
    let there = SUFFIXES.iter().map(|it| is_there(&suffixed(path, it)));
    Ok(there.collect::<Result<Vec<_>, _>>()?[0])
}

fn is_there(path: &Path) -> Result<bool, StoreError> {
    match path.symlink_metadata() {
        Ok(it) if it.is_file() => Ok(true),
        Ok(_) => Err(StoreError::NotRegular { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(io(path, source)),
    }
}

/// Creates a private file if there is none. An existing one is not opened, because closing it would release the locks
/// that SQLite holds on it in this process.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = File::options();
    match file_permissions::private(options.write(true).create_new(true)).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io(path, error)),
        _ => Ok(()),
    }
}

/// Whether a file with this name in the directory is one of the store: a database, its log, its lock, or the control socket.
pub fn is_own_file(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"hostnorm.")
}

/// Removes the permissions of others from the directory and its files. A directory with files of other programs is
/// left alone.
fn make_private(directory: &Path) {
    let own = |name: &String| is_own_file(name.as_ref());
    let of_others = names(directory).find(|it| !own(it) && it != "lost+found");
    let files = names(directory).filter(own).map(|it| directory.join(it));
    let paths: Vec<PathBuf> = [directory.to_owned()].into_iter().chain(files).collect();
    for path in paths.into_iter().filter(|it| file_permissions::is_open_to_others(it)) {
        if let (true, Some(file)) = (path == directory, &of_others) {
            tracing::warn!(
                directory = %directory.display(), file,
                "other users can access the store's directory; permissions kept because it contains other files"
            );
        } else if let Err(error) = file_permissions::restrict_to_owner(&path) {
            tracing::info!(path = %path.display(), %error, "cannot remove other users' access to the store");
        }
    }
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|it| it.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataDir::lock(folder.path()).unwrap();
        let copy = held.lock.try_clone().unwrap();
        assert!(matches!(DataDir::lock(folder.path()), Err(StoreError::Locked { .. })));
        drop(held);
        DataDir::lock(folder.path()).unwrap();
        drop(copy);
    }
}
