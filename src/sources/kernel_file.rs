//! A kernel file that is read at each tick.
//!
//! The file stays open and is read from its start, which costs a third less than opening it again. The buffer is reused, so
//! a tick does not allocate.

use std::fs::File;
use std::io::{self, ErrorKind};
#[cfg(unix)]
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{SourceError, excerpt};

/// Largest size of a file; the kernel's are far smaller on any known machine.
pub(super) const FILE_BYTES_MAX: usize = 4 << 20;

/// A file with its candidate paths and its last content.
#[derive(Debug)]
pub(super) struct KernelFile {
    /// Paths in the order in which they are tried.
    paths: Vec<PathBuf>,
    /// Index of the path tried last.
    at: usize,
    open: Option<File>,
    /// Starts with the text; it keeps its length between readings.
    buffer: Vec<u8>,
}

/// Initial size of the buffer; most files of the kernel are smaller.
const BUFFER_BYTES: usize = 4 << 10;

impl KernelFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self::first_of([path])
    }

    /// The first of several paths that can be opened; errors name the last one.
    pub(super) fn first_of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), at: 0, open: None, buffer: Vec::new() }
    }

    fn path(&self) -> &Path {
        self.paths.get(self.at).map_or(Path::new(""), PathBuf::as_path)
    }

    /// Reads the file as text.
    ///
    /// # Errors
    /// If it is missing, cannot be read, exceeds [`FILE_BYTES_MAX`], or is not UTF-8.
    pub(super) fn read(&mut self) -> Result<KernelText<'_>, SourceError> {
        let (path, bytes) = self.read_bytes()?;
        text_of(path, bytes)
    }

    /// Reads the file as bytes, because file names need not be text; returns its path as well.
    ///
    /// # Errors
    /// As [`Self::read`], except for the encoding.
    pub(super) fn read_bytes(&mut self) -> Result<(&Path, &[u8]), SourceError> {
        match self.refill() {
            Ok(length) => Ok((self.path(), self.buffer.get(..length).unwrap_or_default())),
            Err(source) => {
                self.open = None;
                self.buffer = Vec::new();
                Err(failed(self.path(), source))
            }
        }
    }

    /// Reads the file into the buffer; returns the length of the text.
    fn refill(&mut self) -> io::Result<usize> {
        if self.open.is_none() {
            self.open = Some(self.open_first()?);
        }
        let Some(file) = &self.open else { return Err(ErrorKind::NotFound.into()) };
        fill(file, &mut self.buffer)
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the sources open their files")]
    fn open_first(&mut self) -> io::Result<File> {
        let mut outcome = Err(ErrorKind::NotFound.into());
        for (at, path) in self.paths.iter().enumerate() {
            self.at = at;
            outcome = File::open(path);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Reads a file from its start into the buffer; returns the length of the text.
fn fill(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut filled = 0;
    while filled <= FILE_BYTES_MAX {
        if filled == buffer.len() {
            buffer.resize((2 * filled).max(BUFFER_BYTES), 0);
        }
        // A short read may be followed by more, because the kernel returns many files page by page.
        match read_at(file, buffer.get_mut(filled..).unwrap_or_default(), filled as u64) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")))
}

/// The same for a file that the kernel makes as a whole, such as those of control groups: a read that leaves room in the
/// buffer was the last one.
fn fill_once(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.is_empty() {
        buffer.resize(2 * BUFFER_BYTES, 0);
    }
    match read_at(file, buffer, 0) {
        Ok(count) if count < buffer.len() => Ok(count),
        _ => fill(file, buffer),
    }
}

/// The error of a file that cannot be read.
fn failed(path: &Path, source: io::Error) -> SourceError {
    /// The control group of an open file was removed.
    const ENODEV: i32 = 19;
    let path = path.to_owned();
    match source.kind() {
        // A kernel booted with pressure accounting disabled has the files and refuses to read them.
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::Unsupported => {
            SourceError::Unavailable { path }
        }
        _ if source.raw_os_error() == Some(ENODEV) => SourceError::Unavailable { path },
        _ => SourceError::Read { path, source },
    }
}

/// The bytes as text.
fn text_of<'a>(path: &'a Path, bytes: &'a [u8]) -> Result<KernelText<'a>, SourceError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(KernelText { path, text }),
        Err(error) => {
            let (good, bad) = bytes.split_at(error.valid_up_to());
            let line = good.iter().filter(|it| **it == b'\n').count() + 1;
            let bad = bad.get(..bad.len().min(256)).unwrap_or_default();
            Err(SourceError::Parse { path: path.into(), line, text: excerpt(&String::from_utf8_lossy(bad)) })
        }
    }
}

/// Reads files that are not kept open, because there are many; all share one buffer.
#[derive(Debug, Default)]
pub(super) struct FileReader {
    buffer: Vec<u8>,
}

impl FileReader {
    /// Reads a file as text.
    ///
    /// # Errors
    /// As [`KernelFile::read`]; also unavailable if its directory was removed meanwhile.
    #[expect(clippy::disallowed_methods, reason = "this is where the sources open their files")]
    pub(super) fn read<'a>(&'a mut self, path: &'a Path) -> Result<KernelText<'a>, SourceError> {
        let length = match File::open(path).and_then(|it| fill_once(&it, &mut self.buffer)) {
            Ok(length) => length,
            Err(error) => {
                // The room that a huge file needed would stay.
                self.buffer = Vec::new();
                return Err(failed(path, error));
            }
        };
        text_of(path, self.buffer.get(..length).unwrap_or_default())
    }
}

/// One system call instead of seeking and reading.
fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return file.read_at(into, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, into, offset);
}

/// The content of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct KernelText<'a> {
    path: &'a Path,
    pub(super) text: &'a str,
}

