//! The most sends within a minute.

use std::collections::VecDeque;

/// Seconds that are looked back on.
pub(super) const WINDOW_SECONDS: f64 = 60.0;

/// The newest sends of an action.
#[derive(Debug)]
pub(super) struct SendRate {
    per_minute: usize,
    sent_at: VecDeque<f64>,
}

impl SendRate {
    /// With the sends before a restart, oldest first.
    pub(super) fn new(per_minute: u32, sent_at: impl IntoIterator<Item = f64>) -> Self {
        Self { per_minute: per_minute as usize, sent_at: sent_at.into_iter().collect() }
    }

    /// Seconds until one more may be sent; `None` if now.
    pub(super) fn wait(&mut self, now: f64) -> Option<f64> {
        // After the clock stepped back, sends of the future do not count.
        self.sent_at.retain(|it| (0.0..WINDOW_SECONDS).contains(&(now - it)));
        let excess = self.sent_at.len().checked_sub(self.per_minute)?;
        self.sent_at.get(excess).map(|it| it + WINDOW_SECONDS - now)
    }

    /// One more is sent.
    pub(super) fn record(&mut self, now: f64) {
        self.sent_at.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_for_the_oldest() {
        let mut rate = SendRate::new(2, [0.0, 10.0]);
        assert_eq!(rate.wait(20.0), Some(40.0));
        assert_eq!(rate.wait(60.0), None);
        rate.record(60.0);
        assert_eq!(rate.wait(61.0), Some(9.0));
        assert_eq!(rate.wait(-100.0), None);
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate(steps in prop::collection::vec(0.0..20.0, 1..200), per_minute in 1_u32..5) {
            let (mut rate, mut now, mut sent) = (SendRate::new(per_minute, []), 0.0, Vec::new());
            for step in steps {
                now += step;
                if rate.wait(now).is_none() {
                    rate.record(now);
                    sent.push(now);
                }
                let recent = sent.iter().filter(|it| now - **it < WINDOW_SECONDS).count();
                prop_assert!(recent <= per_minute as usize);
            }
        }
    }
}
