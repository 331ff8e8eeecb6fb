//! CPU time that control groups lost to their own limits, over the whole host: set by `cgroup`, subtracted by `pressure`.

use super::{cpu, stat};
use crate::metric::Metric;
use crate::signal::ReadingPair;

/// Set by the source `cgroup`.
pub(super) static THROTTLED: Metric = Metric::counter(
    "hostnorm_cpu_throttled_seconds_total",
    "Time for which containers, pods and services were throttled by their own CPU limits, in seconds, summed over all of them and over CPUs",
)
.gains_at_most_per(GROUPS_MAX, &cpu::COUNT, GROUPS_MAX * cpu::CPUS_MAX);

/// More groups than are read; each may be throttled on each CPU.
const GROUPS_MAX: f64 = 512.0;

/// Tasks that the reading of `/proc/stat` adds to those that run: the thread that reads it.
const OWN_TASKS: f64 = 1.0;

/// Seconds throttled per second, summed over CPUs; `None` on a host without such groups.
pub(super) fn throttled_rate(change: &ReadingPair<'_>) -> Option<f64> {
    change.rate(&THROTTLED)
}

/// How much the tasks that no limit stops want to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CpuDemand {
    /// CPUs online.
    cpus: f64,
    /// CPU seconds used per second by all tasks.
    used: f64,
    /// Tasks running or ready to run at the newer reading, without hostnorm. The kernel does not count throttled ones.
    runnable: f64,
}

impl CpuDemand {
    /// The demand between two readings; one that is not known shows no wait of its own.
    pub(super) fn of(change: &ReadingPair<'_>) -> Self {
        let cpus = change.level(&cpu::COUNT).unwrap_or(1.0).max(1.0);
        let used = cpus * cpu::busy_ratio(change).unwrap_or(0.0);
        let runnable = change.level(&stat::RUNNING).map_or(0.0, |it| (it - OWN_TASKS).max(0.0));
        Self { cpus, used, runnable }
    }

    /// The share of CPUs on which a task waits for another one, as far as the tasks show it.
    ///
    /// Of more runnable tasks than CPUs, each one too many waits, at best on a CPU of its own. They are counted at an instant,
    /// which may be the one at which all periods of limits begin, so the share is at most that of the time in use.
    fn waiting_share(&self) -> f64 {
        ((self.runnable - self.cpus) / self.cpus).clamp(0.0, (self.used / self.cpus).min(1.0))
    }
}

/// The part of the share of time `waited` that the limits of groups do not explain; `throttled` in seconds per second.
///
/// The kernel counts a throttled task as waiting, on the host and in the root control group alike, and weights each CPU by
/// the time in which it has tasks (`kernel/sched/psi.c`). Throttled for t seconds per second in all, groups add at most t,
/// and at most t divided by the number of CPUs with tasks: that is at least 1 while somebody waits, and at least the CPU
/// time in use. So no limit passes for a load of the host. On a host that is busy besides, this subtracts too much; there
/// the runnable tasks show the rest.
pub(super) fn wait_beyond_limits(waited: f64, throttled: f64, demand: &CpuDemand) -> f64 {
    let explained = throttled / throttled.max(demand.used).max(1.0);
    (waited - explained).max(demand.waiting_share().min(waited)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_explains_a_wait_only_as_far_as_it_reaches() {
        // Waited, throttled; CPUs, CPU time in use, runnable tasks; the wait that no limit explains.
        for (what, waited, throttled, [cpus, used, runnable], expected) in [
            ("nobody is throttled", 0.6, 0.0, [2.0, 2.0, 3.0], 0.6),
            ("idle, one task limited to a fifth of a CPU", 0.5, 0.8, [2.0, 0.2, 0.0], 0.0),
            ("idle, eight limited tasks on two CPUs", 0.95, 1.8, [2.0, 0.2, 0.0], 0.0),
            ("idle, and all limited tasks are let go at the reading", 0.95, 1.8, [2.0, 0.2, 8.0], 0.1),
            ("both CPUs in use, nobody waits for another task", 0.8, 1.6, [2.0, 2.0, 2.0], 0.0),
            ("overloaded besides", 1.0, 1.8, [2.0, 2.0, 8.0], 1.0),
            ("one task too many for two CPUs", 0.95, 1.8, [2.0, 2.0, 3.0], 0.5),
            ("never more than the kernel saw", 0.3, 1.8, [2.0, 2.0, 8.0], 0.3),
            ("64 busy CPUs, a limit on eight of them", 0.9, 7.9, [64.0, 64.0, 64.0], 0.9 - 7.9 / 64.0),
            ("64 idle CPUs, a limit on eight of them", 0.98, 7.9, [64.0, 0.2, 0.0], 0.0),
            ("no demand is known", 0.9, 0.2, [1.0, 0.0, 0.0], 0.7),
        ] {
            let found = wait_beyond_limits(waited, throttled, &CpuDemand { cpus, used, runnable });
            assert!((found - expected).abs() < 1e-9, "{what}: {found} instead of {expected}");
        }
    }
}
