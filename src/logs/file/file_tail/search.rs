//! Finds the files of a log, and finds those again that were renamed or deleted.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use super::{BEGUN, FileTail};
use crate::logs::file::StartFrom;
use crate::logs::file::discovery::{self, DirectoryInodes, FILES_MAX};
use crate::logs::file::file_identity::{FileHead, FileId};
use crate::logs::file::file_position::FilePosition;
use crate::logs::file::tailed_file::TailedFile;

impl FileTail<'_> {
    /// Searches for new, renamed and deleted files.
    pub(super) fn search(&mut self, now: f64) {
        let found = discovery::find(&self.settings.paths);
        let mut listings = DirectoryInodes::default();
        self.refused = found.refused.len() + found.beyond;
        for (path, reason) in &found.refused {
            self.log_problem(path, reason);
        }
        if found.beyond > 0 {
            let reason = format!("a log has at most {FILES_MAX} files; make its paths narrower");
            self.log_problem(Path::new("*"), &reason);
        }
        self.by_path.clear();
        for file in &self.files {
            self.by_path.entry(file.real_path().to_owned()).or_default().push(file.id());
        }
        let ids: BTreeSet<FileId> = found.files.iter().map(|(_, it)| FileId::of(it)).collect();
        if !self.has_searched {
            self.resume_renamed(&ids, &mut listings, now);
        }
        let mut seen = BTreeSet::new();
        let mut new = Vec::new();
        for (path, metadata) in found.files {
            // A link and its file are one.
            if !seen.insert(FileId::of(&metadata)) {
                continue;
            }
            match self.by_id.get(&FileId::of(&metadata)).copied() {
                Some(idx) => self.files[idx].found_at(path),
                None if self.resume(&path, &metadata, now) => {}
                None => new.push((path, metadata)),
            }
        }
        // Last, when all files of which they may be copies are known.
        new.into_iter().for_each(|(path, metadata)| self.found(path, &metadata, now));
        for idx in 0..self.files.len() {
            let file = &mut self.files[idx];
            if !seen.contains(&file.id()) && file.missing_since.is_none() {
                file.missing_since = Some(now);
                if !file.is_open()
                    && let Some(handle) =
                        listings.find_renamed_file(file.real_path(), file.id(), &file.position.head)
                {
                    file.open_as(handle);
                }
                if !file.is_open() {
                    let original = file.whole_position();
                    self.release_copies(&original);
                }
            }
        }
        self.has_searched = true;
        if self.is_first_start {
            self.is_first_start = false;
            self.positions.set(self.log, BEGUN, "1".to_owned());
        }
    }

    /// Goes on in files that were renamed while nobody looked, before the files that took their places.
    fn resume_renamed(&mut self, found: &BTreeSet<FileId>, listings: &mut DirectoryInodes, now: f64) {
        let is_found = |it: &FilePosition| found.iter().any(|id| id.inode == it.id.inode);
        let lost: Vec<u64> = self.stored.values().filter(|it| !is_found(it)).map(|it| it.id.inode).collect();
        for inode in lost {
            let Some(position) = self.stored.remove(&inode) else { continue };
            if position.head.bytes == 0 {
                self.positions.remove(self.log, &position.key());
                continue;
            }
            let renamed = listings.find_renamed_file(&position.path, position.id, &position.head);
            let mut file = TailedFile::at(position.clone(), position.path, self.settings.format, now);
            file.missing_since = Some(now);
            if let Some(handle) = renamed {
                file.open_as(handle);
            }
            self.add(file);
        }
    }

    /// Goes on in a file that was read before a restart; returns whether it was.
    fn resume(&mut self, path: &Path, metadata: &Metadata, now: f64) -> bool {
        let id = FileId::of(metadata);
        let real = || std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let is_it = |it: &FilePosition| it.id == id || it.path == real();
        if !self.stored.get(&id.inode).is_some_and(is_it) {
            return false;
        }
        let Some(position) = self.stored.remove(&id.inode) else { return false };
        if position.head.bytes == 0 {
            // It was empty: nothing tells it from another file with its inode.
            return false;
        }
        if position.id != id {
            // The number of a device changes with the order in which it is found at boot.
            self.positions.remove(self.log, &position.key());
        }
        let known = position.path.clone();
        let mut file = TailedFile::at(FilePosition { id, ..position }, known, self.settings.format, now);
        file.found_at(path.to_owned());
        self.add(file);
        true
    }

    /// Adds a file that was not known.
    fn found(&mut self, path: PathBuf, metadata: &Metadata, now: f64) {
        let id = FileId::of(metadata);
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let format = self.settings.format;
        let is_old = self.is_first_start && self.settings.from == StartFrom::End;
        let offset = if is_old { metadata.len() } else { 0 };
        let start = FilePosition { id, head: FileHead::default(), offset, passed: 0, path: real };
        let mut file = TailedFile::at(start, path, format, now);
        let ready = discovery::open(&file.path).and_then(|(handle, metadata)| match is_old {
            true => file.seek_end(&handle, &metadata),
            false => {
                file.copy_of = self.original_of(&file, &handle);
                Ok(())
            }
        });
        if let Err(error) = ready {
            file.is_unreadable = true;
            self.log_problem(&file.path, &error.to_string());
        }
        self.add(file);
    }

    /// The file of which a new file is a copy, such as `access.log` of `access.log.1`.
    pub(super) fn original_of(&self, file: &TailedFile, handle: &File) -> Option<FileId> {
        let path = &std::fs::canonicalize(&file.path).ok()?;
        let name = path.file_name()?.to_str()?;
        let shorter = name.char_indices().skip(1).map(|(end, _)| path.with_file_name(&name[..end]));
        let known = shorter.filter_map(|it| self.by_path.get(&it)).flatten();
        let files = known.filter_map(|it| self.by_id.get(it)).filter_map(|it| self.files.get(*it));
        let others = files.filter(|it| it.id() != file.id() && it.position.head.bytes > 0);
        let original = others.into_iter().find(|it| {
            // It may have another name by now.
            it.position.head.is_of(handle).unwrap_or(false)
        });
        original.map(TailedFile::id)
    }
}
