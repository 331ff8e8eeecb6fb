//! The resource that a signal is about, and the measure of its users.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Measure;

/// A resource of a host that runs short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// CPU time.
    Cpu,
    /// Memory and swap.
    Memory,
    /// Disks and filesystems.
    Io,
    /// Network devices and connections.
    Network,
    /// Processes and threads.
    Tasks,
}

impl Resource {
    /// The value of the label `resource`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
            Self::Network => "network",
            Self::Tasks => "tasks",
        }
    }
}

/// Each row: the start of the names of signals, the resource, and the measure that finds its users. The first match
/// counts.
const SIGNALS: &[(&str, Resource, Measure)] = &[
    ("cpu_iowait", Resource::Io, Measure::DiskBytes),
    ("cpu_system", Resource::Cpu, Measure::SystemCpu),
    ("cpu_steal", Resource::Cpu, Measure::Cpu),
    ("cpu_", Resource::Cpu, Measure::Cpu),
    ("reading_delay", Resource::Cpu, Measure::Cpu),
    ("pressure_cpu", Resource::Cpu, Measure::Cpu),
    ("memory_", Resource::Memory, Measure::Memory),
    ("swap_", Resource::Memory, Measure::Memory),
    ("pressure_memory", Resource::Memory, Measure::Memory),
    ("page_", Resource::Memory, Measure::Faults),
    ("disk_", Resource::Io, Measure::DiskBytes),
    ("filesystem_", Resource::Io, Measure::DiskBytes),
    ("pressure_io", Resource::Io, Measure::DiskBytes),
    ("tasks_blocked", Resource::Io, Measure::DiskBytes),
    ("tcp_connections", Resource::Network, Measure::Descriptors),
    // The kernel accounts no network traffic to processes; sending and receiving takes CPU time in kernel mode.
    ("tcp_", Resource::Network, Measure::SystemCpu),
    ("network_", Resource::Network, Measure::SystemCpu),
    ("loopback_", Resource::Network, Measure::SystemCpu),
    ("files_", Resource::Tasks, Measure::Descriptors),
    ("tasks_running", Resource::Tasks, Measure::Cpu),
    ("forks_", Resource::Tasks, Measure::Starts),
    // Who switches often, enters the kernel often.
    ("context_switches", Resource::Tasks, Measure::SystemCpu),
];

/// The resource of a signal and the measure of its users; `None` for a signal that this table lacks.
pub fn resource_of(signal: &str) -> Option<(Resource, Measure)> {
    let row = SIGNALS.iter().find(|(start, _, _)| signal.starts_with(start));
    row.map(|(_, resource, measure)| (*resource, *measure))
}
