//! The CPU time that requests use, so that hostnorm's own use is known without it.
//!
//! One thread serves, and does nothing else while it serves; what takes long runs on other threads. Both are counted for the whole process, as
//! the system counts the CPU time of the process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;

/// CPU time of the serving thread, in nanoseconds.
static SERVING: AtomicU64 = AtomicU64::new(0);
/// CPU time of what ran for requests on other threads, in nanoseconds.
static ELSEWHERE: AtomicU64 = AtomicU64::new(0);

/// Adds the CPU time of the calling thread, which is the one that serves, since `last`; returns its CPU time now. What it used
/// before it served is left out.
pub fn note_serving_thread(last: Option<Duration>) -> Option<Duration> {
    let now = clock::thread_cpu();
    if let (Some(last), Some(now)) = (last, now) {
        SERVING.fetch_add(nanoseconds(now.saturating_sub(last)), Ordering::Relaxed);
    }
    now
}

/// Runs what a request needs on the calling thread, which is not the one that serves.
pub fn measure<T>(work: impl FnOnce() -> T) -> T {
    let started = clock::thread_cpu();
    let result = work();
    if let (Some(started), Some(ended)) = (started, clock::thread_cpu()) {
        ELSEWHERE.fetch_add(nanoseconds(ended.saturating_sub(started)), Ordering::Relaxed);
    }
    result
}

/// CPU time that requests used so far, in seconds; 0 where the system does not report that of threads.
pub fn seconds() -> f64 {
    let used = [&SERVING, &ELSEWHERE].map(|it| it.load(Ordering::Relaxed));
    Duration::from_nanos(used[0].saturating_add(used[1])).as_secs_f64()
}

fn nanoseconds(used: Duration) -> u64 {
    u64::try_from(used.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn only_what_runs_for_requests_counts() {
        let busy = || {
            let started = clock::thread_cpu().unwrap();
            while clock::thread_cpu().unwrap() - started < Duration::from_millis(20) {
                black_box(0);
            }
        };
        let before = seconds();
        measure(busy);
        let after = seconds();
        assert!(after - before >= 0.02, "{before} {after}");
    }
}
