//! The values of one group, whichever version of control groups they come from.

use crate::metric::{Metric, fits};
use crate::reading::SubjectValues;
use crate::sources::disk::{BYTES_MAX, OPERATIONS_MAX};
use crate::sources::kernel_file::BELOW_ZERO;
use crate::sources::memory::KILLS_MAX;
use crate::sources::network::LINK_BYTES_MAX;
use crate::sources::{cpu, stat};

/// Periods per second: the kernel accepts none below a millisecond (`kernel/sched/core.c`, `min_cfs_quota_period`).
pub(super) const PERIODS_MAX: f64 = 1_000.0;

pub(in crate::sources) static INFO: Metric = Metric::gauge(
    "hostnorm_cgroup_info",
    "Identity of the subject in its runtime and in Kubernetes: runtime, namespace, pod, container, and ID or UID; always 1",
)
.by(&["runtime", "pod_namespace", "pod_name", "container_name", "id"]);
pub(in crate::sources) static CPU: Metric =
    Metric::counter("hostnorm_cgroup_cpu_seconds_total", "CPU time of the group, in seconds")
        .gains_at_most_per(1.0, &cpu::COUNT, cpu::CPUS_MAX);
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
pub(super) static THROTTLED_RATIO: Metric = Metric::gauge(
    "hostnorm_cgroup_cpu_throttled_ratio",
    "Share of periods in which the group used up its CPU limit, since the previous reading of the group; absent without a limit",
)
.within(0.0, 1.0);
pub(super) static THROTTLED: Metric = Metric::counter(
    "hostnorm_cgroup_cpu_throttled_seconds_total",
    "Time for which the group was throttled by its CPU limit, in seconds, summed over CPUs",
)
.gains_at_most_per(1.0, &cpu::COUNT, cpu::CPUS_MAX);
pub(super) static CPU_LIMIT: Metric =
    Metric::gauge("hostnorm_cgroup_cpu_limit_cores", "CPU limit of the group, in CPUs; absent without one");
pub(super) static MEMORY: Metric = Metric::gauge(
    "hostnorm_cgroup_memory_usage_bytes",
    "Memory of the group in bytes, including its page cache",
);
pub(in crate::sources) static WORKING_SET: Metric = Metric::gauge(
    "hostnorm_cgroup_memory_working_set_bytes",
    "Memory of the group in bytes, minus the page cache that was not used recently",
)
.part_of(&MEMORY);
pub(super) static MEMORY_LIMIT: Metric = Metric::gauge(
    "hostnorm_cgroup_memory_limit_bytes",
    "Memory limit of the group in bytes; absent without one",
);
pub(super) static MAJOR_FAULTS: Metric = Metric::counter(
    "hostnorm_cgroup_major_page_faults_total",
    "Page faults of the group that had to read from disk",
)
.gains_at_most(OPERATIONS_MAX);
pub(super) static OOM_KILLS: Metric = Metric::counter(
    "hostnorm_cgroup_oom_kills_total",
    "Processes of the group killed because memory ran out",
)
.gains_at_most(KILLS_MAX);
pub(super) static MEMORY_HIGH: Metric = Metric::counter(
    "hostnorm_cgroup_memory_high_events_total",
    "Times the group exceeded memory.high and had to free memory; absent with version 1 of control groups",
)
.gains_at_most(OPERATIONS_MAX);
pub(super) static MEMORY_MAX: Metric = Metric::counter(
    "hostnorm_cgroup_memory_max_events_total",
    "Times the group was about to exceed its memory limit; absent with version 1 of control groups",
)
.gains_at_most(OPERATIONS_MAX);
pub(super) static MEMORY_OOM: Metric = Metric::counter(
    "hostnorm_cgroup_memory_oom_events_total",
    "Times the group could not free enough memory to stay within its limit; absent with version 1 of control groups",
)
.gains_at_most(OPERATIONS_MAX);
pub(in crate::sources) static READ: Metric =
    Metric::counter("hostnorm_cgroup_disk_read_bytes_total", "Bytes the group read from disks")
        .gains_at_most(BYTES_MAX);
pub(in crate::sources) static WRITTEN: Metric =
    Metric::counter("hostnorm_cgroup_disk_written_bytes_total", "Bytes the group wrote to disks")
        .gains_at_most(BYTES_MAX);
pub(super) static TASKS: Metric =
    Metric::gauge("hostnorm_cgroup_tasks", "Processes and threads of the group").within(0.0, stat::TASKS_MAX);
pub(super) static PRESSURE_CPU: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_cpu_waiting_seconds_total",
    "Time in which at least one task of the group waited for CPU or for the CPU limit of the group, in seconds",
)
.gains_at_most(1.0);
pub(super) static STALLED_CPU: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_cpu_stalled_seconds_total",
    "Time in which all tasks of the group that were not idle waited for CPU, in seconds, including time in which the group's own CPU limit kept it waiting",
)
.gains_at_most(1.0)
.part_of(&PRESSURE_CPU);
pub(super) static PRESSURE_MEMORY: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_memory_waiting_seconds_total",
    "Time in which at least one task of the group waited for memory, in seconds",
)
.gains_at_most(1.0);
pub(super) static STALLED_MEMORY: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_memory_stalled_seconds_total",
    "Time in which all tasks of the group that were not idle waited for memory, in seconds",
)
.gains_at_most(1.0)
.part_of(&PRESSURE_MEMORY);
pub(super) static PRESSURE_IO: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_io_waiting_seconds_total",
    "Time in which at least one task of the group waited for I/O, in seconds",
)
.gains_at_most(1.0);
pub(super) static STALLED_IO: Metric = Metric::counter(
    "hostnorm_cgroup_pressure_io_stalled_seconds_total",
    "Time in which all tasks of the group that were not idle waited for I/O, in seconds",
)
.gains_at_most(1.0)
.part_of(&PRESSURE_IO);
pub(super) static RECEIVED: Metric = Metric::counter(
    "hostnorm_cgroup_network_receive_bytes_total",
    "Bytes received by the network of the group; absent if it uses that of the host or of its pod",
)
.gains_at_most(LINK_BYTES_MAX);
pub(super) static SENT: Metric = Metric::counter(
    "hostnorm_cgroup_network_transmit_bytes_total",
    "Bytes sent by the network of the group; absent if it uses that of the host or of its pod",
)
.gains_at_most(LINK_BYTES_MAX);
pub(super) static STARTED: Metric =
    Metric::gauge("hostnorm_cgroup_start_time_seconds", "Start of the group as Unix time, in seconds");
