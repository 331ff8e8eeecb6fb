//! The cron jobs of the simulated host: short regular spikes that are normal.

use super::rng::SimulationRng;

/// The load of jobs while they run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SimulatedJobLoad {
    /// Share of CPU time.
    pub(super) cpu: f64,
    /// Bytes read per second.
    pub(super) read: f64,
    /// Bytes written per second.
    pub(super) written: f64,
    /// Bytes sent per second.
    pub(super) sent: f64,
    /// Tasks started per second.
    pub(super) forks: f64,
}

impl SimulatedJobLoad {
    /// Adds this share of another load.
    pub(super) fn add(&mut self, share: f64, other: &Self) {
        self.cpu += share * other.cpu;
        self.read += share * other.read;
        self.written += share * other.written;
        self.sent += share * other.sent;
        self.forks += share * other.forks;
    }
}

/// One line of the crontab.
#[derive(Debug, Clone, Copy)]
pub(super) struct CronJob {
    /// Seconds between two runs.
    pub(super) every: f64,
    /// Start of a run, in seconds after midnight or after the full hour; of a weekly one, after Thursday.
    pub(super) at: f64,
    /// Duration of a run, in seconds.
    pub(super) lasts: f64,
    /// Load during a run.
    pub(super) work: SimulatedJobLoad,
}

const MB: f64 = 1e6;

/// The crontab. The check every ten minutes is too short to appear as more than noise at steps of minutes; the hourly
/// shipping of logs is visible each time; rotation and backup are the daily spikes that a detector must learn.
const JOBS: [CronJob; 4] = [
    CronJob {
        every: 600.0,
        at: 0.0,
        lasts: 12.0,
        work: SimulatedJobLoad { cpu: 0.03, read: 0.0, written: 0.2 * MB, sent: 0.0, forks: 12.0 },
    },
    CronJob {
        every: 3_600.0,
        at: 420.0,
        lasts: 90.0,
        work: SimulatedJobLoad { cpu: 0.05, read: 2.0 * MB, written: 9.0 * MB, sent: 1.0 * MB, forks: 6.0 },
    },
    CronJob {
        every: 86_400.0,
        at: 600.0,
        lasts: 240.0,
        work: SimulatedJobLoad { cpu: 0.07, read: 12.0 * MB, written: 6.0 * MB, sent: 0.0, forks: 3.0 },
    },
    CronJob {
        every: 86_400.0,
        at: 8_100.0,
        lasts: 1_500.0,
        work: SimulatedJobLoad { cpu: 0.08, read: 35.0 * MB, written: 0.5 * MB, sent: 12.0 * MB, forks: 2.0 },
    },
];

/// Index of the job that rotates logs.
const ROTATION: usize = 2;

/// Standard deviation of the logarithm of a run's load.
const RUN_SIGMA: f64 = 0.12;

/// Largest shift of the crontab, in minutes, because machines do not start their jobs simultaneously.
const SHIFT_MINUTES_MAX: usize = 5;

/// The running crontab.
#[derive(Debug, Clone)]
pub(super) struct CronJobs {
    shift: f64,
    /// Each job, with the number and size of its newest run.
    jobs: Vec<(CronJob, f64, f64)>,
}

impl CronJobs {
    /// The jobs of every host, and some more.
    pub(super) fn new(more: &[CronJob], rng: &mut SimulationRng) -> Self {
        let shift = 60.0 * rng.random().below(SHIFT_MINUTES_MAX + 1) as f64;
        let jobs = JOBS.iter().chain(more).map(|it| (*it, f64::NEG_INFINITY, 1.0));
        Self { shift, jobs: jobs.collect() }
    }

    /// Mean load of the jobs in the `step` seconds before `at`, and whether logs were rotated.
    pub(super) fn step(&mut self, at: f64, step: f64, rng: &mut SimulationRng) -> (SimulatedJobLoad, bool) {
        let (mut sum, mut rotated) = (SimulatedJobLoad::default(), false);
        for (idx, (job, run, size)) in self.jobs.iter_mut().enumerate() {
            let end = at - job.at - self.shift;
            let number = (end / job.every).floor();
            if number > *run {
                rotated |= idx == ROTATION && run.is_finite();
                (*run, *size) = (number, rng.log_normal(RUN_SIGMA));
            }
            let share = *size * (job.spent(end) - job.spent(end - step)) / step;
            sum.add(share, &job.work);
        }
        (sum, rotated)
    }
}

impl CronJob {
    /// Total run time of the job until then, in seconds, counted from its first run at second 0.
    fn spent(&self, until: f64) -> f64 {
        let runs = (until / self.every).floor();
        runs * self.lasts + (until - runs * self.every).min(self.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_all_runs_whatever_the_step() {
        let total: f64 = JOBS.iter().map(|it| it.work.read * it.lasts * 86_400.0 / it.every).sum();
        for step in [1.0, 60.0, 300.0, 3_600.0, 7_200.0] {
            let mut rng = SimulationRng::new(1);
            let mut jobs = CronJobs::new(&[], &mut rng);
            let (mut read, mut rotations) = (0.0, 0);
            for idx in 0..(864_000.0 / step) as u32 {
                let (work, rotated) = jobs.step(f64::from(idx + 1) * step, step, &mut rng);
                read += work.read * step / 10.0;
                rotations += u32::from(rotated);
            }
            assert!((read / total - 1.0).abs() < 0.15, "step {step}: {read} of {total}");
            assert!((9..=10).contains(&rotations), "{rotations}");
        }
    }
}
