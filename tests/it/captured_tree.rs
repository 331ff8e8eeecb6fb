//! The captured tree of a machine, which tests read unchanged or copy and change.

use std::fs;
use std::path::{Path, PathBuf};

use hostnorm::sources::RootPaths;
use tempfile::TempDir;

/// Path of the tree.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A copy that a test may change, and the roots of the kernel's files in it.
pub(crate) fn copied() -> (TempDir, RootPaths) {
    let tree = tempfile::tempdir().unwrap();
    copy(&fixtures(), tree.path());
    let root = |name: &str| tree.path().join(name);
    let roots = RootPaths {
        procfs: root("proc"),
        sysfs: root("sys"),
        rootfs: tree.path().into(),
        ..RootPaths::default()
    };
    (tree, roots)
}

/// Copies a directory recursively.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