pub(super) static RESTARTS: Metric = Metric::counter(
    "hostnorm_cgroup_restarts_total",
    "Number of restarts since hostnorm started. A restart is counted when a new control group replaces the one of the subject, under the same or another ID",
)
.of_process();
pub(super) static RECENT_RESTARTS: Metric =
    Metric::gauge("hostnorm_cgroup_recent_restarts", "Restarts within the last ten minutes, at most 20");

/// Values read at each reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct FrequentValues {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) periods: Option<f64>,
    pub(super) throttled_periods: Option<f64>,
    pub(super) throttled_seconds: Option<f64>,
    pub(super) memory_bytes: Option<f64>,
}

/// The totals of a pressure file, in seconds. Kernels before 5.13 have no line `full` for CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::sources) struct GroupPressure {
    /// At least one task waited.
    pub(in crate::sources) some: Option<f64>,
    /// All tasks that were not idle waited.
    pub(in crate::sources) full: Option<f64>,
}

/// Values read less often, because the kernel takes long to make their files, that change only if the group does something.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ActivityValues {
    pub(super) inactive_file_bytes: Option<f64>,
    pub(super) major_faults: Option<f64>,
    pub(super) oom_kills: Option<f64>,
    /// Events of memory.high, of the limit, and of memory that could not be freed.
    pub(super) memory_events: [Option<f64>; 3],
    pub(super) read_bytes: Option<f64>,
    pub(super) written_bytes: Option<f64>,
    pub(super) tasks: Option<f64>,
}

/// Values read less often, that may also change while all tasks of the group wait.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SlowValues {
    pub(super) pressure_cpu: GroupPressure,
    pub(super) pressure_memory: GroupPressure,
    pub(super) pressure_io: GroupPressure,
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
pub(super) struct CgroupValues {
    pub(super) frequent: FrequentValues,
    pub(super) slow: SlowValues,
    pub(super) activity: ActivityValues,
    pub(super) rare: RareValues,
}

impl CgroupValues {
    /// Memory without page cache that was not used lately. The page cache is a part of the memory: one that is larger is
    /// impossible, unless it is from an earlier reading.
    fn working_set(&self) -> Option<f64> {
        let (memory, inactive) = (self.frequent.memory_bytes?, self.activity.inactive_file_bytes?);
        let is_known = memory.is_finite() && inactive.is_finite();
        is_known.then(|| if fits(inactive, memory) { (memory - inactive).max(0.0) } else { BELOW_ZERO })
    }

    /// Whether the slow values fit the frequent ones.
    pub(super) fn is_consistent(&self) -> bool {
        self.working_set().is_none_or(f64::is_finite)
    }

    /// The CPU limit, in CPUs.
    pub(super) fn cpu_limit(&self) -> Option<f64> {
        let RareValues { cpu_limit, quota, period, .. } = self.rare;
        cpu_limit.or_else(|| Some(quota? / period.filter(|it| 0.0 < *it)?))
    }

    /// The periods in which its limit was enforced, and those in which it was throttled.
    pub(super) fn periods(&self) -> Option<[f64; 2]> {
        Some([self.frequent.periods?, self.frequent.throttled_periods?])
    }

    /// Adds them to a reading.
    pub(super) fn set(&self, into: &mut SubjectValues) {
        let Self { frequent, slow, activity, rare } = self;
        for (metric, value) in [
            (&CPU, frequent.cpu_seconds),
            (&PERIODS, frequent.periods),
            (&THROTTLED_PERIODS, frequent.throttled_periods),
            (&THROTTLED, frequent.throttled_seconds),
            (&CPU_LIMIT, self.cpu_limit()),
            (&MEMORY, frequent.memory_bytes),
            (&WORKING_SET, self.working_set()),
            (&MEMORY_LIMIT, rare.memory_limit),
            (&MAJOR_FAULTS, activity.major_faults),
            (&OOM_KILLS, activity.oom_kills),
            (&MEMORY_HIGH, activity.memory_events[0]),
            (&MEMORY_MAX, activity.memory_events[1]),
            (&MEMORY_OOM, activity.memory_events[2]),
            (&READ, activity.read_bytes),
            (&WRITTEN, activity.written_bytes),
            (&TASKS, activity.tasks),
            (&PRESSURE_CPU, slow.pressure_cpu.some),
            (&STALLED_CPU, slow.pressure_cpu.full),
            (&PRESSURE_MEMORY, slow.pressure_memory.some),
            (&STALLED_MEMORY, slow.pressure_memory.full),
            (&PRESSURE_IO, slow.pressure_io.some),
            (&STALLED_IO, slow.pressure_io.full),
            (&RECEIVED, slow.network_bytes.map(|it| it[0])),
            (&SENT, slow.network_bytes.map(|it| it[1])),
        ] {
            if let Some(value) = value {
                into.set(metric, value);
            }
        }
    }
}
