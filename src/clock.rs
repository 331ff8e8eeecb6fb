//! The only file that asks for the time.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::reading::Timestamp;

/// Wall time. A clock set before 1970 counts backwards from there; the engine treats it as any other step.
pub fn now() -> Timestamp {
    Timestamp(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    })
}

/// Time that never steps, for deadlines and for measuring how long something took.
pub fn instant() -> Instant {
    Instant::now()
}
