//! The throttled time of one group, given to readings as it passed.
//!
//! Groups that are read in turn show at once what they gained over several readings. The pressure of the host is a share of
//! each reading, so a gain that came in one piece would be too much for one reading and too little for the others.

use crate::reading::Timestamp;

/// Throttled time of a group over readings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ThrottledTime {
    /// The counter of the kernel when it was read last, in seconds, and when that was.
    last: Option<(f64, Timestamp)>,
    /// Seconds that readings still are to have, and how many of them per second.
    pending: f64,
    rate: f64,
    /// The last reading.
    given: Timestamp,
}

impl ThrottledTime {
    /// The throttled time of a reading, in seconds. `total` is the newest value of the kernel's counter; `is_read` says
    /// whether it was read for this reading. The counter may start anew.
    pub(super) fn step(&mut self, at: Timestamp, total: Option<f64>, is_read: bool) -> f64 {
        let Some(total) = total.filter(|it| it.is_finite()) else {
            *self = Self::default();
            return 0.0;
        };
        let mut given = 0.0;
        let elapsed = at.0 - std::mem::replace(&mut self.given, at).0;
        if is_read || self.last.is_none() {
            // What is left is of an earlier time.
            given += std::mem::take(&mut self.pending);
            if let Some((before, then)) = self.last.replace((total, at)) {
                self.pending = (total - before).max(0.0);
                self.rate = self.pending / (at.0 - then.0);
            }
        }
        // A clock that stepped back leaves no rate.
        let part = self.rate * elapsed;
        let part = if 0.0 <= part { part.min(self.pending) } else { self.pending };
        self.pending -= part;
        given + part
    }

    /// Whether the kernel counts the throttled time of this group.
    pub(super) fn is_known(&self) -> bool {
        self.last.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_read_in_turn_is_throttled_in_each_reading() {
        let mut it = ThrottledTime::default();
        // Throttled for 0.8 s per second until second 10, read at each fifth reading.
        let given: Vec<f64> = (0..20_u32)
            .map(|second| {
                let read_at = f64::from(second - second % 5);
                let total = 7.0 + 0.8 * read_at.min(10.0);
                (it.step(Timestamp(f64::from(second)), Some(total), second % 5 == 0) * 1e6).round() / 1e6
            })
            .collect();
        assert_eq!(given, [[0.0; 5], [0.8; 5], [0.8; 5], [0.0; 5]].concat());
    }

    #[test]
    fn a_counter_that_is_gone_or_new_gives_nothing() {
        let mut it = ThrottledTime::default();
        let readings = [(0.0, Some(5.0)), (1.0, None), (2.0, Some(9.0)), (3.0, Some(2.0)), (4.0, Some(2.5))];
        let given: Vec<f64> = readings.map(|(at, total)| it.step(Timestamp(at), total, true)).to_vec();
        assert_eq!(given, [[0.0; 4].as_slice(), &[0.5]].concat());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_invented(
            steps in prop::collection::vec((-2.0..5.0_f64, 0.0..4.0_f64, any::<bool>()), 1..60),
        ) {
            let (mut it, mut at, mut total, mut read, mut given) = (ThrottledTime::default(), 0.0, 3.0, 3.0, 0.0);
            it.step(Timestamp(at), Some(total), true);
            for (elapsed, gain, is_read) in steps {
                (at, total) = (at + elapsed, total + gain);
                read = if is_read { total } else { read };
                let part = it.step(Timestamp(at), Some(read), is_read);
                prop_assert!(part >= 0.0 && part.is_finite());
                given += part;
                prop_assert!((given + it.pending - (read - 3.0)).abs() < 1e-6);
            }
        }
    }
}
