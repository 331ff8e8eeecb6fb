//! How the usage of a process is measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measure of the usage of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageMeasure {
    /// CPU seconds per second, with those of children that ended.
    Cpu,
    /// CPU seconds in kernel mode per second, with those of children that ended.
    SystemCpu,
    /// Resident bytes.
    Memory,
    /// Page faults per second, with those of children that ended.
    Faults,
    /// Bytes per second to and from disks.
    DiskBytes,
    /// Open file descriptors, sockets among them.
    Descriptors,
    /// Processes and threads started per second, as an estimate.
    Starts,
}

/// All measures.
pub const MEASURES: [UsageMeasure; 7] = [
    UsageMeasure::Cpu,
    UsageMeasure::SystemCpu,
    UsageMeasure::Memory,
    UsageMeasure::Faults,
    UsageMeasure::DiskBytes,
    UsageMeasure::Descriptors,
    UsageMeasure::Starts,
];

/// Measures that control groups have, too.
pub const GROUP_MEASURES: [UsageMeasure; 3] =
    [UsageMeasure::Cpu, UsageMeasure::Memory, UsageMeasure::DiskBytes];

impl UsageMeasure {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::SystemCpu => "system_cpu",
            Self::Memory => "memory",
            Self::Faults => "faults",
            Self::DiskBytes => "disk_bytes",
            Self::Descriptors => "descriptors",
            Self::Starts => "starts",
        }
    }

    /// Smallest growth for which a process is named, in the unit of the measure.
    pub fn floor(self) -> f64 {
        match self {
            // A tick of the kernel's clock is two percent of half a second.
            Self::Cpu => 0.06,
            Self::SystemCpu => 0.04,
            Self::Memory => 33_554_432.0,
            Self::Faults => 500.0,
            Self::DiskBytes => 500_000.0,
            Self::Descriptors => 20.0,
            Self::Starts => 3.0,
        }
    }
}
