//! Opens files, compressed or not.
#![expect(clippy::disallowed_methods, reason = "reads the files it is given")]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::Problem;

/// The most bytes that are read of a file once it is unpacked: a small file can unpack to anything.
const BYTES_MAX: u64 = 4 << 30;

/// Opens a file; what it begins with tells whether it is compressed, and not its name.
pub(super) fn open(path: &Path) -> Result<impl BufRead, Problem> {
    let wrong = |error: &io::Error| Problem::of(path, format!("cannot be read: {error}"));
    let mut file = BufReader::new(File::open(path).map_err(|it| wrong(&it))?);
    let start = file.fill_buf().map_err(|it| wrong(&it))?;
    let (is_gzip, is_xz) = (start.starts_with(&[0x1f, 0x8b]), start.starts_with(b"\xfd7zXZ\0"));
    let unpacked: Box<dyn Read> = match (is_gzip, is_xz) {
        (true, _) => Box::new(MultiGzDecoder::new(file)),
        (_, true) => Box::new(XzReader::new(file, true)),
        _ => Box::new(file),
    };
    Ok(BufReader::new(Bounded { inner: unpacked, left: BYTES_MAX }))
}

/// The whole text of a file.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    open(path)?
        .read_to_string(&mut text)
        .map_err(|error| Problem::of(path, format!("cannot be read: {error}")))?;
    Ok(text)
}

/// Fails rather than to leave out the rest.
struct Bounded<R> {
    /// What is read.
    inner: R,
    /// How much more may be.
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(format!("it is larger than {BYTES_MAX} bytes")))?;
        Ok(count)
    }
}
