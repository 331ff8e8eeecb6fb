//! The schedule of faults: one after the other, with fault-free time between.

use std::fmt;

use super::fault::FaultKind;
use crate::detect::seeded_rng::SeededRng;

/// Largest number of faults in a schedule.
pub const FAULTS_MAX: usize = 10_000;

/// Smallest fault-free share of the time per fault, so that detectors settle and most rows are normal, as on real
/// hosts.
const QUIET_MIN: f64 = 0.5;

/// The rows for faults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FreeRows {
    /// The first row that may have a fault.
    pub from: usize,
    /// Number of rows from there on.
    pub rows: usize,
    /// Seconds between two rows.
    pub every: f64,
}

/// One scheduled fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduledFault {
    /// Its kind.
    pub fault: FaultKind,
    /// Its first row.
    pub from: usize,
    /// Number of rows, at least 1.
    pub rows: usize,
}

/// All faults, in order; none are adjacent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultSchedule {
    placed: Vec<ScheduledFault>,
}

/// Why faults cannot be scheduled.
#[derive(Debug, Clone, PartialEq)]
pub enum ScheduleError {
    /// There are no kinds of faults.
    NoKind,
    /// More than [`FAULTS_MAX`].
    TooMany(usize),
    /// The faults do not fit into the rows.
    TooShort {
        /// The fault that does not fit.
        fault: FaultKind,
        /// Rows for each fault, including the fault-free ones.
        slot: usize,
        /// Rows that this fault needs.
        needed: usize,
    },
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKind => f.write_str("no kinds of faults given"),
            Self::TooMany(count) => {
                write!(f, "{count} faults are too many; the maximum is {FAULTS_MAX}")
            }
            Self::TooShort { fault, slot, needed } => write!(
                f,
                "{fault} with the quiet around it needs {needed} rows, and each fault has {slot}; ask for fewer \
                 faults, for a longer time or for shorter kinds of faults"
            ),
        }
    }
}

impl std::error::Error for ScheduleError {}

impl FaultSchedule {
    /// A schedule without faults.
    pub fn quiet() -> Self {
        Self::default()
    }

    /// Schedules `count` faults: each gets an equal slot of the rows and a random position in it. The kinds are
    /// shuffled in turn, so that each occurs equally often.
    ///
    /// # Errors
    /// If the faults do not fit.
    pub fn new(seed: u64, space: FreeRows, count: usize, kinds: &[FaultKind]) -> Result<Self, ScheduleError> {
        if count == 0 {
            return Ok(Self::quiet());
        }
        if kinds.is_empty() {
            return Err(ScheduleError::NoKind);
        }
        if count > FAULTS_MAX {
            return Err(ScheduleError::TooMany(count));
        }
        let mut random = SeededRng::new(seed);
        let slot = space.rows / count;
        let mut placed = Vec::with_capacity(count);
        let mut turn: Vec<FaultKind> = Vec::new();
        for idx in 0..count {
            if turn.is_empty() {
                turn.extend(kinds);
            }
            let fault = turn.swap_remove(random.below(turn.len()));
            let [least, most] = fault.seconds().map(|it| (it / space.every).ceil().max(1.0));
            let room = (slot as f64 * (1.0 - QUIET_MIN)).floor();
            if room < least {
                let needed = (least / (1.0 - QUIET_MIN)).ceil() as usize;
                return Err(ScheduleError::TooShort { fault, slot, needed });
            }
            let longest = most.min(room);
            let rows = (least + (longest - least) * f64::from(random.uniform())).round().max(1.0) as usize;
            // Fault-free rows come before and after: at least half of the remainder after the fault.
            let free = slot.saturating_sub(rows);
            let from = free / 4 + random.below(free / 4 + 1);
            placed.push(ScheduledFault { fault, from: space.from + idx * slot + from, rows });
        }
        Ok(Self { placed })
    }

    /// All faults, in order.
    pub fn scheduled_faults(&self) -> &[ScheduledFault] {
        &self.placed
    }
}

impl IntoIterator for FaultSchedule {
    type Item = ScheduledFault;
    type IntoIter = std::vec::IntoIter<ScheduledFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.placed.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAYS: FreeRows = FreeRows { from: 100, rows: 20_160, every: 60.0 };

    #[test]
    fn kinds_take_turns() {
        let schedule = FaultSchedule::new(7, DAYS, 20, &FaultKind::ALL).unwrap();
        for fault in FaultKind::ALL {
            assert_eq!(
                schedule.scheduled_faults().iter().filter(|it| it.fault == fault).count(),
                2,
                "{fault}"
            );
        }
        assert_eq!(FaultSchedule::new(7, DAYS, 20, &FaultKind::ALL).unwrap(), schedule);
        assert_ne!(FaultSchedule::new(8, DAYS, 20, &FaultKind::ALL).unwrap(), schedule);
    }

    #[test]
    fn faults_that_do_not_fit_are_refused() {
        let check = |rows, count, kinds: &[FaultKind], expect: &str| {
            let error = FaultSchedule::new(1, FreeRows { rows, ..DAYS }, count, kinds).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        check(
            1440,
            10,
            &[FaultKind::Leak],
            "leak with the quiet around it needs 240 rows, and each fault has 144; ask for fewer faults, for a \
             longer time or for shorter kinds of faults",
        );
        check(9, 1, &[], "no kinds of faults given");
        check(9, 10_001, &FaultKind::ALL, "10001 faults are too many; the maximum is 10000");
        assert_eq!(FaultSchedule::new(1, DAYS, 0, &[]), Ok(FaultSchedule::quiet()));
    }

    proptest! {
        #[test]
        fn faults_stay_apart_and_inside(
            seed: u64, rows in 0_usize..50_000, count in 1_usize..60, every in 0.5..7200.0,
        ) {
            let space = FreeRows { from: 5, rows, every };
            if let Ok(schedule) = FaultSchedule::new(seed, space, count, &FaultKind::ALL) {
                let mut free = space.from;
                for placed in schedule.scheduled_faults() {
                    prop_assert!(placed.from >= free && placed.rows > 0);
                    free = placed.from + placed.rows + (placed.rows / 2).max(1);
                }
                prop_assert!(free <= space.from + rows + schedule.scheduled_faults()[count - 1].rows);
                prop_assert_eq!(schedule.scheduled_faults().len(), count);
            }
        }
    }
}
