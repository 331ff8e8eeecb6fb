//! A kernel file that is read again and again.
//!
//! The file stays open and is read from its start with `pread`: that costs a third less than to open it each
//! time, and the buffer is used again.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use super::{Error, excerpt};

/// Most bytes that are read of one file; the kernel's are far smaller on any machine known.
pub(super) const FILE_BYTES_MAX: usize = 4 << 20;

/// A path, the file behind it while it could be opened, and what was read last.
#[derive(Debug)]
pub(super) struct KernelFile {
    path: PathBuf,
    open: Option<File>,
    buffer: Vec<u8>,
}

impl KernelFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None, buffer: Vec::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The text of the file as it is now.
    ///
    /// # Errors
    /// When it is not there, cannot be read, is over [`FILE_BYTES_MAX`], or is not text.
    pub(super) fn read(&mut self) -> Result<&str, Error> {
        if let Err(error) = self.refill() {
            self.open = None;
            return Err(match error.kind() {
                ErrorKind::NotFound => Error::Unavailable { path: self.path.clone() },
                _ => Error::Read { path: self.path.clone(), source: error },
            });
        }
        std::str::from_utf8(&self.buffer).map_err(|error| {
            let good = &self.buffer[..error.valid_up_to()];
            let line = good.iter().filter(|it| **it == b'\n').count() + 1;
            let text = excerpt(&String::from_utf8_lossy(&self.buffer[error.valid_up_to()..]));
            Error::Parse { path: self.path.clone(), line, text }
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the sources open their files")]
    fn refill(&mut self) -> io::Result<()> {
        let file = match &mut self.open {
            Some(file) => {
                file.rewind()?;
                file
            }
            none => none.insert(File::open(&self.path)?),
        };
        self.buffer.clear();
        let limit = FILE_BYTES_MAX as u64 + 1;
        file.by_ref().take(limit).read_to_end(&mut self.buffer)?;
        if self.buffer.len() > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
        }
        Ok(())
    }
}

/// The path, line number and text of each line, so that a parser can say which one it did not understand.
pub(super) fn lines<'a>(path: &'a Path, text: &'a str) -> impl Iterator<Item = Line<'a>> {
    text.lines().enumerate().map(move |(idx, text)| Line { path, number: idx + 1, text })
}

/// One line of a kernel file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    path: &'a Path,
    number: usize,
    pub(super) text: &'a str,
}

impl Line<'_> {
    /// Says that this line is not what the kernel documents.
    pub(super) fn error(&self) -> Error {
        super::parse_error(self.path, self.number, self.text)
    }
}
