//! Refuses an output file that is also an input, or a file of the store.
#![expect(clippy::disallowed_methods, reason = "lists the files of the store")]

use std::path::Path;

use crate::cli::CommandExit;
use crate::store;

/// Refuses an output that is one of the inputs, by any name or link.
pub(super) fn refuse<'a>(
    output: Option<&Path>,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), CommandExit> {
    let Some(output) = output else { return Ok(()) };
    match inputs.into_iter().find(|it| is_same(it, output)) {
        None => Ok(()),
        Some(read) => Err(CommandExit::usage(format!(
            "error: --output {} would overwrite {}, which is the same file; choose another file",
            output.display(),
            read.display()
        ))),
    }
}

/// Refuses an output that is a file of the store in this directory, or has the name of one that may come.
pub(super) fn refuse_in_store(output: Option<&Path>, directory: &Path) -> Result<(), CommandExit> {
    let Some(output) = output else { return Ok(()) };
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files = files.filter(|it| store::is_own_file(&it.file_name())).map(|it| it.path());
    let is_inside = || {
        let parent = output.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let is_own = output.file_name().is_some_and(store::is_own_file);
        is_own && parent.canonicalize().is_ok_and(|it| directory.canonicalize().is_ok_and(|own| it == own))
    };
    match files.any(|it| is_same(&it, output)) || is_inside() {
        false => Ok(()),
        true => Err(CommandExit::usage(format!(
            "error: --output {} would overwrite a file of the store in {}; choose another file",
            output.display(),
            directory.display()
        ))),
    }
}

/// Whether two paths lead to the same file. Pipes and devices cannot be overwritten.
#[cfg(unix)]
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // A missing file is no input.
    let identity = |path: &Path| {
        let known = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((known.dev(), known.ino()))
    };
    identity(one).is_some_and(|it| identity(other) == Some(it))
}

/// Whether two paths lead to the same file.
#[cfg(not(unix))]
fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|it| other.canonicalize().is_ok_and(|other| it == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_store_are_no_outputs() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at(store::FILE), "").unwrap();
        std::fs::hard_link(at(store::FILE), at("hard.csv")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(store::FILE, at("soft.csv")).unwrap();
        for (name, is_refused) in [
            ("hostnorm.db", true),
            ("hostnorm.db-wal", true),
            ("hostnorm.lock", true),
            ("hard.csv", true),
            ("soft.csv", cfg!(unix)),
            ("points.csv", false),
        ] {
            let found = refuse_in_store(Some(&at(name)), folder.path());
            assert_eq!(found.is_err(), is_refused, "{name}: {found:?}");
        }
        assert_eq!(refuse_in_store(None, folder.path()), Ok(()));
        assert_eq!(refuse_in_store(Some(Path::new("hostnorm.db")), folder.path()), Ok(()));
    }
}
