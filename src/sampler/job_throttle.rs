//! Detects CPU shortage, to delay or pause jobs.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::reading::Timestamp;
use crate::report::Report;

/// Signals of a CPU shortage, with the share of time from which there is one.
const SIGNS: [(&str, f64); 2] = [("pressure_cpu_ratio", 0.5), ("cpu_busy_ratio", 0.95)];

/// Longest delay of jobs, in seconds: a permanently busy host needs a good model, too.
const PUT_OFF_MAX: f64 = 3_600.0;

/// A gate at which a job pauses while it is closed. It is open at first; clones share its state.
#[derive(Debug, Clone, Default)]
pub(super) struct JobGate(Arc<(Mutex<bool>, Condvar)>);

impl JobGate {
    /// Closes the gate, or opens it and wakes waiting threads.
    pub(super) fn set(&self, closed: bool) {
        let (state, turned) = &*self.0;
        *state.lock().unwrap_or_else(PoisonError::into_inner) = closed;
        if !closed {
            turned.notify_all();
        }
    }

    /// Blocks until the gate is open.
    pub(super) fn pass(&self) {
        let (state, turned) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(turned.wait_while(state, |closed| *closed));
    }
}

/// Detects CPU shortage.
#[derive(Debug, Default)]
pub(super) struct JobThrottle {
    /// Start of the shortage; `None` without one.
    since: Option<Timestamp>,
}

impl JobThrottle {
    /// Whether there is a CPU shortage in this window that has lasted less than [`PUT_OFF_MAX`].
    pub(super) fn is_under_pressure(&mut self, report: &Report) -> bool {
        let at = report.reading.at;
        if !is_short(report) {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(at);
        // After a backward clock step, the shortage starts again.
        if at.0 < since.0 {
            self.since = Some(at);
        }
        at.0 - since.0 < PUT_OFF_MAX
    }
}

fn is_short(report: &Report) -> bool {
    let mut signals = report.assessments.values().flat_map(|it| &it.signals);
    signals.any(|it| SIGNS.iter().any(|(name, share)| it.signal.name == *name && it.value >= *share))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::reading::{Reading, Subject};
    use crate::report::{Assessment, SignalState};
    use crate::sources;

    #[test]
    fn a_closed_gate_holds_until_it_is_opened() {
        let (gate, opened) = (JobGate::default(), AtomicBool::new(false));
        gate.pass();
        gate.set(true);
        std::thread::scope(|scope| {
            let passed = scope.spawn(|| {
                gate.pass();
                opened.load(Ordering::SeqCst)
            });
            opened.store(true, Ordering::SeqCst);
            gate.set(false);
            assert!(passed.join().unwrap(), "passed a closed gate");
        });
    }

    #[test]
    fn jobs_are_delayed_for_an_hour_at_most() {
        let mut throttle = JobThrottle::default();
        let mut strained = |at: f64, pressure: f64| {
            let mut signals = sources::signals(|_| true);
            let signal = signals.find(|it| it.name == "pressure_cpu_ratio").unwrap();
            let state = SignalState {
                signal,
                value: pressure,
                expected: None,
                expected_by_detector: Default::default(),
                drift: None,
            };
            let assessment = Assessment { signals: vec![state], ..Assessment::default() };
            let reading = Arc::new(Reading::new(Timestamp(at)));
            let assessments = [(Subject::Host, assessment)].into();
            throttle.is_under_pressure(&Report { reading, assessments, ..Report::default() })
        };
        assert!(!strained(0.0, 0.4) && strained(1.0, 0.6) && strained(3_600.0, 0.6));
        assert!(!strained(3_601.0, 0.6) && !strained(9_000.0, 0.6), "the hour is over");
        assert!(!strained(9_001.0, 0.1) && strained(9_002.0, 0.6), "it begins anew");
        assert!(strained(100.0, 0.6) && strained(3_000.0, 0.6), "a clock that stepped back");
    }
}
