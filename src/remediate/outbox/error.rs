//! Why the outbox did not do something, and what to do.

use std::fmt;
use std::path::PathBuf;

/// Why the outbox did not do something.
#[derive(Debug)]
pub enum OutboxError {
    /// The directory cannot be made.
    Directory(PathBuf, std::io::Error),
    /// The database refuses.
    Database(rusqlite::Error),
    /// It is of a newer hostnorm.
    Newer {
        /// Its version.
        found: i64,
        /// The version that this hostnorm knows.
        known: i64,
    },
    /// Too many actions wait.
    Full(u32),
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, error) => {
                write!(
                    f,
                    "cannot create {}: {error}; set --storage.path to a directory that hostnorm may write to",
                    path.display()
                )
            }
            Self::Database(error) => {
                let code = error.sqlite_error_code();
                let hint = match code {
                    Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                        "another hostnorm remediate uses it; stop that, or set another --storage.path"
                    }
                    Some(rusqlite::ErrorCode::DiskFull) => "free space on the disk",
                    Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                        "move the file away to begin anew; actions that waited in it are lost"
                    }
                    _ => "check the disk and the permissions of --storage.path",
                };
                write!(f, "the outbox remediate.db fails: {error}; {hint}")
            }
            Self::Newer { found: version, known } => {
                write!(
                    f,
                    "the outbox remediate.db has version {version}, this hostnorm knows {known}; use a newer hostnorm"
                )
            }
            Self::Full(most) => {
                write!(
                    f,
                    "the outbox is full: {most} actions wait; see the log for what keeps them from being sent"
                )
            }
        }
    }
}

impl std::error::Error for OutboxError {}

impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}
