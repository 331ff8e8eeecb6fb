//! CPU time that control groups lost to their own limits, over the whole host: set by `cgroup`, subtracted by `pressure`.

use super::cpu;
use crate::metric::Metric;
use crate::signal::ReadingPair;

/// Set by the source `cgroup`.
pub(super) static THROTTLED: Metric = Metric::counter(
    "hostnorm_cgroup_all_throttled_seconds_total",
    "Time for which all containers, pods and services together were throttled by their own CPU limits, in seconds, summed over CPUs",
)
.gains_at_most_per(GROUPS_MAX, &cpu::COUNT);

/// More groups than are read; each may be throttled on each CPU.
const GROUPS_MAX: f64 = 512.0;

/// Seconds throttled per second, summed over CPUs; `None` on a host without such groups.
pub(super) fn throttled_rate(change: &ReadingPair<'_>) -> Option<f64> {
    change.rate(&THROTTLED)
}