impl<'a> KernelText<'a> {
    /// Text that is in no file.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    /// Each line with its number, for errors.
    pub(super) fn lines(self) -> impl Iterator<Item = KernelLine<'a>> {
        self.text.lines().enumerate().map(move |(idx, text)| KernelLine {
            path: self.path,
            number: idx + 1,
            text,
        })
    }

    /// The error that the whole file has an unexpected format.
    pub(super) fn error(self) -> SourceError {
        KernelLine { path: self.path, number: 1, text: self.text.lines().next().unwrap_or_default() }.error()
    }
}

/// One line of a kernel file.
#[derive(Debug, Clone, Copy)]
pub(super) struct KernelLine<'a> {
    path: &'a Path,
    number: usize,
    pub(super) text: &'a str,
}

impl KernelLine<'_> {
    /// The error that this line has an unexpected format.
    pub(super) fn error(&self) -> SourceError {
        SourceError::Parse { path: self.path.into(), line: self.number, text: excerpt(self.text) }
    }
}

/// Converts the result of a feature that a machine may lack; other failures stay failures.
pub(super) fn optional<T>(outcome: Result<T, SourceError>) -> Result<Option<T>, SourceError> {
    match outcome {
        Ok(it) => Ok(Some(it)),
        Err(SourceError::Unavailable { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Parses the next field as an integer.
pub(super) fn number<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<f64> {
    fields.next()?.parse::<u64>().ok().map(|it| it as f64)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use super::{KernelFile, SourceError, optional};

    #[test]
    fn the_first_path_that_opens_is_read_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (absent, present) = (dir.path().join("absent"), dir.path().join("present"));
        std::fs::write(&present, "one\n").unwrap();
        let mut file = KernelFile::first_of([absent, present.clone()]);
        assert_eq!(file.read().unwrap().text, "one\n");
        std::fs::write(&present, "2\n").unwrap();
        assert_eq!(file.read().unwrap().text, "2\n");
    }

    #[test]
    fn a_missing_file_is_unavailable_and_may_appear() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("late");
        let mut file = KernelFile::new(path.clone());
        assert!(matches!(file.read(), Err(SourceError::Unavailable { .. })));
        assert!(optional(file.read()).unwrap().is_none());
        std::fs::write(&path, "now").unwrap();
        assert_eq!(file.read().unwrap().text, "now");
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("binary");
        std::fs::write(&path, b"good\nalso good\nb\xffd\n").unwrap();
        let error = KernelFile::new(path).read().unwrap_err();
        assert!(error.to_string().contains("binary:3: "), "{error}");
    }
}
