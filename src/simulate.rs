//! A seeded machine with labelled faults: rows of signals as hostnorm would have seen them, and the truth about each.
//!
//! [`Simulation`] is an iterator and keeps one row. Its faults can be put into any other table too: [`Scales::measure`]
//! says how large its signals are, [`Injection`] puts one fault into rows, [`Tamper`] a whole [`Schedule`] of them. A [`Disturber`] makes
//! rows worse that are labelled already.
//! Equal seeds and settings give equal rows on every machine.

pub mod rng;
mod column;
mod disturbance;
mod fault;
mod signal_groups;
mod fault_injection;
mod cron_jobs;
mod machine;
mod signal_scale;
mod fault_schedule;
mod fault_injector;

pub use column::{COLUMNS, Column, WIDTH};
pub use disturbance::{Disturbance, Disturber, Ranges};
pub use fault::{Fault, UnknownFault};
pub use fault_injection::Injection;
pub use fault_injector::{Cause, Tamper};
pub use fault_schedule::{FAULTS_MAX, Placed, Schedule, ScheduleError, Space};
pub use machine::Machine;
pub use signal_scale::{Scale, Scales};

/// How long a machine is watched to know its scales, in seconds: all days of the week.
const SCALE_SECONDS: f64 = 7.0 * 86_400.0;

/// Rows are at least so many seconds apart while it is, which makes a thousand of them.
const SCALE_STEP_MIN: f64 = 600.0;

/// The most rows that scales are measured on.
const SCALE_ROWS_MAX: usize = 1_008;

/// Streams of random numbers that have nothing to do with each other, by what is done to the seed.
const FAULTS_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;
/// When faults happen.
const SCHEDULE_STREAM: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// What is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where chance begins: the machine's own ways, its noise, its faults.
    pub seed: u64,
    /// Seconds since the epoch at which the simulation begins; the first row is one step later.
    pub start: f64,
    /// Seconds between two rows, more than 0.
    pub every: f64,
    /// Rows without faults, before all others.
    pub history: usize,
    /// Rows that may have faults.
    pub rows: usize,
    /// How many faults there are.
    pub faults: usize,
    /// Which kinds of faults, in turn.
    pub kinds: Vec<Fault>,
}

/// One row and the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Seconds since the epoch.
    pub at: f64,
    /// A value for each of [`COLUMNS`].
    pub values: [f64; WIDTH],
    /// Which of them are missing.
    pub missing: [bool; WIDTH],
    /// The fault that is under way.
    pub fault: Option<Fault>,
    /// At the first row of a fault: all about it, rows counted from the beginning of the simulation.
    pub begun: Option<Cause>,
}

/// A machine under way, with its faults.
#[derive(Debug, Clone)]
pub struct Simulation {
    machine: Machine,
    tamper: Tamper,
    left: usize,
}

impl Simulation {
    /// The simulation of these settings.
    ///
    /// # Errors
    /// When the faults do not fit into the rows.
    pub fn new(settings: &Settings) -> Result<Self, ScheduleError> {
        let Settings { seed, start, every, history, rows, faults, ref kinds } = *settings;
        let space = Space { from: history, rows, every };
        let schedule = Schedule::new(seed ^ SCHEDULE_STREAM, space, faults, kinds)?;
        Ok(Self {
            machine: Machine::new(seed, start, every),
            tamper: Tamper::new(seed ^ FAULTS_STREAM, schedule, scales(seed, every)),
            left: history.saturating_add(rows),
        })
    }
}

impl Iterator for Simulation {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.left = self.left.checked_sub(1)?;
        let (mut values, mut missing) = (self.machine.step(), [false; WIDTH]);
        let (fault, begun) = self.tamper.apply(&mut values, &mut missing);
        Some(Row { at: self.machine.at(), values, missing, fault, begun })
    }
}

/// What the signals of a machine are usually like.
fn scales(seed: u64, every: f64) -> Scales {
    let step = every.max(SCALE_STEP_MIN);
    let rows = ((SCALE_SECONDS / step) as usize).clamp(20, SCALE_ROWS_MAX);
    let mut machine = Machine::new(seed, 0.0, step);
    let rows: Vec<_> = (0..rows).map(|_| machine.step()).collect();
    Scales::measure(&COLUMNS, rows.iter().map(|it| (&it[..], &[false; WIDTH][..])))
}
