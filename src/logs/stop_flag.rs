//! How the threads that read logs learn that they have to end.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Set once. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<(Mutex<bool>, Condvar)>);

impl StopFlag {
    /// Ends every wait, now and from now on.
    pub fn set(&self) {
        let (is_set, changed) = &*self.0;
        *is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Whether the thread has to end.
    pub fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this long, or until the flag is set; returns whether it is.
    pub fn wait(&self, duration: Duration) -> bool {
        let (is_set, changed) = &*self.0;
        let guard = is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, duration, |it| !*it);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_flag() {
        let flag = StopFlag::default();
        assert!(!flag.wait(Duration::ZERO));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| flag.wait(Duration::from_hours(1)));
            flag.clone().set();
            assert!(waiting.join().unwrap());
        });
        assert!(flag.is_set());
    }
}
