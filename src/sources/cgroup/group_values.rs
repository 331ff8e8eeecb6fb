//! The values of one group, whichever version of control groups they come from.

use crate::metric::{Metric, fits};
use crate::reading::Values;
use crate::sources::disk::BYTES_MAX;
use crate::sources::kernel_file::IMPOSSIBLE;
use crate::sources::{cpu, stat};

/// Periods per second: the kernel accepts none below a millisecond (`kernel/sched/core.c`, `min_cfs_quota_period`).
const PERIODS_MAX: f64 = 1_000.0;

pub(super) static INFO: Metric = Metric::gauge(
    "hostnorm_cgroup_info",
    "Where the subject is found elsewhere: runtime, namespace, pod, container, and ID or UID; always 1",
)
.by(&["runtime", "pod_namespace", "pod_name", "container_name", "id"]);
pub(super) static CPU: Metric =
    Metric::counter("hostnorm_cgroup_cpu_seconds_total", "CPU time of the group, in seconds")
        .gains_at_most_per(1.0, &cpu::COUNT);
pub(super) static PERIODS: Metric = Metric::counter(
    "hostnorm_cgroup_cpu_periods_total",
    "Periods in which the CPU limit of the group was enforced",
)
.gains_at_most(PERIODS_MAX);
pub(super) static THROTTLED_PERIODS: Metric = Metric::counter(
    "hostnorm_cgroup_cpu_throttled_periods_total",
    "Periods in which the group used up its CPU limit and had to wait",
)
.gains_at_most(PERIODS_MAX)
.part_of(&PERIODS);
pub(super) static THROTTLED: Metric = Metric::counter(
    "hostnorm_cgroup_cpu_throttled_seconds_total",
    "Time for which the group was throttled by its CPU limit, in seconds, summed over CPUs",
)
.gains_at_most_per(1.0, &cpu::COUNT);
pub(super) static CPU_LIMIT: Metric =
    Metric::gauge("hostnorm_cgroup_cpu_limit_cores", "CPU limit of the group, in CPUs; absent without one");
pub(super) static MEMORY: Metric = Metric::gauge(
    "hostnorm_cgroup_memory_usage_bytes",
    "Memory of the group in bytes, including its page cache",
);
pub(super) static WORKING_SET: Metric = Metric::gauge(
    "hostnorm_cgroup_memory_working_set_bytes",
    "Memory of the group in bytes, minus the page cache that was not used lately",
)
.part_of(&MEMORY);
pub(super) static MEMORY_LIMIT: Metric = Metric::gauge(
    "hostnorm_cgroup_memory_limit_bytes",
    "Memory limit of the group in bytes; absent without one",
);
pub(super) static MAJOR_FAULTS: Metric = Metric::counter(
    "hostnorm_cgroup_memory_major_faults_total",
    "Page faults of the group that had to read from disk",
);
pub(super) static OOM_KILLS: Metric = Metric::counter(
    "hostnorm_cgroup_oom_kills_total",
    "Processes of the group killed because memory ran out",
);
pub(super) static READ: Metric =
    Metric::counter("hostnorm_cgroup_read_bytes_total", "Bytes the group read from disks")
        .gains_at_most(BYTES_MAX);
pub(super) static WRITTEN: Metric =
    Metric::counter("hostnorm_cgroup_written_bytes_total", "Bytes the group wrote to disks")
        .gains_at_most(BYTES_MAX);
pub(super) static TASKS: Metric =
    Metric::gauge("hostnorm_cgroup_tasks", "Processes and threads of the group").within(0.0, stat::TASKS_MAX);
pub(super) static PRESSURE_CPU: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_cpu_waiting_seconds_total",
    "Time in which at least one task of the group waited for CPU, in seconds, including time in which the group's own CPU limit kept it waiting",
)
.gains_at_most(1.0);
pub(super) static PRESSURE_MEMORY: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_memory_waiting_seconds_total",
    "Time in which at least one task of the group waited for memory, in seconds",
)
.gains_at_most(1.0);
pub(super) static PRESSURE_IO: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_io_waiting_seconds_total",
    "Time in which at least one task of the group waited for I/O, in seconds",
)
.gains_at_most(1.0);
pub(super) static RECEIVED: Metric = Metric::counter(
    "hostnorm_cgroup_network_receive_bytes_total",
    "Bytes received by the network of the group; absent if it uses that of the host or of its pod",
);
pub(super) static SENT: Metric = Metric::counter(
    "hostnorm_cgroup_network_send_bytes_total",
    "Bytes sent by the network of the group; absent if it uses that of the host or of its pod",
);
pub(super) static STARTED: Metric =
    Metric::gauge("hostnorm_cgroup_start_time_seconds", "Start of the group as Unix time, in seconds");
