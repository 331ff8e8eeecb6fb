//! The number of files that this process may have open (`RLIMIT_NOFILE`): raised at the start, and shared among sources, store
//! and connections.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

/// A limit from which on everything works: connections, the store, and one file for each path that may be stuck.
const ENOUGH: u64 = 4_096;

/// Descriptors that must be free at the start: for the runtime, signals, a file to read, and a few connections.
const NEEDED: usize = 24;

/// Number of files that may be open where the system has no limit, or does not say.
const UNLIMITED: usize = 1 << 20;

/// Number of files that the process may have open, as of the first call.
pub fn descriptors_max() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| limit().unwrap_or(UNLIMITED))
}

#[cfg(unix)]
fn limit() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|it| usize::try_from(it).ok())
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// Raises the limit as far as the system allows, if it is low.
#[cfg(unix)]
pub fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|it| it < ENOUGH) && current != maximum {
        // Without it, the limit stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn raise_limit() {}

/// Checks that enough descriptors are free to start.
///
/// # Errors
/// That there are too few, and how to have more.
pub fn check() -> Result<(), String> {
    free_descriptors(NEEDED).map_err(|(free, error)| {
        let most = descriptors_max();
        format!(
            "hostnorm needs {NEEDED} free file descriptors and has {free} of {most}: {error}; raise the limit with \
             LimitNOFILE= in the unit or with ulimit -n"
        )
    })
}

/// Opens this many files for a moment; the number that could be opened if they are fewer.
#[expect(clippy::disallowed_methods, reason = "tries how many files can be opened")]
fn free_descriptors(needed: usize) -> Result<(), (usize, io::Error)> {
    let mut open = Vec::with_capacity(needed);
    while open.len() < needed {
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            // Only the limit is of interest; a container may have no such file.
            Err(error) if is_limit(&error) => return Err((open.len(), error)),
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Whether the process, or the host, has no descriptor left.
fn is_limit(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
