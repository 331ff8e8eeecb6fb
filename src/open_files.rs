//! The number of files that this process may have open (`RLIMIT_NOFILE`): raised at the start, and shared among sources, store
//! and connections.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

/// A limit from which on everything works: connections, the store, and one file for each path that may be stuck.
const ENOUGH: u64 = 4_096;

/// Descriptors that must be free at the start. The runtime, signals and the listener take 8; files that are read, a client,
/// and a scene need the others.
const NEEDED: usize = 12;

/// Descriptors that must be free at the start for the store, the control socket and messages of the kernel as well.
const NEEDED_FOR_ALL: usize = 24;

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
    let free = free_at_start();
    if free < NEEDED { Err(lack(free, NEEDED)) } else { Ok(()) }
}

/// What lacks if there are too few descriptors for the store, the control socket and messages of the kernel, without which
/// hostnorm does then; and how to have more.
pub fn descriptor_shortage() -> Option<String> {
    let free = free_at_start();
    (free < NEEDED_FOR_ALL).then(|| lack(free, NEEDED_FOR_ALL))
}

fn lack(free: usize, needed: usize) -> String {
    format!(
        "{needed} free file descriptors are needed, and {free} of {} were free at the start; raise the limit with \
         LimitNOFILE= in the unit or with ulimit -n",
        descriptors_max()
    )
}

/// Number of descriptors that were free at the first call, at most [`NEEDED_FOR_ALL`].
fn free_at_start() -> usize {
    static FREE: OnceLock<usize> = OnceLock::new();
    *FREE.get_or_init(free_descriptors)
}

/// Opens files for a moment, until there are enough.
#[expect(clippy::disallowed_methods, reason = "tries how many files can be opened")]
fn free_descriptors() -> usize {
    let mut open = Vec::with_capacity(NEEDED_FOR_ALL);
    while open.len() < NEEDED_FOR_ALL {
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            Err(error) if is_limit(&error) => return open.len(),
            // Only the limit is of interest; a container may have no such file.
            Err(_) => return NEEDED_FOR_ALL,
        }
    }
    open.len()
}

/// Whether the process, or the host, has no descriptor left.
fn is_limit(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
