//! Readings as rows: whole minutes, and the tails of the one that is not over.
//!
//! A tail is written with each commit. Its row stays when its minute is written, marked as empty, and the next minute
//! writes over it: so a commit changes one page of the file.

use rusqlite::{Connection, params};

use super::Error;
use super::record::{self, Compressor, Record};

/// Writes some rows of the open minute.
pub(super) fn put(connection: &Connection, slot: usize, tail: &Record) -> Result<(), Error> {
    let (first, last) = tail.span();
    connection
        .prepare_cached(
            "INSERT INTO tails (slot, first_at, last_at, count, format, blob) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (slot) DO UPDATE SET first_at = ?2, last_at = ?3, count = ?4, format = ?5, blob = ?6",
        )?
        .execute(params![slot as i64, first, last, tail.rows.len() as i64, record::PLAIN, tail.plain()])?;
    Ok(())
}

/// Marks all tails as empty.
pub(super) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.prepare_cached("UPDATE tails SET count = 0 WHERE count > 0")?.execute([])?;
    Ok(())
}

/// Writes a minute that is over.
pub(super) fn insert(
    connection: &Connection,
    record: &Record,
    compressor: &mut Compressor,
) -> Result<(), Error> {
    let (first, last) = record.span();
    let plain = record.plain();
    let (format, bytes) = match compressor.deflated(&plain) {
        Some(bytes) => (record::DEFLATED, bytes),
        None => (record::PLAIN, plain.as_slice()),
    };
    connection
        .prepare_cached(
            "INSERT INTO readings (first_at, last_at, count, format, blob) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![first, last, record.rows.len() as i64, format, bytes])?;
    Ok(())
}

/// Makes a minute of the tails that a crash left, so that the next one has the table for itself.
pub(super) fn adopt(connection: &Connection, compressor: &mut Compressor) -> Result<(), Error> {
    let mut statement = connection.prepare("SELECT format, blob FROM tails WHERE count > 0 ORDER BY slot")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let mut whole = Record::default();
    for row in rows {
        let (format, bytes) = row?;
        // A tail that makes no sense has nothing that could be kept.
        if let Ok(tail) = Record::read(format, &bytes) {
            whole.append(tail);
        }
    }
    drop(statement);
    if !whole.rows.is_empty() {
        insert(connection, &whole, compressor)?;
    }
    // Only where there is something: a file that is merely opened is not written to.
    let tails: i64 = connection.query_row("SELECT count(*) FROM tails", [], |row| row.get(0))?;
    if tails > 0 {
        connection.execute("DELETE FROM tails", [])?;
    }
    Ok(())
}
