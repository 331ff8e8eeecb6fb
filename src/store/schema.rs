//! The tables, and how older ones become them.
//!
//! Users may open the file with `sqlite3`: names are plain, times are seconds since the epoch, and what is compressed has
//! a view or a command beside it (`hostnorm export`).

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Error;

/// Says that a SQLite file is one of hostnorm: "hnrm".
const APPLICATION_ID: i64 = 0x686e_726d;

/// The tables as they are now. Each step leads from the version of its place to the next, and none is ever changed.
const STEPS: &[&str] =
    &[include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// The version of the tables that this program writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// How long a statement waits for another process that is writing.
const BUSY: Duration = Duration::from_secs(1);
/// A command has the time.
const BUSY_OF_COMMANDS: Duration = Duration::from_secs(10);

/// The log of writes is cut to this once it was moved into the file.
const LOG_BYTES_MAX: i64 = 4 << 20;

/// What SQLite may keep of the file in memory, in KiB; the default is 2,000.
const CACHE_KIB: i64 = 256;

/// Opens the file for writing, creates it where there is none, and brings its tables up to date.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    // Before anything of it is changed.
    verify(&connection, path)?;
    // Else a statement is planned anew whenever its parameters change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    sort_in_memory(&connection)?;
    // Has to stand before the first table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Transactions are few, and with one the frames of the tail are given up.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    migrate(&mut connection)?;
    // What a crash left in it is gone through here, not at some later commit.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// What is sorted goes to no file: where the system may not be written to, as in a container, there is no place for one.
fn sort_in_memory(connection: &Connection) -> Result<(), Error> {
    Ok(connection.pragma_update(None, "temp_store", "MEMORY")?)
}

/// Begins a transaction where none is under way.
pub(super) fn begin(connection: &Connection) -> Result<(), Error> {
    if connection.is_autocommit() {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    }
    Ok(())
}

/// Opens the file for reading, beside a daemon that writes or without one.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Error> {
    beside(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Its tables are left as they are: whoever writes to them knows them by heart.
fn beside(path: &Path, mode: OpenFlags) -> Result<Connection, Error> {
    if !path.is_file() {
        return Err(Error::None { path: path.to_owned() });
    }
    let mut connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_OF_COMMANDS)?;
    let mut verified = verify(&connection, path);
    if mode == OpenFlags::SQLITE_OPEN_READ_ONLY && verified.as_ref().is_err_and(cannot_be_made) {
        connection = unchanging(path)?;
        verified = verify(&connection, path);
    }
    verified?;
    sort_in_memory(&connection)?;
    match version(&connection)? {
        VERSION => Ok(connection),
        0 => Err(Error::None { path: path.to_owned() }),
        _ => Err(Error::Older { path: path.to_owned() }),
    }
}

/// Reading needs a file beside it, through which a writer is noticed; a directory that cannot be written has none.
fn cannot_be_made(error: &Error) -> bool {
    let Error::Sqlite(error) = error else { return false };
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Opens a file that nobody can be writing to.
fn unchanging(path: &Path) -> Result<Connection, Error> {
    // Of an address only these have a meaning of their own (RFC 3986).
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?)
}

fn version(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// A file of another program, or of a newer hostnorm, is left alone.
fn verify(connection: &Connection, path: &Path) -> Result<(), Error> {
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != APPLICATION_ID && (id != 0 || tables != 0) {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    match version(connection)? {
        found if found > VERSION => Err(Error::Newer { path: path.to_owned(), found }),
        _ => Ok(()),
    }
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let found = version(connection)?;
    let done = usize::try_from(found).unwrap_or(0);
    for (idx, step) in STEPS.iter().enumerate().skip(done) {
        // Each step is whole or not there at all, its number included.
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", idx as i64 + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}
