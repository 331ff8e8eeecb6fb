//! Opens files and standard input, compressed or not, as a stream of plain bytes.
//!
//! The compression is detected from the first bytes, because standard input has no name. Only one block is in memory, so a
//! decompression bomb costs time but no memory.

#![expect(clippy::disallowed_methods, reason = "opens the files of tables")]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::error::TableProblem;
use crate::whole_file;

/// Largest memory for an xz file; `xz -9` needs 65 MiB, its default 9.
const XZ_KIB_MAX: u32 = 72 << 10;
/// Number of bytes read at once.
const BLOCK_BYTES: usize = 64 << 10;
/// The byte order mark that spreadsheets write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Length of the longest prefix below; also enough to recognize UTF-16.
const MAGIC_BYTES_MAX: usize = 15;

const GZIP: &[u8] = b"\x1f\x8b";
const XZ: &[u8] = b"\xfd7zXZ\0";

/// Prefixes of files that users mistake for tables, with their kinds; `?` is any byte.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"BZh?1AY", "compressed by bzip2"),
    (b"\x04\x22\x4d\x18", "compressed by lz4"),
    (b"\x02\x21\x4c\x18", "compressed by lz4"),
    (b"\x5d\0\0", "compressed by lzma"),
    (b"\x1f\x9d", "compressed by compress"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (xls)"),
    (b"PAR1\x15", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
];

/// Uncompressed bytes of an input.
pub struct InputStream {
    pub(super) bytes: Box<dyn BufRead>,
    /// The compression.
    pub(super) format: Option<&'static str>,
}

impl InputStream {
    /// Opens a file, limited to `bytes_max` uncompressed bytes, for callers that keep all of it.
    ///
    /// # Errors
    /// If it cannot be read, or is of an unsupported kind.
    pub fn within(path: &Path, bytes_max: u64) -> Result<Self, TableProblem> {
        let Self { bytes, format } = Self::of(File::open(path).map_err(|error| unreadable(&error))?)?;
        let bytes =
            BufReader::with_capacity(BLOCK_BYTES, BoundedReader { inner: bytes, left: bytes_max, bytes_max });
        Ok(Self { bytes: Box::new(bytes), format })
    }

    /// Reads the whole text.
    ///
    /// # Errors
    /// If it cannot be read, or is not UTF-8.
    pub fn text(mut self) -> Result<String, TableProblem> {
        let mut bytes = Vec::new();
        self.bytes.read_to_end(&mut bytes).map_err(|error| self.problem(&error))?;
        String::from_utf8(bytes).map_err(|_| TableProblem::Unreadable("it is not text (UTF-8)".into()))
    }

    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, TableProblem> {
        if path.as_os_str() == "-" {
            return Self::of(io::stdin());
        }
        Self::of(File::open(path).map_err(|error| unreadable(&error))?)
    }

    /// Reads from any bytes.
    ///
    /// # Errors
    /// If they cannot be read, or are of an unsupported kind.
    pub fn of(source: impl Read + 'static) -> Result<Self, TableProblem> {
        let (head, source) = peek(source, MAGIC_BYTES_MAX).map_err(|error| unreadable(&error))?;
        let (is_gzip, is_xz) = (head.starts_with(GZIP), head.starts_with(XZ));
        let whole = BufReader::with_capacity(BLOCK_BYTES, Cursor::new(head).chain(source));
        if is_gzip {
            Self::plain(MultiGzDecoder::new(whole), Some("gzip"))
        } else if is_xz {
            Self::plain(XzReader::new_mem_limit(whole, true, XZ_KIB_MAX), Some("xz"))
        } else {
            Self::plain(whole, None)
        }
    }

    fn plain(source: impl Read + 'static, format: Option<&'static str>) -> Result<Self, TableProblem> {
        let peeked = peek(source, MAGIC_BYTES_MAX);
        let (mut head, rest) = peeked.map_err(|error| problem(format, &error))?;
        if let Some(kind) = foreign_kind(&head) {
            return Err(TableProblem::Foreign(kind));
        }
        while head.starts_with(BYTE_ORDER_MARK) {
            head.drain(..BYTE_ORDER_MARK.len());
        }
        let bytes = BufReader::with_capacity(BLOCK_BYTES, Cursor::new(head).chain(rest));
        Ok(Self { bytes: Box::new(bytes), format })
    }

    /// Converts an error while reading these bytes.
    pub fn problem(&self, error: &io::Error) -> TableProblem {
        problem(self.format, error)
    }
}

/// A reader that fails at its limit, instead of truncating.
struct BoundedReader<R> {
    /// The underlying reader.
    inner: R,
    /// Number of bytes left.
    left: u64,
    /// The limit.
    bytes_max: u64,
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let wrong = || {
            let text = format!("it is larger than {} bytes", self.bytes_max);
            io::Error::new(io::ErrorKind::FileTooLarge, text)
        };
        self.left = self.left.checked_sub(count as u64).ok_or_else(wrong)?;
        Ok(count)
    }
}

