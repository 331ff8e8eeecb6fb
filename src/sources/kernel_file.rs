//! A kernel file that is read at each tick.
//!
//! The file stays open and is read from its start, which costs a third less than opening it again, unless the process may
//! have few files open. The buffer is reused, so a tick does not allocate. It is opened without waiting, so that a pipe in its
//! place is an error instead of a hang.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
#[cfg(unix)]
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::byte_text::decode;
pub(super) use super::byte_text::visible;
use super::{SourceError, excerpt};
use crate::open_files;
use crate::reading::{Reading, ReadingOmission};

/// Largest size of a file; the kernel's are far smaller on any known machine.
pub(super) const FILE_BYTES_MAX: usize = 4 << 20;
/// The same of lists of mounts and network devices, of which hosts of many containers have tens of thousands.
pub(super) const LIST_BYTES_MAX: usize = 32 << 20;

/// A file with its candidate paths and its last content.
#[derive(Debug)]
pub(super) struct KernelFile {
    /// Paths in the order in which they are tried.
    paths: Vec<PathBuf>,
    /// Index of the path tried last.
    at: usize,
    open: Option<File>,
    bytes_max: usize,
    /// Starts with the text; it keeps its length between readings.
    buffer: Vec<u8>,
    /// The text, if it is not UTF-8.
    decoded: String,
}

/// Initial size of the buffer; most files of the kernel are smaller.
const BUFFER_BYTES: usize = 4 << 10;

impl KernelFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self::first_of([path])
    }

    /// The first of several paths that can be opened; errors name the last one.
    pub(super) fn first_of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            paths: paths.into_iter().collect(),
            at: 0,
            open: None,
            bytes_max: FILE_BYTES_MAX,
            buffer: Vec::new(),
            decoded: String::new(),
        }
    }

    /// The same file, which may be this large.
    pub(super) fn up_to(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    fn path(&self) -> &Path {
        self.paths.get(self.at).map_or(Path::new(""), PathBuf::as_path)
    }

    /// Reads the file as text; see [`decode`] for bytes that are none.
    ///
    /// # Errors
    /// If it is missing, cannot be read, or is too large.
    pub(super) fn read(&mut self) -> Result<KernelText<'_>, SourceError> {
        let length = self.read_bytes()?.1.len();
        let bytes = self.buffer.get(..length).unwrap_or_default();
        let text = decode(bytes, &mut self.decoded);
        Ok(KernelText { path: self.paths.get(self.at).map_or(Path::new(""), PathBuf::as_path), text })
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
        let is_new = self.open.is_none();
        if is_new {
            self.open = Some(self.open_first()?);
        }
        let Some(file) = &self.open else { return Err(ErrorKind::NotFound.into()) };
        let filled = fill(file, is_new, self.bytes_max, &mut self.buffer);
        if !may_stay_open(file, open_files::descriptors_max()) {
            self.open = None;
        }
        filled
    }

    fn open_first(&mut self) -> io::Result<File> {
        let mut outcome = Err(ErrorKind::NotFound.into());
        for (at, path) in self.paths.iter().enumerate() {
            self.at = at;
            outcome = open(path);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Whether a file stays open between readings. The lowest free descriptor is given out first, so files that stay take none of
/// the upper half, which is for connections and the store.
#[cfg(unix)]
fn may_stay_open(file: &File, descriptors_max: usize) -> bool {
    use std::os::fd::AsRawFd;
    usize::try_from(file.as_raw_fd()).is_ok_and(|it| it < descriptors_max / 2)
}

#[cfg(not(unix))]
fn may_stay_open(_: &File, _: usize) -> bool {
    true
}

/// Opens a file without waiting for anything.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

/// Reads a file from its start into the buffer; returns the length of the text. A file that was just opened is read from where
/// it is, as any program does, so that a library that is loaded before, to act as another kernel, sees it.
fn fill(mut file: &File, is_new: bool, bytes_max: usize, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut filled = 0;
    while filled <= bytes_max {
        if filled == buffer.len() {
            buffer.resize((2 * filled).max(BUFFER_BYTES), 0);
        }
        // A short read may be followed by more, because the kernel returns many files page by page.
        let rest = buffer.get_mut(filled..).unwrap_or_default();
        let first = if is_new && filled == 0 { file.read(rest) } else { Ok(0) };
        // A pipe, of which there is nothing to read, refuses an offset.
        let read = match first {
            Ok(0) => read_at(file, rest, filled as u64),
            first => first,
        };
        match read {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("larger than {bytes_max} bytes")))
}

/// The same for a file that the kernel makes as a whole, such as those of control groups: a read that leaves room in the
/// buffer was the last one.
fn fill_once(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.is_empty() {
        buffer.resize(2 * BUFFER_BYTES, 0);
    }
    match read_at(file, buffer, 0) {
        Ok(count) if count < buffer.len() => Ok(count),
        _ => fill(file, false, FILE_BYTES_MAX, buffer),
    }
}

/// The error of a file that cannot be read.
fn failed(path: &Path, source: io::Error) -> SourceError {
    /// The control group of an open file was removed.
    const ENODEV: i32 = 19;
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => SourceError::Unavailable { path },
        ErrorKind::Unsupported => SourceError::SwitchedOff { path },
        _ if source.raw_os_error() == Some(ENODEV) => SourceError::Unavailable { path },
        _ => SourceError::Read { path, source },
    }
}

/// Reads files that are not kept open, because there are many; all share one buffer.
#[derive(Debug, Default)]
pub(super) struct FileReader {
    buffer: Vec<u8>,
    decoded: String,
}

impl FileReader {
    /// Reads a file as text.
    ///
    /// # Errors
    /// As [`KernelFile::read`]; also unavailable if its directory was removed meanwhile.
    pub(super) fn read<'a>(&'a mut self, path: &'a Path) -> Result<KernelText<'a>, SourceError> {
        let length = match open(path).and_then(|it| fill_once(&it, &mut self.buffer)) {
            Ok(length) => length,
            Err(error) => {
                // The room that a huge file needed would stay.
                self.buffer = Vec::new();
                return Err(failed(path, error));
            }
        };
        let text = decode(self.buffer.get(..length).unwrap_or_default(), &mut self.decoded);
        Ok(KernelText { path, text })
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
    pub(super) fn lines(self) -> impl Iterator<Item = KernelFileLine<'a>> {
        self.text.lines().enumerate().map(move |(idx, text)| KernelFileLine {
            path: self.path,
            number: idx + 1,
            text,
        })
    }

    /// The lines that are not blank.
    pub(super) fn filled_lines(self) -> impl Iterator<Item = KernelFileLine<'a>> {
        self.lines().filter(|it| !it.text.trim_ascii().is_empty())
    }

    /// The error that the whole file has an unexpected format.
    pub(super) fn error(self) -> SourceError {
        KernelFileLine { path: self.path, number: 1, text: self.text.lines().next().unwrap_or_default() }
            .error()
    }
}

