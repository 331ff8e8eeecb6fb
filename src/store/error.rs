//! Errors of the store. Each message says what to do.

use std::fmt;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the store could not be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// There is no store.
    None {
        /// Expected path.
        path: PathBuf,
    },
    /// The directory or a file in it cannot be created, opened or written.
    Io {
        /// Path of the directory or file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Another process writes to the store.
    Locked {
        /// Path of the lock that the process holds.
        path: PathBuf,
    },
    /// A file of the store is a symbolic link, a pipe or a device.
    NotRegular {
        /// Its path.
        path: PathBuf,
    },
    /// The file belongs to another program.
    Foreign {
        /// Path of the file.
        path: PathBuf,
    },
    /// A newer hostnorm wrote the file.
    Newer {
        /// Path of the file.
        path: PathBuf,
        /// Version of its schema.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// An older hostnorm wrote the file.
    Older {
        /// Path of the file.
        path: PathBuf,
    },
    /// The write-ahead log is not empty but contains no valid transaction.
    CorruptLog {
        /// Path of the log.
        path: PathBuf,
    },
    /// A long-running reader keeps the write-ahead log from being truncated.
    LogHeld {
        /// Path of the log.
        path: PathBuf,
    },
    /// The filesystem of the store has too little space left.
    DiskFull {
        /// Path of the database.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// The process may not write files as large as those of the store.
    FileSize {
        /// Path of the database.
        path: PathBuf,
        /// Largest size, in bytes.
        limit: u64,
    },
    /// The process may have too few files open.
    FewDescriptors {
        /// How many are needed and free, and how to have more.
        reason: String,
    },
    /// A block of readings is corrupt.
    CorruptBlock,
    /// The integrity check of the database failed.
    CorruptDatabase {
        /// The first problem reported.
        problem: String,
    },
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
}

impl StoreError {
    /// Whether the file is no longer a valid database.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::CorruptDatabase { .. })
            || matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// Whether another process holds the store and may release it.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }

    /// Whether the database may be intact while its directory or disk is full, read-only or failing.
    pub(super) fn is_disk(&self) -> bool {
        let codes = |code| {
            matches!(
                code,
                ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DiskFull
                    | ErrorCode::PermissionDenied
            )
        };
        self.code().is_some_and(codes)
    }

    fn code(&self) -> Option<ErrorCode> {
        let Self::Sqlite(error) = self else { return None };
        error.sqlite_error_code()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None { path } => write!(
                f,
                "no store in {}; start hostnorm with this --storage.path first, or set another",
                path.display()
            ),
            Self::Io { path, source } => write!(f, "cannot open or write {}: {source}", path.display()),
            Self::Locked { path } => write!(
                f,
                "another hostnorm uses this store and holds {}; set another --storage.path for one of them",
                path.display()
            ),
            Self::NotRegular { path } => write!(
                f,
                "{} is not a regular file; remove it, or set another --storage.path",
                path.display()
            ),
            Self::Foreign { path } => {
                write!(f, "{} is not a store of hostnorm; set another --storage.path", path.display())
            }
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer hostnorm: its schema is {found}, this version supports {known}; use the newer version, or set another --storage.path",
                path.display()
            ),
            Self::Older { path } => write!(
                f,
                "{} was written by an older hostnorm and cannot be read; start hostnorm to set it aside and create a new store",
                path.display()
            ),
            Self::CorruptLog { path } => {
                write!(f, "{} contains no valid transaction", path.display())
            }
            Self::LogHeld { path } => write!(
                f,
                "{} cannot be truncated: another process has been reading the database for too long; end it",
                path.display()
            ),
            Self::DiskFull { path, free, needed } => write!(
                f,
                "the disk of {} is full: {free} bytes are free, {needed} are needed; free space on it",
                path.display()
            ),
            Self::FileSize { path, limit } => write!(
                f,
                "this process may not write files of more than {limit} bytes, and {} needs more; raise LimitFSIZE= in the unit or ulimit -f",
                path.display()
            ),
            Self::FewDescriptors { reason } => f.write_str(reason),
            Self::CorruptBlock => f.write_str("a block of readings is corrupt"),
            Self::CorruptDatabase { problem } => write!(f, "the integrity check failed: {problem}"),
            Self::Sqlite(error) if is_full(error) => f.write_str(
                "the disk is full: no space for the index of the write-ahead log; free space on it",
            ),
            Self::Sqlite(error) => error.fmt(f),
        }
    }
}

/// Whether SQLite could not grow the index of its log, of which it says "disk I/O error".
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|it| it.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Sqlite(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named() {
        let text = |code| {
            let failure = rusqlite::ffi::Error::new(code);
            StoreError::Sqlite(rusqlite::Error::SqliteFailure(failure, None)).to_string()
        };
        assert!(text(rusqlite::ffi::SQLITE_FULL).contains("disk is full"));
        assert!(text(rusqlite::ffi::SQLITE_IOERR_SHMSIZE).contains("disk is full"));
        assert!(!text(rusqlite::ffi::SQLITE_IOERR_READ).contains("full"));
    }
}
