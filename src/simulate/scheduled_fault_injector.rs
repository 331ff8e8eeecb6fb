//! Injects a schedule of faults into a stream of rows.

use super::fault::FaultKind;
use super::fault_injection::FaultInjection;
use super::fault_schedule::{FaultSchedule, ScheduledFault};
use super::signal_scale::SignalScales;
use crate::detect::seeded_rng::SeededRng;

/// An injected fault, with the signals that it affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedCause {
    /// The kind of fault.
    pub fault: FaultKind,
    /// Its first row.
    pub from: usize,
    /// The row after its last.
    pub to: usize,
    /// The affected signals, counted from 0.
    pub signals: Vec<usize>,
}

/// Injects the faults of a schedule into a stream of rows; it holds one fault at a time.
#[derive(Debug, Clone)]
pub struct ScheduledFaultInjector {
    scales: SignalScales,
    random: SeededRng,
    schedule: std::vec::IntoIter<ScheduledFault>,
    next: Option<ScheduledFault>,
    now: Option<(ScheduledFault, FaultInjection)>,
    /// Number of rows so far.
    row: usize,
}

impl ScheduledFaultInjector {
    /// Creates an injector for a table with these scales. Its random numbers are independent of those of the rows.
    pub fn new(seed: u64, schedule: FaultSchedule, scales: SignalScales) -> Self {
        let mut schedule = schedule.into_iter();
        let next = schedule.next();
        Self { scales, random: SeededRng::new(seed), schedule, next, now: None, row: 0 }
    }

    /// Changes the next row. Returns the current fault, and its details at its first row.
    pub fn apply(
        &mut self,
        row: &mut [f64],
        missing: &mut [bool],
    ) -> (Option<FaultKind>, Option<InjectedCause>) {
        let mut begun = None;
        if let Some(placed) = self.next.filter(|it| it.from <= self.row) {
            let injection = FaultInjection::new(placed.fault, placed.rows, &self.scales, &mut self.random);
            begun = injection.as_ref().map(|it| InjectedCause {
                fault: placed.fault,
                from: placed.from,
                to: placed.from + placed.rows,
                signals: it.affected_signals(),
            });
            self.now = injection.map(|it| (placed, it));
            self.next = self.schedule.next();
        }
        let mut under_way = None;
        if let Some((placed, injection)) = &mut self.now {
            let step = self.row.saturating_sub(placed.from);
            if step < placed.rows {
                injection.inject(row, missing, step, &self.scales, &mut self.random);
                under_way = Some(placed.fault);
            } else {
                self.now = None;
            }
        }
        self.row += 1;
        (under_way, begun)
    }
}
