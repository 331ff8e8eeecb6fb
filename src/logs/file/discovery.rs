//! Finds files: those of the globs, and those that were renamed or copied.
#![expect(clippy::disallowed_methods, reason = "lists directories")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirEntryExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use rustix::fs::OFlags;

use super::file_identity::{FileHead, FileId};

/// Largest number of files of a log.
pub(super) const FILES_MAX: usize = 10_000;
/// Largest number of entries of a directory that are looked at for a renamed file.
const ENTRIES_MAX: usize = 100_000;

/// Ends of names of compressed files: copies of what was read before.
const COMPRESSED: [&str; 8] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z", ".tgz"];

/// Why a text is no glob; none if it is.
pub(super) fn pattern_error(path: &str) -> Option<String> {
    Pattern::new(path).err().map(|error| format!("is not a glob: {error}"))
}

/// What the globs of a log found.
#[derive(Debug, Default)]
pub(super) struct FoundFiles {
    /// Path and state, in the order of globs and names.
    pub(super) files: Vec<(PathBuf, Metadata)>,
    /// Path and reason of what cannot be read.
    pub(super) refused: Vec<(PathBuf, String)>,
    /// Files beyond the bound.
    pub(super) beyond: usize,
}

/// The files of globs; symbolic links are followed.
pub(super) fn find(globs: &[String]) -> FoundFiles {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let mut found = FoundFiles::default();
    let paths = globs.iter().filter_map(|it| glob::glob_with(it, options).ok()).flatten();
    for path in paths.take(4 * FILES_MAX) {
        let path = match path {
            Ok(path) => path,
            Err(error) => {
                found.refused.push((error.path().to_owned(), error.error().to_string()));
                continue;
            }
        };
        if is_compressed(&path) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && found.files.len() < FILES_MAX => {
                found.files.push((path, metadata));
            }
            Ok(metadata) if metadata.is_file() => found.beyond += 1,
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => found.refused.push((path, not_a_file(&metadata).to_owned())),
            // It went away in between, or is a link to a file that is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => found.refused.push((path, error.to_string())),
        }
    }
    found
}

fn not_a_file(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "it is a pipe, whose lines another reader would miss; use the source syslog, or a file"
    } else if kind.is_socket() {
        "it is a socket; use the source syslog"
    } else {
        "it is a device, not a file"
    }
}

fn is_compressed(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    COMPRESSED.iter().any(|it| name.ends_with(it))
}

/// Opens a regular file without waiting: a pipe that took its place has no writer to wait for.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(not_a_file(&metadata)));
    }
    Ok((file, metadata))
}

/// Directories that were listed in one pass, so that many renamed files need one listing.
#[derive(Debug, Default)]
pub(super) struct DirectoryInodes(BTreeMap<PathBuf, BTreeMap<u64, PathBuf>>);

impl DirectoryInodes {
    /// The files beside a path, by inode.
    fn beside(&mut self, path: &Path) -> &BTreeMap<u64, PathBuf> {
        // A link stays where it is; its file is renamed where the file is.
        let directory = path.parent().unwrap_or(Path::new("/"));
        self.0.entry(directory.to_owned()).or_insert_with(|| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(ENTRIES_MAX);
            entries.map(|it| (it.ino(), it.path())).collect()
        })
    }

    /// A file that was renamed within its directory.
    pub(super) fn find_renamed_file(&mut self, path: &Path, id: FileId, head: &FileHead) -> Option<File> {
        let path = self.beside(path).get(&id.inode).filter(|_| head.bytes > 0)?.clone();
        let (file, metadata) = open(&path).ok()?;
        let is_it = metadata.is_file() && head.is_of(&file).ok()?;
        is_it.then_some(file)
    }

    /// A copy of a file that was truncated: it has its name with an ending, its head, and more than was read.
    pub(super) fn copy(
        &mut self,
        path: &Path,
        head: &FileHead,
        offset: u64,
    ) -> Option<(PathBuf, File, Metadata)> {
        if head.bytes == 0 {
            return None;
        }
        let candidates = self.beside(path).values().filter(|it| is_copy_name(it, path));
        candidates
            .filter_map(|it| {
                let (file, metadata) = open(it).ok()?;
                let is_it = metadata.len() >= offset && head.is_of(&file).ok()?;
                is_it.then(|| (it.clone(), file, metadata))
            })
            .next()
    }
}

/// Whether a name is that of a copy of a file, such as `access.log.1` or `access.log-20260102`.
pub(super) fn is_copy_name(copy: &Path, of: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|it| it.as_encoded_bytes().to_owned()).unwrap_or_default();
    let (copy_name, own) = (name(copy), name(of));
    copy.parent() == of.parent()
        && copy_name.len() > own.len()
        && copy_name.starts_with(&own)
        && !is_compressed(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_have_the_name_with_an_ending() {
        let check = |copy: &str, expect: bool| {
            assert_eq!(is_copy_name(Path::new(copy), Path::new("/a/x.log")), expect, "{copy}");
        };
        check("/a/x.log.1", true);
        check("/a/x.log-20260102", true);
        check("/a/x.log.1.gz", false);
        check("/a/x.log", false);
        check("/b/x.log.1", false);
        check("/a/y.log.1", false);
    }

    #[test]
    fn globs_are_checked() {
        assert_eq!(pattern_error("/var/log/**/*.log"), None);
        assert!(pattern_error("/var/log/[a").unwrap().starts_with("is not a glob: "));
    }
}
