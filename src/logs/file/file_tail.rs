//! All files of one log: found, followed through rotation, and forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::FileSettings;
use super::discovery::{self, DirectoryInodes, FILES_MAX};
use super::file_identity::FileId;
use super::file_position::FilePosition;
use super::tailed_file::{ReadOutcome, TailedFile};
use crate::logs::framing::LogMessage;
use crate::logs::{LogPositions, LogReadState};

mod search;

/// Seconds between two searches for files, and how many files add a second.
const SEARCH_SECONDS: f64 = 1.0;
const FILES_PER_SECOND: f64 = 1_000.0;
/// Largest number of files that are open between two polls.
pub(super) const OPEN_MAX: usize = 256;
/// Largest number of bytes that one poll reads; the flag that ends the thread is looked at in between.
const POLL_BYTES_MAX: u64 = 64 << 20;
/// Largest number of bytes of all lines that wait for their end.
const PENDING_BYTES_MAX: usize = 16 << 20;
/// Seconds without growth after which a file that was renamed or deleted is closed.
const QUIET_SECONDS: f64 = 60.0;
/// Seconds after which a file that is gone is forgotten; one that returns before goes on where it was.
const GONE_SECONDS: f64 = 86_400.0;
/// Largest number of problems with files that are logged; further ones are only counted.
const LOGGED_MAX: usize = 64;
const BUFFER_BYTES: usize = 256 << 10;
/// Key of the position that says that the log was read before.
const BEGUN: &str = "begun";

/// The files of one log.
#[derive(Debug)]
pub(super) struct FileTail<'a> {
    settings: &'a FileSettings,
    log: &'a str,
    positions: &'a LogPositions,
    files: Vec<TailedFile>,
    /// Index into `files`.
    by_id: BTreeMap<FileId, usize>,
    /// The files by their paths before the current search, links followed.
    by_path: BTreeMap<PathBuf, Vec<FileId>>,
    /// Positions from before the restart whose files were not found yet, by inode.
    stored: BTreeMap<u64, FilePosition>,
    /// Whether the log was never read before.
    is_first_start: bool,
    has_searched: bool,
    search_at: f64,
    /// The file that has the next turn.
    next: usize,
    /// Number of open files.
    open: usize,
    refused: usize,
    logged: BTreeSet<PathBuf>,
    buffer: Vec<u8>,
}

