//! The signals that a fault affects together.
//!
//! A fault has one leading signal; others follow in their own units. User CPU time, for example, is also CPU usage, and a
//! megabyte written is a number of operations.

use super::fault::FaultKind;

/// A leading signal with those that follow it.
#[derive(Debug)]
pub(super) struct SignalGroup {
    /// The signal whose change has the size of the fault.
    pub(super) lead: &'static str,
    /// Following signals, with their change for each unit of the lead's change.
    pub(super) follow: &'static [(&'static str, f64)],
}

/// Programs use CPU time: it counts as busy time, and waiting for CPUs grows with it.
const PROGRAMS: SignalGroup = SignalGroup {
    lead: "cpu_user_ratio",
    follow: &[("cpu_busy_ratio", 1.0), ("tasks_running_per_cpu", 1.3), ("pressure_cpu_ratio", 0.5)],
};

/// All CPUs are busy: the run queue is several times as long as the number of CPUs.
const PROCESSORS: SignalGroup = SignalGroup {
    lead: "cpu_busy_ratio",
    follow: &[("cpu_user_ratio", 0.95), ("tasks_running_per_cpu", 4.0), ("pressure_cpu_ratio", 0.9)],
};

/// Memory usage alone; pressure appears only when memory is used up.
const MEMORY: SignalGroup = SignalGroup { lead: "memory_used_ratio", follow: &[] };

/// Memory is used up: evicted pages are read again and again.
const MEMORY_FULL: SignalGroup = SignalGroup {
    lead: "memory_used_ratio",
    follow: &[
        ("pressure_memory_ratio", 0.8),
        ("major_page_faults_per_second", 3_000.0),
        ("pressure_io_ratio", 0.5),
        ("disk_read_bytes_per_second", 60e6),
    ],
};

/// More disk writes: 64 kB per operation, at most 200 MB per second.
const DISK: SignalGroup = SignalGroup {
    lead: "disk_written_bytes_per_second",
    follow: &[
        ("disk_operations_per_second", 1.0 / 64e3),
        ("disk_busy_ratio", 1.0 / 200e6),
        ("pressure_io_ratio", 0.5 / 200e6),
        ("cpu_iowait_ratio", 0.1 / 200e6),
    ],
};

/// A slow disk: everything waits for it, even for small requests.
const DISK_FULL: SignalGroup = SignalGroup {
    lead: "disk_busy_ratio",
    follow: &[("pressure_io_ratio", 0.9), ("cpu_iowait_ratio", 0.3), ("tasks_blocked", 5.0)],
};

/// More traffic, in packets of 1.1 kB with acknowledgements.
const NETWORK: SignalGroup = SignalGroup {
    lead: "network_sent_bytes_per_second",
    follow: &[("network_packets_per_second", 1.0 / 700.0), ("network_received_bytes_per_second", 0.06)],
};

/// Connections are opened and not closed.
const CONNECTIONS: SignalGroup = SignalGroup { lead: "tcp_connections_established", follow: &[] };

/// A filesystem fills up.
const FILESYSTEM: SignalGroup = SignalGroup { lead: "filesystem_used_ratio", follow: &[] };

/// Another guest takes a share of the CPUs and of the disk behind them. Stolen time counts as busy time, tasks wait
/// longer, and throughput falls.
const NEIGHBOR: SignalGroup = SignalGroup {
    lead: "cpu_steal_ratio",
    follow: &[
        ("cpu_busy_ratio", 0.8),
        ("cpu_user_ratio", -0.1),
        ("tasks_running_per_cpu", 3.0),
        ("pressure_cpu_ratio", 1.2),
        ("pressure_io_ratio", 0.5),
        ("cpu_iowait_ratio", 0.1),
        ("tcp_retransmits_per_second", 60.0),
        ("context_switches_per_second", -8_000.0),
    ],
};

/// An endless log: short lines, the CPU time to write them, and 5 % of the filesystem for each 100 MB/s.
const LOG: SignalGroup = SignalGroup {
    lead: "disk_written_bytes_per_second",
    follow: &[
        ("filesystem_used_ratio", 0.1 / 100e6),
        ("disk_operations_per_second", 1.0 / 100e3),
        ("disk_busy_ratio", 1.0 / 250e6),
        ("cpu_user_ratio", 0.08 / 100e6),
        ("cpu_system_ratio", 0.04 / 100e6),
        ("cpu_busy_ratio", 0.12 / 100e6),
    ],
};

/// The signal of which a log burst uses more and more.
pub(super) const FILLS: &str = "filesystem_used_ratio";

/// The groups that a fault may affect, one of which is drawn; none for faults of whole devices.
pub(super) fn groups(fault: FaultKind) -> &'static [&'static SignalGroup] {
    match fault {
        FaultKind::Spike | FaultKind::Oscillation => &[&PROGRAMS, &DISK, &NETWORK, &CONNECTIONS],
        FaultKind::LevelShift => &[&PROGRAMS, &MEMORY, &DISK, &NETWORK, &CONNECTIONS],
        FaultKind::Leak => &[&MEMORY, &FILESYSTEM, &CONNECTIONS],
        FaultKind::Saturation => &[&PROCESSORS, &MEMORY_FULL, &DISK_FULL],
        FaultKind::NoisyNeighbor => &[&NEIGHBOR],
        FaultKind::LogBurst => &[&LOG],
        FaultKind::FlatLine | FaultKind::VanishedDevice | FaultKind::StoppedCounter => &[],
    }
}

/// Prefixes of the signals of one collector, which hang or vanish together.
pub(super) fn devices(fault: FaultKind) -> &'static [&'static str] {
    match fault {
        FaultKind::FlatLine => &["cpu_", "disk_", "network_", "memory_", "tcp_connections_"],
        FaultKind::VanishedDevice => &["disk_", "network_", "filesystem_"],
        _ => &[],
    }
}
