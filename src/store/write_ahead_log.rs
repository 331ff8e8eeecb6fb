//! The headers of SQLite's write-ahead log (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): whether a log
//! without a valid transaction is corrupt, or its first transaction was never finished.

#![expect(clippy::disallowed_methods, reason = "this is a file of the store")]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of the header of the log.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of the header of a page in it.
pub(super) const FRAME_HEADER_BYTES: usize = 24;
/// The first bytes of a log, without the last bit, which is set if its checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;
/// Number of restarts of a log of which pages may be left behind its newest ones; their salts count them.
const RESTARTS_MAX: u32 = 1 << 16;

/// Whether the log of a database ends before its first transaction was committed, as when the disk was full or the process
/// was killed: nothing is lost with it. A log that cannot be read, or with a damaged header, is not.
pub(super) fn is_unfinished(path: &Path) -> bool {
    read(path).unwrap_or(false)
}

fn read(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut header = [0; HEADER_BYTES];
    if size < header.len() as u64 {
        return Ok(true);
    }
    file.read_exact(&mut header)?;
    if !is_valid(&header) {
        return Ok(false);
    }
    let (page_bytes, salt) = (word(&header, 2), [word(&header, 4), word(&header, 5)]);
    let mut at = HEADER_BYTES as u64;
    let mut frame = [0; FRAME_HEADER_BYTES];
    // A page that is cut off was never committed.
    while at + frame.len() as u64 + u64::from(page_bytes) <= size {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut frame)?;
        let is_commit = word(&frame, 1) != 0;
        let found = [word(&frame, 2), word(&frame, 3)];
        // Pages from before the restart of a log are in the database already.
        let is_old = found != salt && (1..RESTARTS_MAX).contains(&salt[0].wrapping_sub(found[0]));
        if is_commit && !is_old {
            return Ok(false);
        }
        at += frame.len() as u64 + u64::from(page_bytes);
    }
    Ok(true)
}

/// Whether the header has the mark of a log, a size of pages, and its checksum.
fn is_valid(header: &[u8; HEADER_BYTES]) -> bool {
    let magic = word(header, 0);
    let is_big = magic & 1 == 1;
    let mut sums = [0_u32; 2];
    for pair in 0..3 {
        let words = [2 * pair, 2 * pair + 1].map(|it| {
            let word = word(header, it);
            if is_big { word } else { word.swap_bytes() }
        });
        sums[0] = sums[0].wrapping_add(words[0]).wrapping_add(sums[1]);
        sums[1] = sums[1].wrapping_add(words[1]).wrapping_add(sums[0]);
    }
    magic & !1 == MAGIC && word(header, 2) >= 512 && sums == [word(header, 6), word(header, 7)]
}

/// The big-endian word at this place.
fn word(bytes: &[u8], place: usize) -> u32 {
    let found = bytes.get(4 * place..4 * place + 4).and_then(|it| it.try_into().ok());
    u32::from_be_bytes(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A log with this many committed pages, copied while the database is open.
    fn log(commits: usize) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        for it in 0..commits {
            connection.execute_batch(&format!("CREATE TABLE t{it} (a)")).unwrap();
        }
        std::fs::read(directory.path().join("a.db-wal")).unwrap()
    }

    fn check(log: &[u8]) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), log).unwrap();
        is_unfinished(file.path())
    }

    #[test]
    fn a_log_that_ends_before_its_first_commit_is_unfinished() {
        let whole = log(1);
        // Two pages, of which the second one commits.
        let second = HEADER_BYTES + FRAME_HEADER_BYTES + 4096;
        assert_eq!(whole.len(), second + FRAME_HEADER_BYTES + 4096);
        for end in [0, 31, 32, 40, 1000, second, second + FRAME_HEADER_BYTES, whole.len() - 1] {
            assert!(check(&whole[..end]), "{end}");
        }
        assert!(!check(&whole));
    }

    #[test]
    fn a_log_that_was_damaged_is_not() {
        let whole = log(3);
        for at in 0..HEADER_BYTES + FRAME_HEADER_BYTES + 4096 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(!check(&damaged), "{at}");
        }
        assert!(!check(&[b'x'; 9000]));
        assert!(!is_unfinished(Path::new("/nonexistent")));
    }
}
