//! Kinds of simulated hosts: what differs from the web server, and the jobs that people start.

use super::cron_jobs::{CronJob, SimulatedJobLoad};
use super::rng::SimulationRng;

const DAY: f64 = 86_400.0;
const MB: f64 = 1e6;
/// Hours in which developers work.
const WORK_HOURS: std::ops::Range<f64> = 8.0..19.0;

/// A kind of simulated host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKind {
    /// An application server with the rhythm of its users.
    #[default]
    WebServer,
    /// A virtual machine that does next to nothing.
    IdleVm,
    /// A node that runs batch jobs, day and night.
    BatchNode,
    /// A database with a nightly backup and a weekly vacuum.
    Database,
    /// The machine of a developer who compiles.
    DeveloperMachine,
}

impl HostKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::WebServer, Self::IdleVm, Self::BatchNode, Self::Database, Self::DeveloperMachine];

    /// The factors of the load of a web server and of its daily rhythm that make it a host of this kind.
    pub(super) fn load_and_rhythm(self) -> [f64; 2] {
        match self {
            Self::WebServer => [1.0, 1.0],
            Self::IdleVm => [0.02, 0.3],
            Self::BatchNode => [0.05, 0.1],
            Self::Database => [0.6, 1.0],
            Self::DeveloperMachine => [0.1, 1.0],
        }
    }

    /// Its cron jobs beside those of every host.
    pub(super) fn jobs(self) -> &'static [CronJob] {
        match self {
            Self::Database => &DATABASE_JOBS,
            _ => &[],
        }
    }

    /// The jobs that people or a queue start.
    pub(super) fn irregular_jobs(self) -> Option<IrregularJobs> {
        let jobs = match self {
            Self::BatchNode => {
                IrregularJobs { per_day: 40.0, lasts: [300.0, 1_800.0], ..IrregularJobs::BATCH }
            }
            Self::DeveloperMachine => IrregularJobs {
                per_day: 30.0,
                lasts: [20.0, 420.0],
                in_work_hours: true,
                ..IrregularJobs::BUILD
            },
            _ => return None,
        };
        Some(jobs)
    }
}

/// The nightly backup and the weekly vacuum.
const DATABASE_JOBS: [CronJob; 2] = [
    CronJob {
        every: DAY,
        at: 10_800.0,
        lasts: 2_400.0,
        work: SimulatedJobLoad { cpu: 0.12, read: 60.0 * MB, written: 8.0 * MB, sent: 20.0 * MB, forks: 1.0 },
    },
    CronJob {
        every: 7.0 * DAY,
        at: 4.0 * DAY + 14_400.0,
        lasts: 5_400.0,
        work: SimulatedJobLoad { cpu: 0.2, read: 80.0 * MB, written: 50.0 * MB, sent: 0.0, forks: 0.5 },
    },
];

/// Jobs at random times, one at a time.
#[derive(Debug, Clone)]
pub(super) struct IrregularJobs {
    /// Mean number of runs in a day.
    per_day: f64,
    /// Shortest and longest run, in seconds.
    lasts: [f64; 2],
    /// Whether they only start in working hours.
    in_work_hours: bool,
    /// Load at full size.
    work: SimulatedJobLoad,
    /// Seconds left of the current run, and its size.
    now: [f64; 2],
}

impl IrregularJobs {
    const BATCH: Self = Self {
        per_day: 0.0,
        lasts: [0.0; 2],
        in_work_hours: false,
        work: SimulatedJobLoad { cpu: 0.6, read: 20.0 * MB, written: 15.0 * MB, sent: 2.0 * MB, forks: 2.0 },
        now: [0.0; 2],
    };
    const BUILD: Self = Self {
        work: SimulatedJobLoad { cpu: 0.75, read: 8.0 * MB, written: 25.0 * MB, sent: 0.0, forks: 40.0 },
        ..Self::BATCH
    };

    /// Adds the mean load of the `step` seconds before `at`.
    pub(super) fn add(&mut self, load: &mut SimulatedJobLoad, at: f64, step: f64, rng: &mut SimulationRng) {
        let hour = (at / 3_600.0).rem_euclid(24.0);
        let starts = !self.in_work_hours || WORK_HOURS.contains(&hour);
        let [left, size] = &mut self.now;
        if *left <= 0.0 && starts && rng.happens(self.per_day * step / DAY) {
            *left = rng.between(self.lasts[0], self.lasts[1]);
            *size = rng.between(0.4, 1.0);
        }
        let share = *size * (*left / step).clamp(0.0, 1.0);
        *left -= step;
        load.add(share, &self.work);
    }
}
