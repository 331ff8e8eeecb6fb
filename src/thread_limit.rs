//! The number of threads that this process may start (`RLIMIT_NPROC`, `pids.max`): too few are refused at the start, because
//! libraries panic without a thread.

use std::io::{self, ErrorKind};
use std::sync::mpsc;
use std::thread;

/// Threads that must be free at the start: those of the log, the loop, the store, jobs, scenes and requests, and two that
/// read files.
const NEEDED: usize = 8;

/// Checks that enough threads can be started.
///
/// # Errors
/// That there are too few, and how to have more.
pub fn check() -> Result<(), String> {
    let mut threads = Vec::with_capacity(NEEDED);
    let mut refused = None;
    for _ in 0..NEEDED {
        // Each thread waits until its sender is dropped.
        let (hold, held) = mpsc::channel::<()>();
        match thread::Builder::new().spawn(move || {
            let _ = held.recv();
        }) {
            Ok(thread) => threads.push((hold, thread)),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let free = threads.len();
    for (hold, thread) in threads {
        drop(hold);
        // It cannot panic.
        let _ = thread.join();
    }
    refused.map_or(Ok(()), |error| {
        Err(format!("{NEEDED} threads are needed, and {free} can be started: {}", reason(&error)))
    })
}

/// Why a thread cannot be started, and what would help where that is known.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock => format!(
            "{error}; raise the limit of threads with TasksMax= or LimitNPROC= in the unit, with pids of the container, or with ulimit -u"
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_threads_is_named() {
        assert_eq!(check(), Ok(()));
        let refusal = reason(&ErrorKind::WouldBlock.into());
        assert!(["TasksMax=", "LimitNPROC=", "ulimit -u"].iter().all(|it| refusal.contains(it)), "{refusal}");
        assert!(!reason(&ErrorKind::OutOfMemory.into()).contains("TasksMax"));
    }
}
