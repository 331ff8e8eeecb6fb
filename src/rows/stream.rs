//! From a path to plain bytes: files and standard input, compressed or not, always as a stream.
//!
//! How a file is compressed is seen by its first bytes, as names lie and standard input has none. Nothing is ever
//! held but one block, so that a small file that unpacks to terabytes costs time and no memory.

#![expect(clippy::disallowed_methods, reason = "opens the files of tables")]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::problem::Problem;

/// Most memory that an xz file may ask for; `xz -9` needs 65 MiB, its default 9.
const XZ_KIB_MAX: u32 = 72 << 10;
/// How much is read at once.
const BLOCK_BYTES: usize = 64 << 10;
/// What stands before text in UTF-8 that a spreadsheet wrote.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Longest of the beginnings below.
const MAGIC_BYTES_MAX: usize = 6;

const GZIP: &[u8] = b"\x1f\x8b";
const XZ: &[u8] = b"\xfd7zXZ\0";

/// Beginnings of files that a table is at times mistaken for, and what they are.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"BZh91A", "compressed by bzip2"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet"),
    (b"PAR1\x15", "a Parquet file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
];

/// Plain bytes with what they came from.
pub(super) struct Stream {
    pub(super) bytes: Box<dyn BufRead>,
    /// How they were compressed.
    pub(super) format: Option<&'static str>,
}

impl Stream {
    /// A file; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        if path.as_os_str() == "-" {
            return Self::of(io::stdin());
        }
        Self::of(File::open(path).map_err(|error| unreadable(&error))?)
    }

    /// Bytes from anywhere.
    pub(super) fn of(source: impl Read + 'static) -> Result<Self, Problem> {
        let (head, source) = peek(source, MAGIC_BYTES_MAX).map_err(|error| unreadable(&error))?;
        if let Some((_, kind)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Err(Problem::Foreign(kind));
        }
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

    fn plain(source: impl Read + 'static, format: Option<&'static str>) -> Result<Self, Problem> {
        let mut source: Box<dyn Read> = Box::new(source);
        loop {
            let peeked = peek(source, BYTE_ORDER_MARK.len());
            let (head, rest) = peeked.map_err(|error| problem(format, &error))?;
            if head == BYTE_ORDER_MARK {
                source = Box::new(rest);
                continue;
            }
            let bytes = BufReader::with_capacity(BLOCK_BYTES, Cursor::new(head).chain(rest));
            return Ok(Self { bytes: Box::new(bytes), format });
        }
    }

    /// What an error means while these bytes are read.
    pub(super) fn problem(&self, error: &io::Error) -> Problem {
        problem(self.format, error)
    }
}

fn problem(format: Option<&'static str>, error: &io::Error) -> Problem {
    match format {
        // What has a number of the system is no fault of the data.
        Some(format) if error.raw_os_error().is_none() => match error.kind() {
            io::ErrorKind::UnexpectedEof => Problem::Truncated { format },
            _ => Problem::Broken { format, reason: error.to_string() },
        },
        _ => unreadable(error),
    }
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::Unreadable(error.to_string())
}

/// The first bytes, fewer only at the end, and what follows them.
fn peek<R: Read>(mut source: R, count: usize) -> io::Result<(Vec<u8>, R)> {
    let mut head = Vec::with_capacity(count);
    source.by_ref().take(count as u64).read_to_end(&mut head)?;
    Ok((head, source))
}
