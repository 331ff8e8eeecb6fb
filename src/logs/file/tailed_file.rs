//! One file that is followed: where it is, how far it was read, and what of it waits.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::discovery;
use super::file_identity::{FileHead, FileId};
use super::file_position::FilePosition;
use crate::logs::framing::{FileFormat, LineSplitter, LogFraming, LogMessage};

/// Seconds after which a line without an end is taken as it is.
const PARTIAL_SECONDS: f64 = 5.0;
/// Largest number of bytes of one file that are read before the next file has its turn.
const TURN_BYTES_MAX: u64 = 4 << 20;
/// Seconds without growth after which a file is looked at only when files are searched.
pub(super) const ACTIVE_SECONDS: f64 = 60.0;

/// A file that is followed.
#[derive(Debug)]
pub(super) struct TailedFile {
    /// Where the globs found it; a link may have changed since.
    pub(super) path: PathBuf,
    pub(super) position: FilePosition,
    /// When it was no longer found; none while it is there.
    pub(super) missing_since: Option<f64>,
    /// It has the content of this file, which is read instead until it is truncated or gone.
    pub(super) copy_of: Option<FileId>,
    /// Whether the last attempt to read it failed.
    pub(super) is_unreadable: bool,
    /// Whether it was just found, so that it is looked at even if it is quiet.
    pub(super) is_fresh: bool,
    /// Whether its stored path is an older one.
    is_moved: bool,
    /// Whether its position is not handed over yet.
    is_changed: bool,
    handle: Option<File>,
    format: FileFormat,
    splitter: LineSplitter,
    framing: LogFraming,
    /// Bytes that were read, at least up to the position.
    read_to: u64,
    /// Messages that were passed on before a restart.
    skip: u64,
    grown_at: f64,
    /// Size and time of change when it was last read to its end.
    seen: Option<(u64, i64, i64)>,
    size: u64,
}

/// What reading a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// All of it was read.
    End,
    /// There is more.
    More,
    /// It starts otherwise than before, or is shorter than what was read.
    Truncated,
    /// Its path leads to another file.
    Replaced,
}

impl TailedFile {
    /// A file that goes on from a position.
    pub(super) fn at(position: FilePosition, path: PathBuf, format: FileFormat, now: f64) -> Self {
        Self {
            path,
            missing_since: None,
            copy_of: None,
            is_unreadable: false,
            is_fresh: true,
            is_moved: false,
            is_changed: true,
            handle: None,
            format,
            splitter: LineSplitter::default(),
            framing: LogFraming::new(format),
            read_to: position.offset,
            skip: position.passed,
            position: FilePosition { passed: 0, ..position },
            grown_at: now,
            seen: None,
            size: 0,
        }
    }

    /// Starts at the end of the file; what follows an unfinished line starts with the next one.
    pub(super) fn seek_end(&mut self, file: &File, metadata: &Metadata) -> io::Result<()> {
        let end = metadata.len();
        let mut last = [b'\n'];
        if end > 0 {
            file.read_at(&mut last, end - 1)?;
        }
        if last != [b'\n'] {
            self.splitter = LineSplitter::within_line();
        }
        self.position.head = FileHead::read(file, end)?;
        (self.position.offset, self.read_to) = (end, end);
        Ok(())
    }

    pub(super) fn id(&self) -> FileId {
        self.position.id
    }

    pub(super) fn is_open(&self) -> bool {
        self.handle.is_some()
    }

    /// Reads on from a file that was renamed.
    pub(super) fn open_as(&mut self, file: File) {
        self.handle = Some(file);
    }

    /// Notes where a search found it. The stored path follows when it was read: until then, a copy has the old name.
    pub(super) fn found_at(&mut self, path: PathBuf) {
        self.is_moved |= self.path != path;
        (self.path, self.missing_since, self.is_fresh) = (path, None, true);
    }

    pub(super) fn close(&mut self) {
        self.handle = None;
    }

    pub(super) fn is_active(&self, now: f64) -> bool {
        now - self.grown_at < ACTIVE_SECONDS
    }

    /// Bytes that were found and not read yet.
    pub(super) fn lag_bytes(&self) -> u64 {
        self.size.saturating_sub(self.read_to)
    }

    /// Bytes that wait for their end.
    pub(super) fn pending_bytes(&self) -> usize {
        self.splitter.pending_bytes() + self.framing.pending_bytes()
    }

    /// Whether the path leads to this file, and it changed since it was read to its end; none if it leads elsewhere.
    pub(super) fn has_changed(&mut self, metadata: &Metadata) -> Option<bool> {
        if FileId::of(metadata) != self.id() {
            return None;
        }
        self.size = metadata.len();
        Some(self.seen != Some(state(metadata)))
    }

