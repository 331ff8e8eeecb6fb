//! The largest file that this process may write (`RLIMIT_FSIZE`), and why a file cannot be written.

use std::io::{self, ErrorKind};

/// The limit in bytes; `None` without one.
#[cfg(unix)]
pub fn file_bytes_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn file_bytes_max() -> Option<u64> {
    None
}

/// Makes a write beyond the limit fail instead of ending the process by a signal.
#[cfg(unix)]
pub fn catch_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    // The handler stays when runtime and listener are gone. Without it, the process ends as before.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        let _context = runtime.enter();
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())));
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
pub fn catch_signal() {}

/// Why a file cannot be written, and what would help where that is known.
pub fn reason(error: &io::Error) -> String {
    reason_with(error, file_bytes_max())
}

fn reason_with(error: &io::Error, limit: Option<u64>) -> String {
    match (error.kind(), limit) {
        (ErrorKind::FileTooLarge, Some(limit)) => format!(
            "this process may not write files of more than {limit} bytes; raise ulimit -f, or LimitFSIZE= in the unit"
        ),
        (ErrorKind::FileTooLarge, None) => format!("{error}; choose a filesystem that takes larger files"),
        (ErrorKind::StorageFull, _) => format!("{error}; free space on the disk"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_has_a_remedy() {
        for (kind, limit, says) in [
            (
                ErrorKind::FileTooLarge,
                Some(8192),
                "may not write files of more than 8192 bytes; raise ulimit -f",
            ),
            (ErrorKind::FileTooLarge, None, "choose a filesystem"),
            (ErrorKind::StorageFull, Some(8192), "free space"),
            (ErrorKind::PermissionDenied, Some(8192), "permission denied"),
        ] {
            let found = reason_with(&kind.into(), limit);
            assert!(found.contains(says), "{found}");
        }
    }
}
