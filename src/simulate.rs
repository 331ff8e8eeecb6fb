//! A simulated host with labeled faults, from a seed.
//!
//! [`Simulation`] is an iterator over rows and keeps one of them. Faults can be injected into any other table too:
//! [`SignalScales::measure`] measures its signals, [`FaultInjection`] injects one fault, [`ScheduledFaultInjector`] a whole
//! [`FaultSchedule`]. A [`DefectInjector`] degrades labeled rows. Equal seeds and settings give equal rows on every machine.

pub mod rng;
mod simulated_signals;
mod table_defect;
mod fault;
mod signal_groups;
mod fault_injection;
mod cron_jobs;
mod host_kind;
mod simulated_machine;
mod signal_scale;
mod fault_schedule;
mod scheduled_fault_injector;

pub use fault::{FaultKind, UnknownFault};
pub use fault_injection::FaultInjection;
pub use fault_schedule::{FAULTS_MAX, FaultSchedule, FreeRows, ScheduleError, ScheduledFault};
pub use host_kind::HostKind;
pub use scheduled_fault_injector::{InjectedCause, ScheduledFaultInjector};
pub use signal_scale::{SignalScale, SignalScales};
pub use simulated_machine::SimulatedMachine;
pub use simulated_signals::{COLUMNS, SignalSpec, WIDTH};
pub use table_defect::{DefectInjector, SignalRanges, TableDefect};

/// Seconds over which the scales of a simulated machine are measured: all days of the week.
const SCALE_SECONDS: f64 = 7.0 * 86_400.0;

/// Shortest interval of these rows, in seconds, which gives a thousand rows.
const SCALE_STEP_MIN: f64 = 600.0;

/// Largest number of rows on which scales are measured.
const SCALE_ROWS_MAX: usize = 1_008;

/// Added to the seed, to make independent streams of random numbers.
const FAULTS_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;
/// The stream for the times of faults.
const SCHEDULE_STREAM: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// Settings of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulationSettings {
    /// Seed of the machine's properties, its noise and its faults.
    pub seed: u64,
    /// Start of the simulation, in seconds since the epoch; the first row is one step later.
    pub start: f64,
    /// Seconds between two rows, more than 0.
    pub every: f64,
    /// Number of fault-free rows at the start.
    pub history: usize,
    /// Number of rows that may have faults.
    pub rows: usize,
    /// Number of faults.
    pub faults: usize,
    /// Kinds of faults, used in turn.
    pub kinds: Vec<FaultKind>,
}

/// One row with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedRow {
    /// Seconds since the epoch.
    pub at: f64,
    /// A value for each of [`COLUMNS`].
    pub values: [f64; WIDTH],
    /// Which of them are missing.
    pub missing: [bool; WIDTH],
    /// The current fault.
    pub fault: Option<FaultKind>,
    /// At the first row of a fault: its details, with rows counted from the start of the simulation.
    pub started_fault: Option<InjectedCause>,
}

/// A simulation in progress.
#[derive(Debug, Clone)]
pub struct Simulation {
    machine: SimulatedMachine,
    injector: ScheduledFaultInjector,
    left: usize,
}

impl Simulation {
    /// Creates a simulation.
    ///
    /// # Errors
    /// If the faults do not fit into the rows.
    pub fn new(settings: &SimulationSettings) -> Result<Self, ScheduleError> {
        let SimulationSettings { seed, start, every, history, rows, faults, ref kinds } = *settings;
        let space = FreeRows { from: history, rows, every };
        let schedule = FaultSchedule::new(seed ^ SCHEDULE_STREAM, space, faults, kinds)?;
        Ok(Self {
            machine: SimulatedMachine::new(seed, start, every),
            injector: ScheduledFaultInjector::new(seed ^ FAULTS_STREAM, schedule, scales(seed, every)),
            left: history.saturating_add(rows),
        })
    }
}

impl Iterator for Simulation {
    type Item = SimulatedRow;

    fn next(&mut self) -> Option<SimulatedRow> {
        self.left = self.left.checked_sub(1)?;
        let (mut values, mut missing) = (self.machine.step(), [false; WIDTH]);
        let (fault, begun) = self.injector.apply(&mut values, &mut missing);
        Some(SimulatedRow { at: self.machine.at(), values, missing, fault, started_fault: begun })
    }
}

/// The usual scales of the signals of a machine.
fn scales(seed: u64, every: f64) -> SignalScales {
    let step = every.max(SCALE_STEP_MIN);
    let rows = ((SCALE_SECONDS / step) as usize).clamp(20, SCALE_ROWS_MAX);
    let mut machine = SimulatedMachine::new(seed, 0.0, step);
    let rows: Vec<_> = (0..rows).map(|_| machine.step()).collect();
    SignalScales::measure(&COLUMNS, rows.iter().map(|it| (&it[..], &[false; WIDTH][..])))
}
