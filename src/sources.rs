//! The sources of readings, one file each.
//!
//! A source knows its root paths, but no other source. Flags, docs and collector metrics derive from its row of [`SOURCES`].
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "readers of Linux; their metrics and signals are used everywhere")
)]

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::grace::GraceTrigger;
use crate::impact::ImpactFormula;
use crate::log_stream::LogStream;
use crate::metric::Metric;
use crate::reading::{Reading, SubjectKind, Timestamp};
use crate::report::CIRCUMSTANCES;
use crate::signal::Signal;

mod root_paths;
mod source_error;
mod best_line;
mod byte_text;
mod kernel_file;
mod several_files;
mod impossible_values;
mod enabled_source;
mod blocking_reads;
mod filter_pattern;
mod device_filter;
mod timing;
mod file_locks;
mod context;
mod cpu_throttling;
mod cpu;
mod memory;
mod load;
mod pressure;
mod disk_device;
mod disk;
mod mounts;
mod filesystem;
mod network_device_name;
mod network_device;
mod network;
mod tcp;
mod stat;
mod sensor_chip;
mod sensors;
mod cgroup;
mod log;
mod process_self;
mod scene_values;
#[cfg(any(test, not(target_os = "linux")))]
mod non_linux;
#[cfg(all(any(test, fuzzing), target_os = "linux"))]
pub mod fuzzing;

pub use blocking_reads::BlockingReads;
pub use cgroup::{CgroupSettings, GROUPS_MAX, group_owner};
pub use disk::DiskSettings;
pub use filesystem::FilesystemSettings;
pub use filter_pattern::{ExcludePattern, ExcludePatternError, IncludePattern};
pub use network::NetworkSettings;
pub use process_self::own_cost;
pub use root_paths::RootPaths;
pub use scene_values::{container_names, container_totals, fullest_mounts, socket_counts};
pub use source_error::SourceError;

use enabled_source::EnabledSource;
use source_error::excerpt;

/// All sources, in the order in which they are read and exposed.
#[cfg(not(target_os = "linux"))]
pub static SOURCES: &[SourceInfo] = non_linux::ROWS;

/// All sources, in the order in which they are read and exposed.
#[cfg(target_os = "linux")]
pub static SOURCES: &[SourceInfo] = &[
    // First, because the work of other sources is no delay.
    SourceInfo {
        name: "timing",
        help: "Delay of the readings of hostnorm, and steps of the clock",
        metrics: timing::METRICS,
        signals: timing::SIGNALS,
        impacts: &[],
        open: timing::open,
    },
    // Next, so that the uptime is taken at the time of the reading: their difference reveals a clock step.
    SourceInfo {
        name: "context",
        help: "Reasons for a grace period: boot, resume, clock steps, package upgrades, deploys",
        metrics: context::METRICS,
        signals: context::SIGNALS,
        impacts: &[],
        open: context::open,
    },
    SourceInfo {
        name: "cpu",
        help: "CPU time by mode",
        metrics: cpu::METRICS,
        signals: cpu::SIGNALS,
        impacts: &[],
        open: cpu::open,
    },
    SourceInfo {
        name: "memory",
        help: "Memory, swap and page faults",
        metrics: memory::METRICS,
        signals: memory::SIGNALS,
        impacts: memory::IMPACTS,
        open: memory::open,
    },
    SourceInfo {
        name: "load",
        help: "Load averages",
        metrics: load::METRICS,
        signals: load::SIGNALS,
        impacts: &[],
        open: load::open,
    },
    SourceInfo {
        name: "pressure",
        help: "Time that tasks waited for CPU, memory and I/O (PSI)",
        metrics: pressure::METRICS,
        signals: pressure::SIGNALS,
        impacts: pressure::IMPACTS,
        open: pressure::open,
    },
    SourceInfo {
        name: "disk",
        help: "Bytes, operations and busy time of each disk",
        metrics: disk::METRICS,
        signals: disk::SIGNALS,
        impacts: disk::IMPACTS,
        open: disk::open,
    },
    SourceInfo {
        name: "filesystem",
        help: "Space and inodes of each filesystem",
        metrics: filesystem::METRICS,
        signals: filesystem::SIGNALS,
        impacts: &[],
        open: filesystem::open,
    },
    SourceInfo {
        name: "network",
        help: "Bytes, packets, errors and drops of each network device",
        metrics: network::METRICS,
        signals: network::SIGNALS,
        impacts: network::IMPACTS,
        open: network::open,
    },
    SourceInfo {
        name: "tcp",
        help: "TCP segments, connections and sockets",
        metrics: tcp::METRICS,
        signals: tcp::SIGNALS,
        impacts: tcp::IMPACTS,
        open: tcp::open,
    },
    SourceInfo {
        name: "stat",
        help: "Tasks, context switches, interrupts and open files",
        metrics: stat::METRICS,
        signals: stat::SIGNALS,
        impacts: &[],
        open: stat::open,
    },
    SourceInfo {
        name: "sensors",
        help: "Temperature sensors",
        metrics: sensors::METRICS,
        signals: sensors::SIGNALS,
        impacts: &[],
        open: sensors::open,
    },
    SourceInfo {
        name: "cgroup",
        help: "CPU, memory, I/O and pressure of each container, pod and systemd service",
        metrics: cgroup::METRICS,
        signals: cgroup::SIGNALS,
        impacts: cgroup::IMPACTS,
        open: cgroup::open,
    },
    SourceInfo {
        name: "log",
        help: "Lines, errors and templates of each log in the settings",
        metrics: log::METRICS,
        signals: log::SIGNALS,
        impacts: &[],
        open: log::open,
    },
    SourceInfo {
        name: "self",
        help: "CPU, memory and file descriptors of hostnorm itself",
        metrics: process_self::METRICS,
        signals: process_self::SIGNALS,
        impacts: &[],
        open: process_self::open,
    },
];

