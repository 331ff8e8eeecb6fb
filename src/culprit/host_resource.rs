//! The resource that a signal is about, and the measure of its users.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UsageMeasure;

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
const SIGNALS: &[(&str, Resource, UsageMeasure)] = &[
    ("cpu_iowait", Resource::Io, UsageMeasure::DiskBytes),
    ("cpu_system", Resource::Cpu, UsageMeasure::SystemCpu),
    ("cpu_steal", Resource::Cpu, UsageMeasure::Cpu),
    ("cpu_", Resource::Cpu, UsageMeasure::Cpu),
    ("reading_delay", Resource::Cpu, UsageMeasure::Cpu),
    ("pressure_cpu", Resource::Cpu, UsageMeasure::Cpu),
    ("memory_", Resource::Memory, UsageMeasure::Memory),
    ("swap_", Resource::Memory, UsageMeasure::Memory),
    ("pressure_memory", Resource::Memory, UsageMeasure::Memory),
    ("page_", Resource::Memory, UsageMeasure::Faults),
    ("disk_", Resource::Io, UsageMeasure::DiskBytes),
    ("filesystem_", Resource::Io, UsageMeasure::DiskBytes),
    ("pressure_io", Resource::Io, UsageMeasure::DiskBytes),
    ("tasks_blocked", Resource::Io, UsageMeasure::DiskBytes),
    ("tcp_connections", Resource::Network, UsageMeasure::Descriptors),
    // The kernel accounts no network traffic to processes; sending and receiving takes CPU time in kernel mode.
    ("tcp_", Resource::Network, UsageMeasure::SystemCpu),
    ("network_", Resource::Network, UsageMeasure::SystemCpu),
    ("loopback_", Resource::Network, UsageMeasure::SystemCpu),
    ("files_", Resource::Tasks, UsageMeasure::Descriptors),
    ("tasks_running", Resource::Tasks, UsageMeasure::Cpu),
    ("forks_", Resource::Tasks, UsageMeasure::Starts),
    // Who switches often, enters the kernel often.
    ("context_switches", Resource::Tasks, UsageMeasure::SystemCpu),
];

/// The resource of a signal and the measure of its users; `None` for a signal that this table lacks.
pub fn resource_of(signal: &str) -> Option<(Resource, UsageMeasure)> {
    let row = SIGNALS.iter().find(|(start, _, _)| signal.starts_with(start));
    row.map(|(_, resource, measure)| (*resource, *measure))
}
