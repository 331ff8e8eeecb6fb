//! Signals of containers, pods and services.

use super::group_values::{
    CPU, MAJOR_FAULTS, OOM_KILLS, PRESSURE_CPU, PRESSURE_IO, PRESSURE_MEMORY, READ, RECEIVED,
    RECENT_RESTARTS, SENT, TASKS, THROTTLED_RATIO, WORKING_SET, WRITTEN,
};
use crate::metric::Metric;
use crate::reading::SubjectKind;
use crate::signal::{ReadingPair, Signal, SignalUnit};

/// Each signal for each kind.
macro_rules! of_each_kind {
    ($($signal:ident),* $(,)?) => {
        &[$($signal(SubjectKind::Container), $signal(SubjectKind::Pod), $signal(SubjectKind::Service)),*]
    };
}

pub(in crate::sources) static SIGNALS: &[Signal] = of_each_kind![
    cpu_cores,
    throttled,
    memory,
    major_faults,
    oom_kills,
    restarts,
    read,
    written,
    received,
    sent,
    tasks,
    pressure_cpu,
    pressure_memory,
    pressure_io,
];

const fn cpu_cores(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_cpu_cores",
        title: "CPUs used",
        help: "CPU time per second: the number of CPUs that the group keeps busy",
        unit: SignalUnit::Count,
        // Three seconds of a window on one CPU are normal, as for the host.
        floor: 0.1,
        device: None,
        formula: |it| it.rate(&CPU),
    }
}

const fn throttled(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_cpu_throttled_ratio",
        title: "CPU throttling",
        help: "Share of periods in which the group used up its CPU limit; absent without a limit",
        unit: SignalUnit::Ratio,
        // Short bursts reach a limit in single periods.
        floor: 0.1,
        device: None,
        formula: |it| it.level(&THROTTLED_RATIO),
    }
}

const fn memory(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_memory_working_set_bytes",
        title: "memory",
        help: "Memory in use, minus the page cache that was not used recently",
        unit: SignalUnit::Bytes,
        // Smaller changes do not matter on a host with gigabytes.
        floor: 32.0 * 1024.0 * 1024.0,
        device: None,
        formula: |it| it.level(&WORKING_SET),
    }
}

const fn major_faults(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_major_page_faults_per_second",
        title: "major page faults",
        help: "Page faults per second that had to read from disk",
        unit: SignalUnit::PerSecond,
        // A program that starts has hundreds within a window.
        floor: 20.0,
        device: None,
        formula: |it| it.rate(&MAJOR_FAULTS),
    }
}

const fn oom_kills(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_oom_kills_per_second",
        title: "processes killed for memory",
        help: "Processes killed per second because memory ran out",
        unit: SignalUnit::PerSecond,
        // One kill within a window is ten times as much.
        floor: 0.003,
        device: None,
        formula: |it| it.rate(&OOM_KILLS),
    }
}

const fn restarts(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_repeated_restarts",
        title: "repeated restarts",
        help: "Number of restarts within the last ten minutes, minus two, and at least 0: an update alone causes one or two",
        unit: SignalUnit::Count,
        // The third restart is 20 times as much: enough for one signal alone.
        floor: 0.05,
        device: None,
        formula: |it| it.level(&RECENT_RESTARTS).map(|it| (it - 2.0).max(0.0)),
    }
}

const fn received(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_network_received_bytes_per_second",
        title: "network in",
        help: "Bytes received per second by its own network; absent if it uses that of the host or of its pod",
        unit: SignalUnit::BytesPerSecond,
        // As for the host.
        floor: 5e6,
        device: None,
        formula: |it| it.rate(&RECEIVED),
    }
}

const fn sent(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_network_sent_bytes_per_second",
        title: "network out",
        help: "Bytes sent per second by its own network; absent if it uses that of the host or of its pod",
        unit: SignalUnit::BytesPerSecond,
        // As for receiving.
        floor: 5e6,
        device: None,
        formula: |it| it.rate(&SENT),
    }
}

const fn read(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_disk_read_bytes_per_second",
        title: "disk reads",
        help: "Bytes read from disks per second",
        unit: SignalUnit::BytesPerSecond,
        // A third of the host's.
        floor: 5e6,
        device: None,
        formula: |it| it.rate(&READ),
    }
}

const fn written(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_disk_written_bytes_per_second",
        title: "disk writes",
        help: "Bytes written to disks per second",
        unit: SignalUnit::BytesPerSecond,
        // As for reading.
        floor: 5e6,
        device: None,
        formula: |it| it.rate(&WRITTEN),
    }
}

const fn tasks(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_tasks",
        title: "tasks",
        help: "Processes and threads",
        unit: SignalUnit::Count,
        // A few processes for a request or a check of health are normal.
        floor: 10.0,
        device: None,
        formula: |it| it.level(&TASKS),
    }
}

const fn pressure_cpu(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_pressure_cpu_ratio",
        title: "CPU pressure",
        help: "Share of time in which at least one task of the group waited for CPU or for the CPU limit of the group",
        unit: SignalUnit::Ratio,
        // As for the host, as are those below.
        floor: 0.10,
        device: None,
        formula: |it| ratio_of(it, &PRESSURE_CPU),
    }
}

const fn pressure_memory(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_pressure_memory_ratio",
        title: "memory pressure",
        help: "Share of time in which at least one task of the group waited for memory",
        unit: SignalUnit::Ratio,
        floor: 0.05,
        device: None,
        formula: |it| ratio_of(it, &PRESSURE_MEMORY),
    }
}

const fn pressure_io(kind: SubjectKind) -> Signal {
    Signal {
        kind,
        name: "cgroup_pressure_io_ratio",
        title: "I/O pressure",
        help: "Share of time in which at least one task of the group waited for I/O",
        unit: SignalUnit::Ratio,
        floor: 0.15,
        device: None,
        formula: |it| ratio_of(it, &PRESSURE_IO),
    }
}

/// Seconds waited per second. It is not cut to 1: the total grows by some seconds at once, and the mean is the ratio.
fn ratio_of(change: &ReadingPair<'_>, total: &'static Metric) -> Option<f64> {
    change.rate(total)
}