/// The kind of a file that starts with these bytes, after decompression, if it is not text in UTF-8.
fn foreign_kind(head: &[u8]) -> Option<&'static str> {
    let has = |magic: &&[u8]| {
        head.len() >= magic.len() && magic.iter().zip(head).all(|(magic, it)| *magic == b'?' || magic == it)
    };
    if whole_file::is_wide_text(head) {
        return Some("text in UTF-16 or UTF-32");
    }
    if [GZIP, XZ].iter().any(has) {
        return Some("compressed twice");
    }
    FOREIGN.iter().find(|(magic, _)| has(magic)).map(|(_, kind)| *kind)
}

fn problem(format: Option<&'static str>, error: &io::Error) -> TableProblem {
    match format {
        // An error of the system is no fault of the data.
        Some(format) if error.raw_os_error().is_none() => match error.kind() {
            io::ErrorKind::UnexpectedEof => TableProblem::Truncated { format },
            io::ErrorKind::FileTooLarge => unreadable(error),
            _ => TableProblem::Broken { format, reason: error.to_string() },
        },
        _ => unreadable(error),
    }
}

fn unreadable(error: &io::Error) -> TableProblem {
    TableProblem::Unreadable(error.to_string())
}

/// The first bytes, fewer only at the end, and a reader for the rest.
fn peek<R: Read>(mut source: R, count: usize) -> io::Result<(Vec<u8>, R)> {
    let mut head = Vec::with_capacity(count);
    source.by_ref().take(count as u64).read_to_end(&mut head)?;
    Ok((head, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_text_are_named() {
        let sqlite = b"SQLite format 3\0".as_slice();
        for (bytes, kind) in [
            (b"BZh91AY&SY".as_slice(), "compressed by bzip2"),
            (b"BZh11AY&SY", "compressed by bzip2"),
            (b"\x28\xb5\x2f\xfd\x24", "compressed by zstd"),
            (b"\x04\x22\x4d\x18\x64", "compressed by lz4"),
            (b"]\0\0\x80\0\xff\xff", "compressed by lzma"),
            (b"\x1f\x9d\x90", "compressed by compress"),
            (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
            (b"PK\x03\x04\x14", "a zip archive or a spreadsheet"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old spreadsheet (xls)"),
            (sqlite, "an SQLite database"),
            (b"a\0,\0b\0\n\0", "text in UTF-16 or UTF-32"),
            (b"\x1f\x8b\x08", "compressed twice"),
        ] {
            assert_eq!(foreign_kind(bytes), Some(kind), "{bytes:?}");
        }
        for text in ["", "BZh", "BZh9", "timestamp,cpu\n", "]", "SQLite,a\n", "7z,a\n1,2\n"] {
            assert_eq!(foreign_kind(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn an_oversized_file_fails_and_is_not_truncated() {
        let check = |bytes: usize, expected: Result<usize, &str>| {
            let mut text = String::new();
            let input = vec![b'x'; bytes];
            let found =
                BoundedReader { inner: input.as_slice(), left: 5, bytes_max: 5 }.read_to_string(&mut text);
            assert_eq!(found.map_err(|it| it.to_string()), expected.map_err(str::to_owned));
        };
        check(5, Ok(5));
        check(6, Err("it is larger than 5 bytes"));
    }

    #[test]
    fn an_oversized_file_is_not_called_corrupt() {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 5 bytes");
        let found = problem(Some("xz"), &error).to_string();
        assert_eq!(found, "cannot be read: it is larger than 5 bytes");
    }
}
