//! The only module that reads the clock.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::reading::Timestamp;

/// Wall-clock time. It is negative for a clock set before 1970; the engine treats that as any other clock step.
pub fn now() -> Timestamp {
    Timestamp(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    })
}

/// Seconds suspended since boot, to a tenth, because two clocks are read in sequence. `None` if no clock counts
/// suspension.
pub fn suspended_seconds() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        let seconds = |clock| {
            let time = clock_gettime(clock);
            time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
        };
        let awake = seconds(ClockId::Monotonic);
        Some(((seconds(ClockId::Boottime) - awake) * 10.0).round().max(0.0) / 10.0)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Time since boot without suspension, as other programs on the host see it; `None` if there is no such clock.
pub fn monotonic_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::try_from(now).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Monotonic time, for deadlines and durations.
pub fn instant() -> Instant {
    Instant::now()
}

/// CPU time of the calling thread; `None` if the system does not report it.
pub fn thread_cpu() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(used).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}
