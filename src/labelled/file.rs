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

/// The most bytes of a file that is kept as a whole.
const TEXT_MAX: u64 = 64 << 20;

/// Opens a file; what it begins with tells whether it is compressed, and not its name.
pub(super) fn open(path: &Path) -> Result<impl BufRead + use<>, Problem> {
    bounded(path, BYTES_MAX)
}

fn bounded(path: &Path, bytes_max: u64) -> Result<impl BufRead + use<>, Problem> {
    let wrong = |error: &io::Error| Problem::of(path, format!("cannot be read: {error}"));
    let mut file = BufReader::new(File::open(path).map_err(|it| wrong(&it))?);
    let start = file.fill_buf().map_err(|it| wrong(&it))?;
    let (is_gzip, is_xz) = (start.starts_with(&[0x1f, 0x8b]), start.starts_with(b"\xfd7zXZ\0"));
    let unpacked: Box<dyn Read> = match (is_gzip, is_xz) {
        (true, _) => Box::new(MultiGzDecoder::new(file)),
        (_, true) => Box::new(XzReader::new(file, true)),
        _ => Box::new(file),
    };
    Ok(BufReader::new(Bounded { inner: unpacked, left: bytes_max, bytes_max }))
}

/// The whole text of a file.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    bounded(path, TEXT_MAX)?
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
    /// How much it was to begin with.
    bytes_max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let wrong = || io::Error::other(format!("it is larger than {} bytes", self.bytes_max));
        self.left = self.left.checked_sub(count as u64).ok_or_else(wrong)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_fails_and_is_not_cut() {
        let check = |bytes: usize, expected: Result<usize, &str>| {
            let mut text = String::new();
            let input = vec![b'x'; bytes];
            let found = Bounded { inner: input.as_slice(), left: 5, bytes_max: 5 }.read_to_string(&mut text);
            assert_eq!(found.map_err(|it| it.to_string()), expected.map_err(str::to_owned));
        };
        check(5, Ok(5));
        check(6, Err("it is larger than 5 bytes"));
    }
}
