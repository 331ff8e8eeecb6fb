//! How often a subject got another group.

use std::collections::VecDeque;

use super::group_values::{RECENT_RESTARTS, RESTARTS};
use crate::reading::{SubjectValues, Timestamp};

/// Seconds for which a restart is recent: the time after which Kubernetes counts a container as working again.
const RECENT_SECONDS: f64 = 600.0;
/// Largest number of recent restarts that are counted.
const RECENT_MAX: usize = 20;

/// The restarts of a subject.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Restarts {
    count: u32,
    /// Times of the last ones, the oldest first.
    last: VecDeque<Timestamp>,
}

impl Restarts {
    /// With one more restart at this time.
    pub(super) fn with_one(mut self, at: Timestamp) -> Self {
        if self.last.len() == RECENT_MAX {
            self.last.pop_front();
        }
        self.last.push_back(at);
        Self { count: self.count.saturating_add(1), ..self }
    }

    /// Number of restarts within the last ten minutes, as of this time.
    pub(super) fn recent(&self, at: Timestamp) -> usize {
        self.last.iter().filter(|it| (0.0..RECENT_SECONDS).contains(&(at.0 - it.0))).count()
    }

    /// Adds them to the values of a subject.
    pub(super) fn set(&self, at: Timestamp, values: &mut SubjectValues) {
        values.set(&RESTARTS, f64::from(self.count));
        values.set(&RECENT_RESTARTS, self.recent(at) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_minutes_count_up_to_a_maximum() {
        let at = |times: &[f64]| times.iter().fold(Restarts::default(), |it, at| it.with_one(Timestamp(*at)));
        for (times, now, recent) in [
            (&[][..], 5.0, 0),
            (&[0.0, 10.0], 10.0, 2),
            (&[0.0, 10.0], 605.0, 1),
            (&[0.0, 10.0], 700.0, 0),
            // A clock that was set back.
            (&[100.0], 50.0, 0),
            (&[1.0; 30], 2.0, RECENT_MAX),
        ] {
            assert_eq!(at(times).recent(Timestamp(now)), recent, "{times:?} at {now}");
        }
    }
}