/// One source: its flag, its metrics, its constructor.
#[derive(Debug)]
pub struct SourceInfo {
    /// Its name in the flag `--collector.NAME` and in labels.
    pub name: &'static str,
    /// One sentence for the documentation.
    pub help: &'static str,
    /// Metrics that it may set.
    pub metrics: &'static [&'static Metric],
    /// Signals derived from its metrics.
    pub signals: &'static [Signal],
    /// Formulas for the work that waits, from its metrics.
    pub impacts: &'static [ImpactFormula],
    /// Creates it without opening any file.
    pub open: fn(&SourceSettings) -> Box<dyn Source>,
}

/// Reads one part of the machine.
pub trait Source: Send + fmt::Debug {
    /// Adds its values to the reading. Values added before an error stay.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] if this machine lacks the feature.
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError>;
}

/// Settings of the sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSettings {
    /// Number of readings that a point averages; what is read less often is read several times within it.
    #[serde(skip)]
    pub window: usize,
    /// Time between two readings; 0 if unknown.
    #[serde(skip)]
    pub interval: Duration,
    /// The thread for reads that may block; each source of a loop has one of its own.
    #[serde(skip)]
    pub blocking: BlockingReads,
    /// Roots of the kernel's files.
    pub roots: RootPaths,
    /// Settings of the source `disk`.
    pub disk: DiskSettings,
    /// Settings of the source `filesystem`.
    pub filesystem: FilesystemSettings,
    /// Settings of the source `network`.
    pub network: NetworkSettings,
    /// Settings of the source `cgroup`.
    pub cgroup: CgroupSettings,
    /// The logs that are read, each by a thread of its own; empty for none.
    #[serde(skip)]
    pub logs: Vec<Arc<LogStream>>,
    /// A file that deploys touch; empty for none.
    pub deploy_marker: PathBuf,
}

/// The enabled sources.
#[derive(Debug)]
pub struct Sources(Vec<EnabledSource>);

impl Sources {
    /// Opens the sources for which `on` returns true.
    pub fn open(settings: &SourceSettings, on: impl Fn(&str) -> bool) -> Self {
        let rows = SOURCES.iter().filter(|row| on(row.name));
        let open = |row: &SourceInfo| {
            // What hangs in one source takes no thread of another.
            let settings = SourceSettings { blocking: settings.blocking.separate(), ..settings.clone() };
            let source = (row.open)(&settings);
            EnabledSource::new(row.name, source)
        };
        Self(rows.map(open).collect())
    }

    /// Adds one more source.
    pub fn with(mut self, name: &'static str, source: Box<dyn Source>) -> Self {
        self.0.push(EnabledSource::new(name, source));
        self
    }

    /// Reads each source once. A failing source loses its own values, never the reading.
    pub fn read_all(&mut self, at: Timestamp) -> Reading {
        let mut reading = Reading::new(at);
        self.0.iter_mut().for_each(|it| it.read(&mut reading));
        reading
    }
}

/// The metrics that readings consist of: those of the sources, and those of the circumstances.
pub fn reading_metrics() -> impl Iterator<Item = &'static Metric> {
    metrics().chain(CIRCUMSTANCES)
}

/// Every metric of every source, in the order of exposition.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    SOURCES.iter().flat_map(|row| row.metrics.iter().copied())
}

/// The grace triggers of the sources for which `on` returns true.
pub fn grace_triggers(on: impl Fn(&str) -> bool) -> &'static [GraceTrigger] {
    let tells = SOURCES.iter().any(|row| row.name == "context" && on(row.name));
    if tells { context::CUES } else { &[] }
}

/// The formulas of impact of the sources for which `on` returns true.
pub fn impacts(on: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static ImpactFormula> {
    SOURCES.iter().filter(move |row| on(row.name)).flat_map(|row| row.impacts)
}

/// The signals of the sources for which `on` returns true.
pub fn signals(on: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static Signal> {
    SOURCES.iter().filter(move |row| on(row.name)).flat_map(|row| row.signals)
}

/// The signals of hosts, of the sources for which `on` returns true.
pub fn host_signals(on: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static Signal> {
    signals(on).filter(|it| it.kind == SubjectKind::Host)
}

/// The signal of this name, if this program knows it; those of several kinds differ in the kind only.
pub fn signal(name: &str) -> Option<&'static Signal> {
    signals(|_| true).find(|it| it.name == name)
}
