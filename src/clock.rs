//! The only module that reads the clock.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::reading::Timestamp;

/// Wall time. A clock set before 1970 counts backwards from there; the engine treats it as any other step.
pub fn now() -> Timestamp {
    Timestamp(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    })
}

/// Seconds that the machine slept since it was started, to a tenth: clocks are asked one after the other. Nothing where
/// no clock counts sleep.
pub fn asleep() -> Option<f64> {
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

/// Time since the machine was started, without sleep, as other programs on it see it; nothing where no clock counts so.
pub fn monotonic() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::try_from(now).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Time that never steps, for deadlines and for measuring how long something took.
pub fn instant() -> Instant {
    Instant::now()
}