    /// Reads on, for one turn.
    ///
    /// # Errors
    /// If the file cannot be opened or read.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        now: f64,
        emit: &mut dyn FnMut(LogMessage<'_>),
    ) -> io::Result<(ReadOutcome, u64)> {
        let file = match self.handle.take() {
            Some(file) => file,
            None => {
                let (file, metadata) = discovery::open(&self.path)?;
                if FileId::of(&metadata) != self.id() {
                    return Ok((ReadOutcome::Replaced, 0));
                }
                file
            }
        };
        let mut turn_bytes = 0;
        let outcome = loop {
            let metadata = file.metadata()?;
            let length = file.read_at(buffer, self.read_to)?;
            self.size = metadata.len();
            // After the read: what was read is then from before a truncation, or refused.
            if metadata.len() < self.read_to || !self.position.head.is_of(&file)? {
                break ReadOutcome::Truncated;
            }
            if length == 0 {
                self.seen = Some(state(&metadata));
                break ReadOutcome::End;
            }
            if self.position.head.is_short() {
                self.position.head = FileHead::read(&file, self.read_to + length as u64)?;
            }
            self.take(&buffer[..length], emit);
            self.grown_at = now;
            turn_bytes += length as u64;
            if turn_bytes >= TURN_BYTES_MAX {
                break ReadOutcome::More;
            }
        };
        self.handle = Some(file);
        if outcome != ReadOutcome::Truncated && std::mem::take(&mut self.is_moved) {
            self.position.path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
            self.is_changed = true;
        }
        Ok((outcome, turn_bytes))
    }

    fn take(&mut self, bytes: &[u8], emit: &mut dyn FnMut(LogMessage<'_>)) {
        let base = self.read_to;
        let Self { splitter, framing, position, skip, .. } = self;
        splitter.push(bytes, |line, end, is_cut| {
            framing.line(line, is_cut, &mut |message| {
                position.passed += 1;
                match skip.checked_sub(1) {
                    Some(rest) => *skip = rest,
                    None => emit(message),
                }
            });
            if !framing.is_pending() {
                position.offset = base + end as u64;
                (position.passed, *skip) = (0, 0);
            }
        });
        self.read_to += bytes.len() as u64;
        self.is_changed = true;
    }

    /// Passes on what waits for its end, if it waited for long enough.
    pub(super) fn flush_old(&mut self, now: f64, emit: &mut dyn FnMut(LogMessage<'_>)) {
        if self.pending_bytes() > 0 && now - self.grown_at >= PARTIAL_SECONDS {
            self.flush(emit);
        }
    }

    /// Passes on what waits for its end, as if it ended here.
    pub(super) fn flush(&mut self, emit: &mut dyn FnMut(LogMessage<'_>)) {
        if let Some((line, is_cut)) = self.splitter.take() {
            self.framing.line(&line, is_cut, emit);
        }
        self.framing.flush(emit);
        (self.position.offset, self.position.passed, self.skip) = (self.read_to, 0, 0);
        self.is_changed = true;
    }

    /// Goes on at the position of the file of which it is a copy.
    pub(super) fn resume_from_copy(&mut self, original: &FilePosition) {
        let FilePosition { offset, passed, head, .. } = original;
        (self.position.offset, self.position.head, self.position.passed) = (*offset, *head, 0);
        (self.read_to, self.skip) = (*offset, *passed);
        (self.copy_of, self.seen, self.is_fresh, self.is_changed) = (None, None, true, true);
    }

    /// Starts again at the first byte, after a truncation.
    pub(super) fn start_again(&mut self) {
        let (splitter, framing) = (LineSplitter::default(), LogFraming::new(self.format));
        (self.splitter, self.framing, self.read_to, self.skip) = (splitter, framing, 0, 0);
        (self.position.offset, self.position.passed) = (0, 0);
        self.position.head = FileHead::default();
        (self.seen, self.is_fresh, self.is_changed) = (None, true, true);
    }

    /// The position to store, if it changed; messages that are still to be skipped count.
    pub(super) fn take_position(&mut self) -> Option<FilePosition> {
        let passed = self.position.passed + self.skip;
        std::mem::take(&mut self.is_changed).then(|| FilePosition { passed, ..self.position.clone() })
    }

    /// The position as it is.
    pub(super) fn whole_position(&self) -> FilePosition {
        FilePosition { passed: self.position.passed + self.skip, ..self.position.clone() }
    }

    /// Where the file is, when links are followed.
    pub(super) fn real_path(&self) -> &Path {
        &self.position.path
    }
}

fn state(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}