impl<'a> FileTail<'a> {
    pub(super) fn new(settings: &'a FileSettings, log: &'a str, positions: &'a LogPositions) -> Self {
        let stored = positions.of(log);
        let read = stored.iter().filter_map(|it| FilePosition::from_text(&it.key, &it.value));
        Self {
            settings,
            log,
            positions,
            files: Vec::new(),
            by_id: BTreeMap::new(),
            by_path: BTreeMap::new(),
            stored: read.map(|it| (it.id.inode, it)).collect(),
            is_first_start: positions.get(log, BEGUN).is_none(),
            has_searched: false,
            search_at: f64::NEG_INFINITY,
            next: 0,
            open: 0,
            refused: 0,
            logged: BTreeSet::new(),
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Reads what is new, and hands positions over; `now` in seconds of any clock that does not jump. Returns whether there
    /// is more to read at once.
    pub(super) fn poll(&mut self, now: f64, emit: &mut dyn FnMut(LogMessage<'_>)) -> bool {
        if now >= self.search_at {
            self.search(now);
            self.search_at = now + SEARCH_SECONDS + self.files.len() as f64 / FILES_PER_SECOND;
        }
        self.open = self.files.iter().filter(|it| it.is_open()).count();
        let mut budget = POLL_BYTES_MAX;
        let (count, mut is_more) = (self.files.len(), false);
        let first = std::mem::take(&mut self.next);
        for idx in (first..count).chain(0..first.min(count)) {
            if budget == 0 {
                (is_more, self.next) = (true, idx);
                break;
            }
            let (again, bytes) = self.look_at(idx, now, emit);
            is_more |= again;
            budget = budget.saturating_sub(bytes);
        }
        let mut pending: usize = self.files.iter().map(TailedFile::pending_bytes).sum();
        for file in self.files.iter_mut().filter(|it| it.pending_bytes() > 0) {
            file.flush_old(now, emit);
            if pending > PENDING_BYTES_MAX {
                pending -= file.pending_bytes();
                file.flush(emit);
            }
        }
        self.close_and_forget(now);
        self.hand_over();
        is_more
    }

    /// Looks at a file, and reads it for one turn if it changed. Returns whether to poll again at once, and the bytes read.
    fn look_at(&mut self, idx: usize, now: f64, emit: &mut dyn FnMut(LogMessage<'_>)) -> (bool, u64) {
        let Some(file) = self.files.get_mut(idx) else { return (false, 0) };
        let is_due = file.is_fresh || file.is_active(now);
        if file.copy_of.is_some() || file.is_unreadable && !file.is_fresh || !is_due && !file.is_open() {
            return (false, 0);
        }
        if file.missing_since.is_none() {
            let found = std::fs::metadata(&file.path).ok();
            match found.map(|it| file.has_changed(&it)) {
                Some(Some(false)) => {
                    file.is_fresh = false;
                    return (false, 0);
                }
                Some(Some(true)) => {}
                // Renamed or deleted: an open file is read on; the search looks for the others.
                Some(None) | None => {
                    self.search_at = now;
                    if !file.is_open() {
                        return (true, 0);
                    }
                }
            }
        } else if !file.is_open() {
            return (false, 0);
        }
        file.is_fresh = false;
        let was_open = file.is_open();
        match file.read(&mut self.buffer, now, emit) {
            Ok((outcome, bytes)) => {
                file.is_unreadable = false;
                if !was_open && self.open >= OPEN_MAX && outcome != ReadOutcome::More {
                    file.close();
                }
                self.open += usize::from(!was_open && file.is_open());
                match outcome {
                    ReadOutcome::End | ReadOutcome::More => {}
                    ReadOutcome::Truncated => self.truncated(idx, now, emit),
                    ReadOutcome::Replaced => self.search_at = now,
                }
                (matches!(outcome, ReadOutcome::More | ReadOutcome::Truncated), bytes)
            }
            Err(error) => {
                file.is_unreadable = true;
                let path = file.path.clone();
                self.log_problem(&path, &error.to_string());
                (false, 0)
            }
        }
    }

    /// Goes on in the copy of a truncated file, if there is one, and starts the file again.
    fn truncated(&mut self, idx: usize, now: f64, emit: &mut dyn FnMut(LogMessage<'_>)) {
        let original = self.files[idx].whole_position();
        let is_copied = self.release_copies(&original) || self.go_on_in_copy(&original, now);
        let file = &mut self.files[idx];
        if !is_copied {
            file.flush(emit);
        }
        file.start_again();
        // The inode of a deleted file may be that of a copy now.
        let file = &self.files[idx];
        let original = discovery::open(&file.path).ok().and_then(|(it, _)| self.original_of(file, &it));
        self.files[idx].copy_of = original;
    }

    /// Searches a copy of a truncated file that no glob has found; returns whether there is one.
    fn go_on_in_copy(&mut self, original: &FilePosition, now: f64) -> bool {
        let found = DirectoryInodes::default().copy(&original.path, &original.head, original.offset);
        let Some((path, handle, metadata)) = found else { return false };
        let id = FileId::of(&metadata);
        if let Some(idx) = self.by_id.get(&id) {
            let known = &mut self.files[*idx];
            // Otherwise it has a position of its own.
            if known.position.head.bytes == 0 || !known.position.head.is_of(&handle).unwrap_or(true) {
                known.resume_from_copy(original);
                if known.missing_since.is_some() {
                    known.open_as(handle);
                }
            }
            return true;
        }
        let position = FilePosition { id, path: path.clone(), ..original.clone() };
        self.add(TailedFile::at(position, path, self.settings.format, now));
        true
    }

    /// Lets copies of a file go on where it was; returns whether there is one.
    fn release_copies(&mut self, original: &FilePosition) -> bool {
        let copies = self.files.iter_mut().filter(|it| it.copy_of == Some(original.id));
        copies.map(|it| it.resume_from_copy(original)).count() > 0
    }

    fn add(&mut self, file: TailedFile) {
        self.by_id.insert(file.id(), self.files.len());
        self.by_path.entry(file.real_path().to_owned()).or_default().push(file.id());
        self.files.push(file);
    }

    /// Closes files that were renamed or deleted and are quiet, and forgets those that are gone for long.
    fn close_and_forget(&mut self, now: f64) {
        for idx in 0..self.files.len() {
            let file = &mut self.files[idx];
            let is_quiet = file.missing_since.is_some_and(|it| now - it >= QUIET_SECONDS);
            if is_quiet && file.is_open() && !file.is_active(now) {
                file.close();
                let original = file.whole_position();
                self.release_copies(&original);
            }
        }
        let excess = self.files.len().saturating_sub(2 * FILES_MAX);
        let is_over =
            |it: &TailedFile| !it.is_open() && it.missing_since.is_some_and(|it| now - it >= GONE_SECONDS);
        if excess == 0 && !self.files.iter().any(is_over) {
            return;
        }
        let mut missing: Vec<(f64, FileId)> =
            self.files.iter().filter_map(|it| Some((it.missing_since?, it.id()))).collect();
        missing.sort_by(|one, other| one.0.total_cmp(&other.0));
        let oldest: BTreeSet<FileId> = missing.into_iter().take(excess).map(|it| it.1).collect();
        self.files.retain(|it| {
            let goes = is_over(it) || oldest.contains(&it.id());
            if goes {
                self.positions.remove(self.log, &it.position.key());
            }
            !goes
        });
        self.by_id = self.files.iter().enumerate().map(|(idx, it)| (it.id(), idx)).collect();
    }

    /// Hands changed positions over to the store.
    fn hand_over(&mut self) {
        let mut is_full = false;
        for position in self.files.iter_mut().filter_map(TailedFile::take_position) {
            let Some(text) = position.to_text() else { continue };
            is_full |= !self.positions.set(self.log, &position.key(), text);
        }
        if is_full {
            self.log_problem(
                Path::new("**"),
                "there are too many positions to store; a restart starts some files anew",
            );
        }
    }

    /// Logs a problem with a path once.
    fn log_problem(&mut self, path: &Path, reason: &str) {
        if self.logged.len() < LOGGED_MAX && self.logged.insert(path.to_owned()) {
            tracing::warn!(log = self.log, path = %path.display(), reason, "file of a log cannot be read");
        }
    }

    /// Sets the counts of files.
    pub(super) fn count(&self, counts: &LogReadState) {
        let count = |is: fn(&TailedFile) -> bool| self.files.iter().filter(|it| is(it)).count();
        counts.set_files(
            count(|it| it.missing_since.is_none() && !it.is_unreadable),
            count(TailedFile::is_open),
            self.refused + count(|it| it.is_unreadable),
            self.files.iter().map(TailedFile::lag_bytes).sum(),
        );
    }
}
