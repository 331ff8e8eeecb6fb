//! Errors of the store. Each message says what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::open_files;

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
    /// The path of the store is not that of a directory.
    NotDirectory {
        /// The path.
        path: PathBuf,
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
    /// An error of SQLite with a known database.
    Database {
        /// Path of the database.
        path: PathBuf,
        /// The error.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// The same error with the path of its database, if it is one of SQLite.
    pub fn in_database(self, path: &Path) -> Self {
        match self {
            Self::Sqlite(source) => Self::Database { path: path.to_owned(), source },
            other => other,
        }
    }

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
        match self {
            Self::Sqlite(error) | Self::Database { source: error, .. } => error.sqlite_error_code(),
            _ => None,
        }
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
            Self::NotDirectory { path } => {
                write!(f, "{} is not a directory; set another --storage.path", path.display())
            }
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
            Self::Database { path, source } => {
                write!(f, "cannot use {}: {}", path.display(), reason(path, source))
            }
        }
    }
}

/// Why a database cannot be used, and what would help.
fn reason(path: &Path, error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        _ if is_full(error) => "its disk is full; free space on it".into(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("{error}; start hostnorm, which sets it aside and creates a new store")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process has locked it; end that process, or try again".into()
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => cannot_open(path),
        Some(ErrorCode::DiskFull) => "its disk is full; free space on it".into(),
        Some(ErrorCode::ReadOnly) => format!("{error}; check its permissions and those of its directory"),
        Some(ErrorCode::SystemIoFailure) => format!("{error}; check its disk"),
        _ => error.to_string(),
    }
}

/// Why a database cannot be opened; SQLite does not say.
fn cannot_open(path: &Path) -> String {
    if let Some(descriptor_shortage) = open_files::descriptor_shortage() {
        return descriptor_shortage;
    }
    match access(path) {
        Err(error) => format!("{error}; use the account of hostnorm, or root"),
        Ok(()) => "it cannot be opened; check the permissions of its directory".into(),
    }
}

/// Whether it may be read. It is not opened, because closing it would release the locks that SQLite holds on it.
#[cfg(unix)]
fn access(path: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::READ_OK)?)
}

#[cfg(not(unix))]
fn access(path: &Path) -> std::io::Result<()> {
    path.metadata().map(drop)
}

/// Whether SQLite could not grow the index of its log, of which it says "disk I/O error".
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|it| it.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Sqlite(error) | Self::Database { source: error, .. } => Some(error),
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

    #[test]
    fn an_error_of_sqlite_has_file_reason_and_remedy() {
        use rusqlite::ffi;
        for (code, says) in [
            (ffi::SQLITE_CORRUPT, "database disk image is malformed; start hostnorm, which sets it aside"),
            (ffi::SQLITE_NOTADB, "file is not a database; start hostnorm, which sets it aside"),
            (ffi::SQLITE_BUSY, "another process has locked it; end that process, or try again"),
            (
                ffi::SQLITE_CANTOPEN,
                "No such file or directory (os error 2); use the account of hostnorm, or root",
            ),
            (ffi::SQLITE_IOERR_SHMSIZE, "its disk is full; free space on it"),
            (ffi::SQLITE_FULL, "its disk is full; free space on it"),
            (ffi::SQLITE_READONLY, "check its permissions"),
            (ffi::SQLITE_IOERR_READ, "check its disk"),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let found = StoreError::Sqlite(error).in_database(Path::new("/none/hostnorm.db")).to_string();
            let expect = "cannot use /none/hostnorm.db: ";
            assert!(found.starts_with(expect) && found.contains(says), "{found}");
        }
    }
}