pub(super) static RESTARTS: Metric = Metric::counter(
    "hostnorm_cgroup_restarts_total",
    "Times that another group took the name of the subject, or the group was created anew, since hostnorm started",
)
.of_process();

/// Values read at each reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct FrequentValues {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) periods: Option<f64>,
    pub(super) throttled_periods: Option<f64>,
    pub(super) throttled_seconds: Option<f64>,
    pub(super) memory_bytes: Option<f64>,
}

/// Values read less often, because the kernel takes long to make their files.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SlowValues {
    pub(super) inactive_file_bytes: Option<f64>,
    pub(super) major_faults: Option<f64>,
    pub(super) oom_kills: Option<f64>,
    pub(super) read_bytes: Option<f64>,
    pub(super) written_bytes: Option<f64>,
    pub(super) tasks: Option<f64>,
    pub(super) pressure_cpu: Option<f64>,
    pub(super) pressure_memory: Option<f64>,
    pub(super) pressure_io: Option<f64>,
    /// Bytes received and sent by its own network.
    pub(super) network_bytes: Option<[f64; 2]>,
}

/// Limits, which are read once a minute: they change when somebody changes them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct RareValues {
    pub(super) cpu_limit: Option<f64>,
    /// Quota and period of version 1 in microseconds.
    pub(super) quota: Option<f64>,
    pub(super) period: Option<f64>,
    pub(super) memory_limit: Option<f64>,
}

/// All values of one group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct GroupValues {
    pub(super) frequent: FrequentValues,
    pub(super) slow: SlowValues,
    pub(super) rare: RareValues,
}

impl GroupValues {
    /// Memory without page cache that was not used lately. The page cache is a part of the memory: one that is larger is
    /// impossible, unless it is from an earlier reading.
    fn working_set(&self) -> Option<f64> {
        let (memory, inactive) = (self.frequent.memory_bytes?, self.slow.inactive_file_bytes?);
        let is_known = memory.is_finite() && inactive.is_finite();
        is_known.then(|| if fits(inactive, memory) { (memory - inactive).max(0.0) } else { IMPOSSIBLE })
    }

    /// Whether the slow values fit the frequent ones.
    pub(super) fn is_consistent(&self) -> bool {
        self.working_set().is_none_or(f64::is_finite)
    }

    /// Adds them to a reading.
    pub(super) fn set(&self, into: &mut Values) {
        let Self { frequent, slow, rare } = self;
        let limit = || Some(rare.quota? / rare.period.filter(|it| 0.0 < *it)?);
        for (metric, value) in [
            (&CPU, frequent.cpu_seconds),
            (&PERIODS, frequent.periods),
            (&THROTTLED_PERIODS, frequent.throttled_periods),
            (&THROTTLED, frequent.throttled_seconds),
            (&CPU_LIMIT, rare.cpu_limit.or_else(limit)),
            (&MEMORY, frequent.memory_bytes),
            (&WORKING_SET, self.working_set()),
            (&MEMORY_LIMIT, rare.memory_limit),
            (&MAJOR_FAULTS, slow.major_faults),
            (&OOM_KILLS, slow.oom_kills),
            (&READ, slow.read_bytes),
            (&WRITTEN, slow.written_bytes),
            (&TASKS, slow.tasks),
            (&PRESSURE_CPU, slow.pressure_cpu),
            (&PRESSURE_MEMORY, slow.pressure_memory),
            (&PRESSURE_IO, slow.pressure_io),
            (&RECEIVED, slow.network_bytes.map(|it| it[0])),
            (&SENT, slow.network_bytes.map(|it| it[1])),
        ] {
            if let Some(value) = value {
                into.set(metric, value);
            }
        }
    }
}