/// One line of a kernel file.
#[derive(Debug, Clone, Copy)]
pub(super) struct KernelFileLine<'a> {
    path: &'a Path,
    number: usize,
    pub(super) text: &'a str,
}

impl KernelFileLine<'_> {
    /// The error that this line has an unexpected format.
    pub(super) fn error(&self) -> SourceError {
        SourceError::Parse { path: self.path.into(), line: self.number, text: excerpt(&visible(self.text)) }
    }
}

/// Converts the result of a feature that a machine may lack; other failures stay failures.
pub(super) fn optional<T>(outcome: Result<T, SourceError>) -> Result<Option<T>, SourceError> {
    match outcome {
        Ok(it) => Ok(Some(it)),
        Err(SourceError::Unavailable { .. } | SourceError::SwitchedOff { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lines of a file that are not used because they are malformed, and fields that it lacks.
#[derive(Debug, Default)]
pub(super) struct SkippedLines {
    count: usize,
    first: Option<SourceError>,
    /// Fields that the file lacks, and its path.
    lacking: Vec<&'static str>,
    file: String,
}

impl SkippedLines {
    pub(super) fn add(&mut self, error: SourceError) {
        self.count += 1;
        self.first.get_or_insert(error);
    }

    /// Takes the value of a line; an error is added to the lines.
    pub(super) fn take<T>(&mut self, outcome: Result<T, SourceError>) -> Option<T> {
        outcome.map_err(|it| self.add(it)).ok()
    }

    /// Notes that a file lacks a field.
    pub(super) fn lacks(&mut self, text: KernelText<'_>, field: &'static str) {
        if self.lacking.is_empty() {
            self.file = text.path.display().to_string();
        }
        self.lacking.push(field);
    }

    /// Takes a field from those that are lacking, because another value stands in for it, and returns the sentence that it is.
    pub(super) fn take_lacking(&mut self, field: &str) -> Option<String> {
        let at = self.lacking.iter().position(|it| *it == field)?;
        self.lacking.remove(at);
        Some(format!("{} has no {field}", self.file))
    }

    /// The same without fields of which no value is needed.
    pub(super) fn without_lacking(mut self, fields: &[&str]) -> Self {
        self.lacking.retain(|it| !fields.contains(it));
        self
    }

    /// Takes the fields that are lacking, to note them together with those of other files.
    pub(super) fn take_all_lacking(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.lacking)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The file was of no use: the error of its first malformed line, or the given one.
    pub(super) fn fail(self, otherwise: SourceError) -> SourceError {
        self.first.unwrap_or(otherwise)
    }

    /// Adds the lines and fields to what a reading does not show.
    pub(super) fn add_to(self, into: &mut Reading) {
        if !self.lacking.is_empty() {
            let what = format!("{} has no {}", self.file, self.lacking.join(", "));
            into.note_omission(self.lacking.len(), what.clone(), what);
        }
        into.omissions.extend(self.omission());
    }

    /// The lines as something that a reading does not show.
    pub(super) fn omission(self) -> Option<ReadingOmission> {
        let error = self.first?;
        let what = error.to_string();
        let key = match error {
            SourceError::Parse { path, .. } => path.display().to_string(),
            _ => what.clone(),
        };
        Some(ReadingOmission { key, what, count: self.count })
    }
}

/// The value of a number that the kernel cannot mean, because it is so large that its sign was lost. A reading treats it as
/// missing, and says so.
pub(super) const IMPOSSIBLE: f64 = f64::INFINITY;
/// The same of a number below zero.
pub(super) const BELOW_ZERO: f64 = f64::NEG_INFINITY;

/// Parses a whole number; `None` for other text, and an infinity if the kernel cannot mean it.
pub(super) fn count(text: &str) -> Option<f64> {
    match text.parse::<u64>() {
        Ok(value) if i64::try_from(value).is_ok() => Some(value as f64),
        Ok(_) => Some(IMPOSSIBLE),
        Err(_) => text.parse::<i64>().ok().map(|_| BELOW_ZERO),
    }
}

/// Parses a number with decimals, as [`count`] does.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let value = text.parse().ok().filter(|it: &f64| it.is_finite())?;
    Some(if value < 0.0 { BELOW_ZERO } else { value })
}

/// Parses the next field as a whole number, as [`count`] does.
pub(super) fn number<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<f64> {
    count(fields.next()?)
}

#[cfg(test)]
mod tests;
