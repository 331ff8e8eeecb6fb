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

/// One line of the crontab.
#[derive(Debug, Clone, Copy)]
struct CronJob {
    /// Seconds between two runs.
    every: f64,
    /// Start of a run, in seconds after midnight or after the full hour.
    at: f64,
    /// Duration of a run, in seconds.
    lasts: f64,
    /// Load during a run.
    work: SimulatedJobLoad,
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
    /// Number and size of the newest run of each job.
    runs: [(f64, f64); JOBS.len()],
}

impl CronJobs {
    pub(super) fn new(rng: &mut SimulationRng) -> Self {
        let shift = 60.0 * rng.random().below(SHIFT_MINUTES_MAX + 1) as f64;
        Self { shift, runs: [(f64::NEG_INFINITY, 1.0); JOBS.len()] }
    }

    /// Mean load of the jobs in the `step` seconds before `at`, and whether logs were rotated.
    pub(super) fn step(&mut self, at: f64, step: f64, rng: &mut SimulationRng) -> (SimulatedJobLoad, bool) {
        let (mut sum, mut rotated) = (SimulatedJobLoad::default(), false);
        for (idx, (job, run)) in JOBS.iter().zip(&mut self.runs).enumerate() {
            let end = at - job.at - self.shift;
            let number = (end / job.every).floor();
            if number > run.0 {
                rotated |= idx == ROTATION && run.0.is_finite();
                *run = (number, rng.log_normal(RUN_SIGMA));
            }
            let share = run.1 * (job.spent(end) - job.spent(end - step)) / step;
            let SimulatedJobLoad { cpu, read, written, sent, forks } = job.work;
            sum.cpu += share * cpu;
            sum.read += share * read;
            sum.written += share * written;
            sum.sent += share * sent;
            sum.forks += share * forks;
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
            let mut jobs = CronJobs::new(&mut rng);
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
