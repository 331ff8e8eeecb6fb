//! The schema, and the connections that read and write it.
//!
//! People may open the database with `sqlite3`: names are plain, times are Unix times, and each compressed column has a view
//! or a command (`hostnorm export`).

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::data_dir::{self, LOG};
use super::error::StoreError;
use super::write_ahead_log::{self, FRAME_HEADER_BYTES, HEADER_BYTES};

/// Application ID of a SQLite file of hostnorm: "hnrm".
const APPLICATION_ID: i64 = 0x686e_726d;
const SCHEMA: &str = include_str!("schema.sql");
/// Version of the schema. There are no migrations: a database of an older version is set aside.
pub(super) const VERSION: i64 = 12;

/// Longest time that a statement of the daemon waits for another process.
const BUSY: Duration = Duration::from_secs(1);
/// The same for commands.
const BUSY_OF_COMMANDS: Duration = Duration::from_secs(10);
/// Number of pages after which the write-ahead log is checkpointed: about once a minute.
const CHECKPOINT_PAGES: i64 = 64;
/// Size to which the log file is truncated when it restarts.
const LOG_BYTES_MAX: i64 = 512 << 10;
/// Page cache of SQLite, in KiB; its default is 2,000.
const CACHE_KIB: i64 = 256;
/// Largest value that is read or written, in bytes: a model, a state or a text.
pub const VALUE_BYTES_MAX: i32 = crate::learned_state_codec::BYTES_MAX as i32;
/// A log with a complete transaction is longer than this: its header and that of one page.
const LOG_HEADERS: u64 = (HEADER_BYTES + FRAME_HEADER_BYTES) as u64;

/// Opens a database for writing, or creates it. `check` runs a full integrity check first.
pub(super) fn open(path: &Path, check: bool) -> Result<Connection, StoreError> {
    // First, because what a full disk left behind looks corrupt.
    data_dir::check_space(path)?;
    let is_empty = !data_dir::is_database_there(path)? || data_dir::size(path) == 0;
    let log = data_dir::suffixed(path, LOG);
    let log_bytes = data_dir::size(&log);
    // Asked here, because SQLite may write to it from now on.
    let is_unfinished = log_bytes > 0 && write_ahead_log::is_unfinished(&log);
    if is_empty && log_bytes > 0 && !is_unfinished {
        return Err(StoreError::CorruptLog { path: log });
    }
    // SQLite would create it, and its other files, readable by everybody.
    data_dir::create_private(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, BUSY)?;
    verify(&connection, path)?;
    if check {
        check_integrity(&connection)?;
    }
    if is_empty {
        // Must precede the first table. In a database with tables it is a write, which would restart the log.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let pages: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get("log"))?;
    let page_bytes: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0))?.into();
    if pages == 0 && log_bytes >= LOG_HEADERS + page_bytes && !is_unfinished {
        return Err(StoreError::CorruptLog { path: log });
    }
    if version(&connection)? == 0 {
        create(&mut connection)?;
    }
    Ok(connection)
}

fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(transaction.commit()?)
}

/// Closes a writing connection: checkpoints and deletes the log, as far as readers allow.
pub(super) fn close(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    checkpoint(connection)
}

/// Checkpoints and truncates the log, as far as readers allow.
pub(super) fn checkpoint(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Opens a database for reading, beside a daemon or without one.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if !data_dir::is_database_there(path)? || data_dir::size(path) == 0 {
        return Err(StoreError::None { path: path.to_owned() });
    }
    let usual = || {
        let opened = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, BUSY_OF_COMMANDS);
        opened.and_then(|it| verify(&it, path).map(|()| it))
    };
    // On a full disk, the usual way may end the process; but only that way works beside a daemon.
    let opened = match data_dir::check_space(path) {
        Ok(()) => usual(),
        Err(_) => without_writing(path, Duration::ZERO).or_else(|_| usual()),
    };
    let connection = match opened {
        // The index of the log cannot be created or grown.
        Err(error) if error.is_disk() => without_writing(path, BUSY)?,
        opened => opened?,
    };
    match version(&connection)? {
        0 => Err(StoreError::None { path: path.to_owned() }),
        _ => Ok(connection),
    }
}

/// A connection that keeps the log when it closes, so that an unreadable one is not lost.
fn connect(path: &Path, flags: OpenFlags, busy: Duration) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    // A read-only root, as in a container, has no place for temporary files of large sorts.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Opens a database that no daemon writes to, without writing anything.
fn without_writing(path: &Path, busy: Duration) -> Result<Connection, StoreError> {
    // Beside a daemon, there is an index of the log.
    let unused = [LOG, "-shm"].iter().all(|it| data_dir::size(&data_dir::suffixed(path, it)) == 0);
    let connection = if unused { immutable(path)? } else { exclusive(path, busy)? };
    verify(&connection, path)?;
    Ok(connection)
}

/// Opens a database without a log that nobody writes to.
fn immutable(path: &Path) -> Result<Connection, StoreError> {
    // Only these have a meaning in a URI path (RFC 3986).
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    connect(Path::new(&format!("file:{path}?immutable=1")), flags, BUSY)
}

/// Opens a database with its log, whose index is in the memory of this process: no other process can use it meanwhile.
fn exclusive(path: &Path, busy: Duration) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, busy)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Refuses a file of another program, or of a newer or older hostnorm.
fn verify(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let path = path.to_owned();
    if id != APPLICATION_ID && (id != 0 || tables != 0) {
        return Err(StoreError::Foreign { path });
    }
    match version(connection)? {
        0 | VERSION => Ok(()),
        found if found > VERSION => Err(StoreError::Newer { path, found, known: VERSION }),
        _ => Err(StoreError::Older { path }),
    }
}

fn check_integrity(connection: &Connection) -> Result<(), StoreError> {
    match connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))? {
        problem if problem != "ok" => Err(StoreError::CorruptDatabase { problem }),
        _ => Ok(()),
    }
}
