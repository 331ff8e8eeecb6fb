//! Refuses an output file that is also an input.

use std::path::Path;

use crate::cli::{CommandExit, ReplayArgs};

/// Refuses an output that is one of the inputs, by any name or link.
pub(super) fn refuse(options: &ReplayArgs) -> Result<(), CommandExit> {
    let Some(output) = options.output.as_deref().filter(|it| it.as_os_str() != "-") else { return Ok(()) };
    let read = [options.history.as_deref(), Some(&options.input), options.labels.as_deref()];
    match read.into_iter().flatten().find(|it| is_same(it, output)) {
        None => Ok(()),
        Some(read) => Err(CommandExit::usage(format!(
            "error: --output {} would overwrite {}, which is the same file; choose another file",
            output.display(),
            read.display()
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
