//! Models and whole states: files of their own beside the database.
//!
//! They are megabytes that are written once and seldom read. SQLite writes each page of them to its log and later into the
//! file, which takes five times the processor time of a plain file (see ADR 035). A file is named by the digest of what is
//! in it and is there before the row that names it, so that a transaction that fails leaves nothing but a file to sweep.

#![expect(clippy::disallowed_methods, reason = "these are files of the store")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::Error;
use crate::seal;

/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;
/// What the name of a file that is not whole yet ends with.
const UNFINISHED: &str = ".new";

/// The directory with these files.
#[derive(Debug, Clone)]
pub(super) struct Blobs(PathBuf);

impl Blobs {
    /// Those of a database.
    pub(super) fn of(database: &Path) -> Self {
        Self(PathBuf::from(format!("{}{}", database.display(), super::BLOBS)))
    }

    /// Writes and flushes these bytes; gives the name of their file.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<String, Error> {
        let name = name(bytes);
        let unfinished = self.0.join(format!("{name}{UNFINISHED}"));
        let write = || {
            fs::create_dir_all(&self.0)?;
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&unfinished, self.0.join(&name))
        };
        write().map_err(|source| Error::Io { path: unfinished.clone(), source })?;
        Ok(name)
    }

    /// What is in a file; nothing when it cannot be read or holds something else, which is said. Whoever decodes nothing
    /// says what follows from that.
    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        let path = self.0.join(name);
        let reason = match fs::read(&path) {
            Ok(bytes) if self::name(&bytes) == name => return bytes,
            Ok(_) => "it is garbled".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(path = %path.display(), reason, "a model or a state that was stored cannot be read");
        Vec::new()
    }

    /// Removes the files that no row names; gives the bytes of the others. One that cannot be removed is left to the next
    /// sweep, and files of other names are nobody's business here.
    pub(super) fn sweep(&self, connection: &Connection) -> Result<u64, Error> {
        // Rows of older versions name none.
        let mut statement =
            connection.prepare_cached("SELECT file FROM models UNION SELECT file FROM snapshots")?;
        let named = statement.query_map([], |row| row.get(0))?;
        let named = named.collect::<Result<Vec<Option<String>>, _>>()?;
        let mut bytes = 0;
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let digest = name.strip_suffix(UNFINISHED).unwrap_or(&name);
            if digest.len() != DIGITS || !digest.bytes().all(|it| it.is_ascii_hexdigit()) {
                continue;
            }
            let removed = !named.contains(&Some(name)) && fs::remove_file(entry.path()).is_ok();
            bytes += if removed { 0 } else { entry.metadata().map_or(0, |it| it.len()) };
        }
        Ok(bytes)
    }
}

/// The name of a file that holds these bytes.
fn name(bytes: &[u8]) -> String {
    format!("{:0DIGITS$x}", seal::digest(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{FILE, schema};
    use super::*;

    fn names(blobs: &Blobs) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&blobs.0)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_no_row_names_is_swept_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let connection = schema::open(&path).unwrap();
        let blobs = Blobs::of(&path);
        assert_eq!(blobs.sweep(&connection).unwrap(), 0);
        let [model, state, _] = [[1; 3], [2; 3], [3; 3]].map(|it| blobs.write(&it).unwrap());
        let named = format!(
            "INSERT INTO models VALUES ('a', 'host', 1.5, 'current', '{{}}', 'd', 1, x'', '{model}', 3);
             INSERT INTO snapshots VALUES (1, 2.5, 'f', NULL, NULL, x'', '{state}', 3);
             INSERT INTO snapshots VALUES (2, 2.5, 'f', NULL, NULL, x'01', NULL, 0);"
        );
        connection.execute_batch(&named).unwrap();
        for other in ["notes.txt", &format!("{state}.new"), "0123456789abcdef"] {
            fs::write(blobs.0.join(other), other).unwrap();
        }
        assert_eq!(blobs.sweep(&connection).unwrap(), 6);
        let mut expect = vec![model, state, "notes.txt".to_owned()];
        expect.sort();
        assert_eq!(names(&blobs), expect);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_what_changed_since_is_not(bytes: Vec<u8>, other: Vec<u8>) {
            let directory = tempfile::tempdir().unwrap();
            let blobs = Blobs::of(&directory.path().join(FILE));
            let name = blobs.write(&bytes).unwrap();
            prop_assert_eq!(&blobs.read(&name), &bytes);
            fs::write(blobs.0.join(&name), &other).unwrap();
            prop_assert_eq!(blobs.read(&name), if other == bytes { bytes } else { Vec::new() });
            fs::remove_file(blobs.0.join(&name)).unwrap();
            prop_assert_eq!(blobs.read(&name), Vec::<u8>::new());
        }
    }
}
