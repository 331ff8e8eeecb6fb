//! The signals of the simulated host: those of hostnorm, with their names, noise floors and maxima.

/// Prior knowledge about a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalSpec<'a> {
    /// Its name; with hostnorm's own names, faults affect related signals.
    pub name: &'a str,
    /// Noise floor: smaller changes are irrelevant to operators; 0 if unknown.
    pub floor: f64,
    /// Smallest possible value; may be infinite.
    pub min: f64,
    /// Largest possible value; may be infinite.
    pub max: f64,
}

impl<'a> SignalSpec<'a> {
    /// A signal of which only the name is known.
    pub const fn named(name: &'a str) -> Self {
        Self { name, floor: 0.0, min: f64::NEG_INFINITY, max: f64::INFINITY }
    }

    const fn ratio(name: &'a str, floor: f64) -> Self {
        Self { name, floor, min: 0.0, max: 1.0 }
    }

    const fn amount(name: &'a str, floor: f64) -> Self {
        Self { name, floor, min: 0.0, max: f64::INFINITY }
    }
}

/// Number of signals of a simulated machine.
pub const WIDTH: usize = 29;

/// All signals of a host, in the order of the sources; a test in `tests/it/simulate.rs` compares both.
pub static COLUMNS: [SignalSpec<'static>; WIDTH] = [
    SignalSpec::ratio("cpu_busy_ratio", 0.08),
    SignalSpec::ratio("cpu_user_ratio", 0.08),
    SignalSpec::ratio("cpu_system_ratio", 0.08),
    SignalSpec::ratio("cpu_iowait_ratio", 0.08),
    SignalSpec::ratio("cpu_steal_ratio", 0.08),
    SignalSpec::ratio("memory_used_ratio", 0.05),
    SignalSpec::amount("page_faults_per_second", 20_000.0),
    SignalSpec::amount("major_page_faults_per_second", 200.0),
    SignalSpec::amount("swap_pages_per_second", 200.0),
    SignalSpec::ratio("pressure_cpu_ratio", 0.1),
    SignalSpec::ratio("pressure_memory_ratio", 0.05),
    SignalSpec::ratio("pressure_io_ratio", 0.15),
    SignalSpec::ratio("disk_busy_ratio", 0.15),
    SignalSpec::amount("disk_read_bytes_per_second", 15e6),
    SignalSpec::amount("disk_written_bytes_per_second", 15e6),
    SignalSpec::amount("disk_operations_per_second", 500.0),
    SignalSpec::ratio("filesystem_used_ratio", 0.05),
    SignalSpec::ratio("filesystem_inodes_used_ratio", 0.05),
    SignalSpec::amount("network_received_bytes_per_second", 5e6),
    SignalSpec::amount("network_sent_bytes_per_second", 5e6),
    SignalSpec::amount("network_packets_per_second", 5_000.0),
    SignalSpec::amount("network_errors_per_second", 10.0),
    SignalSpec::amount("loopback_bytes_per_second", 10e6),
    SignalSpec::amount("tcp_connections_established", 100.0),
    SignalSpec::amount("tcp_retransmits_per_second", 50.0),
    SignalSpec::amount("tasks_running_per_cpu", 0.5),
    SignalSpec::amount("tasks_blocked", 1.0),
    SignalSpec::amount("forks_per_second", 50.0),
    SignalSpec::amount("context_switches_per_second", 20_000.0),
];
