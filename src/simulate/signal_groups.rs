//! The signals that a fault affects together.
//!
//! A fault has one leading signal; others follow in their own units. User CPU time, for example, is also CPU usage, and a
//! megabyte written is a number of operations.

use super::fault::Fault;

/// A signal that leads, with those that follow it.
#[derive(Debug)]
pub(super) struct SignalGroup {
    /// The signal whose move has the size of the fault.
    pub(super) lead: &'static str,
    /// Each moves by so much for each unit of the lead's move.
    pub(super) follow: &'static [(&'static str, f64)],
}

/// Programs use processors: what they use is busy, and what waits for a processor grows with it.
const PROGRAMS: SignalGroup = SignalGroup {
    lead: "cpu_user_ratio",
    follow: &[("cpu_busy_ratio", 1.0), ("tasks_running_per_cpu", 1.3), ("pressure_cpu_ratio", 0.5)],
};

/// All processors are busy: the queue before them is several times as long as they are many.
const PROCESSORS: SignalGroup = SignalGroup {
    lead: "cpu_busy_ratio",
    follow: &[("cpu_user_ratio", 0.95), ("tasks_running_per_cpu", 4.0), ("pressure_cpu_ratio", 0.9)],
};

/// Memory alone; pressure comes only when it is used up.
const MEMORY: SignalGroup = SignalGroup { lead: "memory_used_ratio", follow: &[] };

/// Memory is used up: what is needed is read again and again.
const MEMORY_FULL: SignalGroup = SignalGroup {
    lead: "memory_used_ratio",
    follow: &[
        ("pressure_memory_ratio", 0.8),
        ("page_major_faults_per_second", 3_000.0),
        ("pressure_io_ratio", 0.5),
        ("disk_read_bytes_per_second", 60e6),
    ],
};

/// A disk has more to write: 64 kB an operation, 200 MB in a second at most.
const DISK: SignalGroup = SignalGroup {
    lead: "disk_written_bytes_per_second",
    follow: &[
        ("disk_operations_per_second", 1.0 / 64e3),
        ("disk_busy_ratio", 1.0 / 200e6),
        ("pressure_io_ratio", 0.5 / 200e6),
        ("cpu_iowait_ratio", 0.1 / 200e6),
    ],
};

/// A disk is slow: all wait for it, whatever little they want of it.
const DISK_FULL: SignalGroup = SignalGroup {
    lead: "disk_busy_ratio",
    follow: &[("pressure_io_ratio", 0.9), ("cpu_iowait_ratio", 0.3), ("tasks_blocked", 5.0)],
};

/// More is sent, in packets of 1.1 kB, and acknowledged.
const NETWORK: SignalGroup = SignalGroup {
    lead: "network_sent_bytes_per_second",
    follow: &[("network_packets_per_second", 1.0 / 700.0), ("network_received_bytes_per_second", 0.06)],
};

/// Connections are opened and not closed.
const CONNECTIONS: SignalGroup = SignalGroup { lead: "tcp_connections_established", follow: &[] };

/// A filesystem fills up.
const FILESYSTEM: SignalGroup = SignalGroup { lead: "filesystem_used_ratio", follow: &[] };

/// Another guest takes a share of the processors, and of the disk behind them. Stolen time is busy time, and our own tasks
/// wait the longer for it; what they get done is less.
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

/// A log without end: short lines, a processor that writes them, 5 % of the filesystem for each 100 MB/s.
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

/// The signal of which a log burst takes more and more.
pub(super) const FILLS: &str = "filesystem_used_ratio";

/// The groups that a fault may strike, one of which is drawn; none for faults that strike whole devices.
pub(super) fn groups(fault: Fault) -> &'static [&'static SignalGroup] {
    match fault {
        Fault::Spike | Fault::Oscillation => &[&PROGRAMS, &DISK, &NETWORK, &CONNECTIONS],
        Fault::LevelShift => &[&PROGRAMS, &MEMORY, &DISK, &NETWORK, &CONNECTIONS],
        Fault::Leak => &[&MEMORY, &FILESYSTEM, &CONNECTIONS],
        Fault::Saturation => &[&PROCESSORS, &MEMORY_FULL, &DISK_FULL],
        Fault::NoisyNeighbor => &[&NEIGHBOR],
        Fault::LogBurst => &[&LOG],
        Fault::FlatLine | Fault::VanishedDevice | Fault::StoppedCounter => &[],
    }
}

/// Signals that come from one collector, by how their names begin: what hangs or vanishes does so together.
pub(super) fn devices(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::FlatLine => &["cpu_", "disk_", "network_", "memory_", "tcp_connections_"],
        Fault::VanishedDevice => &["disk_", "network_", "filesystem_"],
        _ => &[],
    }
}
