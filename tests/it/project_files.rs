//! The files of this repository, for the tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a directory, sorted, without build directories. For a file, the file itself.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).filter(|it| !is_built(it)).collect();
    paths.sort();
    paths.iter().flat_map(|it| files(it)).collect()
}

fn is_built(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    path.is_dir() && (name.starts_with('.') || ["target", "node_modules"].contains(&&*name))
}
