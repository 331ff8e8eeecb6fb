//! What can be wrong with a store, each with a sentence that says what helps.

use std::fmt;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::column::Garbled;

/// Why something could not be read or written.
#[derive(Debug)]
pub enum Error {
    /// There is no store.
    None {
        /// Where it would be.
        path: PathBuf,
    },
    /// The directory cannot be made, or a file in it not be opened or written.
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another process writes to it.
    Locked {
        /// The file that it holds.
        path: PathBuf,
    },
    /// The file belongs to another program.
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A newer hostnorm wrote it.
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version of its tables.
        found: i64,
    },
    /// An older hostnorm wrote it, and reading changes nothing.
    Older {
        /// Which file.
        path: PathBuf,
    },
    /// A record in it makes no sense.
    Garbled(Garbled),
    /// SQLite says so.
    Sqlite(rusqlite::Error),
}

impl Error {
    /// Whether what is in the file is no database any more.
    pub fn is_garbled(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// Whether it comes and goes with another process.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None { path } => write!(
                f,
                "there is no store in {}; start hostnorm with this --storage.path first, or give another one",
                path.display()
            ),
            Self::Io { path, source } => write!(f, "cannot open or write {}: {source}", path.display()),
            Self::Locked { path } => write!(
                f,
                "another hostnorm writes to this store, it holds {}; give one of them another --storage.path",
                path.display()
            ),
            Self::Foreign { path } => {
                write!(f, "{} is not a store of hostnorm; give another --storage.path", path.display())
            }
            Self::Newer { path, found } => write!(
                f,
                "{} was written by a newer hostnorm: its schema is {found}, this one knows up to {}; \
                 use that version, or give another --storage.path",
                path.display(),
                super::schema::VERSION
            ),
            Self::Older { path } => write!(
                f,
                "{} was written by an older hostnorm; start hostnorm once, which brings it up to date",
                path.display()
            ),
            Self::Garbled(error) => error.fmt(f),
            Self::Sqlite(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Garbled(error) => Some(error),
            Self::Sqlite(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Garbled> for Error {
    fn from(error: Garbled) -> Self {
        Self::Garbled(error)
    }
}
