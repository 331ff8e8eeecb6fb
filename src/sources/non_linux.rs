//! The sources on systems other than Linux, by the crate `sysinfo`: the same metrics as far as the system has them.
//!
//! Tests compile it on every system.

use std::time::Instant;

use sysinfo::{Components, Disks, MemoryRefreshKind, Networks, System};

use super::{
    Source, SourceError, SourceInfo, SourceSettings, cpu, filesystem, load, log, memory, network, sensors,
    timing,
};
use crate::clock;
use crate::reading::{MetricLabels, Reading};
use crate::signal::share;

/// All sources, in the order in which they are read and exposed.
pub(super) static ROWS: &[SourceInfo] = &[
    SourceInfo {
        name: "timing",
        help: "Delay of the readings of hostnorm, and steps of the clock",
        metrics: timing::METRICS,
        signals: timing::SIGNALS,
        impacts: &[],
        open: timing::open,
    },
    SourceInfo {
        name: "cpu",
        help: "CPU time, user or idle",
        metrics: cpu::METRICS,
        signals: cpu::SIGNALS,
        impacts: &[],
        open: open_cpu,
    },
    SourceInfo {
        name: "memory",
        help: "Memory and swap",
        metrics: memory::METRICS,
        signals: memory::SIGNALS,
        impacts: memory::IMPACTS,
        open: |_| Box::new(NonLinuxMemory(System::new())),
    },
    SourceInfo {
        name: "load",
        help: "Load averages",
        metrics: load::METRICS,
        signals: load::SIGNALS,
        impacts: &[],
        open: |_| Box::new(NonLinuxLoad),
    },
    SourceInfo {
        name: "filesystem",
        help: "Space of each filesystem",
        metrics: filesystem::METRICS,
        signals: filesystem::SIGNALS,
        impacts: &[],
        open: |settings| Box::new(Filesystem(Disks::new(), settings.filesystem.clone())),
    },
    SourceInfo {
        name: "network",
        help: "Bytes, packets and errors of each network device",
        metrics: network::METRICS,
        signals: network::SIGNALS,
        impacts: network::IMPACTS,
        open: |settings| Box::new(Network(Networks::new(), settings.network.clone())),
    },
    SourceInfo {
        name: "sensors",
        help: "Temperature sensors",
        metrics: sensors::METRICS,
        signals: sensors::SIGNALS,
        impacts: &[],
        open: |_| Box::new(Sensors(Components::new())),
    },
    SourceInfo {
        name: "log",
        help: "Lines, errors and templates of each log in the settings",
        metrics: log::METRICS,
        signals: log::SIGNALS,
        impacts: &[],
        open: log::open,
    },
];

fn open_cpu(_: &SourceSettings) -> Box<dyn Source> {
    let labels = ["user", "idle"].map(|mode| MetricLabels::new([mode]));
    Box::new(Cpu { system: System::new(), at: clock::instant(), seconds: [0.0; 2], labels })
}

/// A part of the system, or the error that the crate does not support this system.
type SystemPart<T> = Result<T, sysinfo::Error>;

fn known<T>(part: &mut SystemPart<T>) -> Result<&mut T, SourceError> {
    part.as_mut().map_err(|error| SourceError::Unavailable { path: error.to_string().into() })
}

/// The crate reports the share of busy CPU time since its last query; counters are derived from it.
#[derive(Debug)]
struct Cpu {
    system: SystemPart<System>,
    /// Time of the last query.
    at: Instant,
    /// Busy and idle seconds.
    seconds: [f64; 2],
    labels: [MetricLabels; 2],
}

impl Source for Cpu {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let system = known(&mut self.system)?;
        let now = clock::instant();
        let elapsed = now.saturating_duration_since(self.at);
        // Queried more often, the crate repeats its answer; the time then counts with the next query.
        if sysinfo::MINIMUM_CPU_UPDATE_INTERVAL <= elapsed {
            system.refresh_cpu_usage();
            self.at = now;
            let whole = elapsed.as_secs_f64() * system.cpus().len() as f64;
            let busy = share(f64::from(system.global_cpu_usage()), 100.0).unwrap_or_default();
            self.seconds[0] += whole * busy;
            self.seconds[1] += whole * (1.0 - busy);
        }
        let host = into.host();
        for (labels, seconds) in self.labels.iter().zip(self.seconds) {
            host.set_by(&cpu::SECONDS, labels, seconds);
        }
        host.set(&cpu::COUNT, system.cpus().len() as f64);
        Ok(())
    }
}

#[derive(Debug)]
struct NonLinuxMemory(SystemPart<System>);

impl Source for NonLinuxMemory {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let system = known(&mut self.0)?;
        system.refresh_memory_specifics(MemoryRefreshKind::everything());
        let host = into.host();
        host.set(&memory::TOTAL, system.total_memory() as f64);
        host.set(&memory::USED, system.used_memory() as f64);
        host.set(&memory::AVAILABLE, system.available_memory() as f64);
        host.set(&memory::FREE, system.free_memory() as f64);
        host.set(&memory::SWAP_SIZE, system.total_swap() as f64);
        host.set(&memory::SWAP_FREE, system.free_swap() as f64);
        Ok(())
    }
}

#[derive(Debug)]
struct NonLinuxLoad;

impl Source for NonLinuxLoad {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let mut load = System::load_average();
        let load = known(&mut load)?;
        for (metric, value) in load::METRICS.iter().zip([load.one, load.five, load.fifteen]) {
            into.host().set(metric, value);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Filesystem(SystemPart<Disks>, super::FilesystemSettings);

impl Source for Filesystem {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let Self(disks, settings) = self;
        let disks = known(disks)?;
        disks.refresh(true);
        let host = into.host();
        for disk in disks.iter().take(super::mounts::MOUNTS_MAX) {
            let (point, fstype) =
                (disk.mount_point().to_string_lossy(), disk.file_system().to_string_lossy());
            if settings.mount_exclude.matches(&point) || settings.fstype_exclude.matches(&fstype) {
                continue;
            }
            let labels = MetricLabels::new([&*disk.name().to_string_lossy(), &*point, &*fstype]);
            let available = disk.available_space() as f64;
            host.set_by(&filesystem::SIZE, &labels, disk.total_space() as f64);
            host.set_by(&filesystem::FREE, &labels, available);
            host.set_by(&filesystem::AVAILABLE, &labels, available);
            host.set_by(&filesystem::READ_ONLY, &labels, f64::from(u8::from(disk.is_read_only())));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Network(SystemPart<Networks>, super::NetworkSettings);

impl Source for Network {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let Self(networks, settings) = self;
        let networks = known(networks)?;
        networks.refresh(true);
        // The order of the crate's map differs between processes.
        let mut devices = networks.iter().map(|it| (it.0.to_string_lossy(), it.1)).collect::<Vec<_>>();
        devices.retain(|it| !settings.device_exclude.matches(&it.0));
        devices.sort_by(|one, other| one.0.cmp(&other.0));
        let host = into.host();
        for (name, it) in devices.into_iter().take(super::device_filter::DEVICES_MAX) {
            let labels = MetricLabels::new([&*name]);
            host.set_by(&network::RECEIVED, &labels, it.total_received() as f64);
            host.set_by(&network::RECEIVED_PACKETS, &labels, it.total_packets_received() as f64);
            host.set_by(&network::RECEIVE_ERRORS, &labels, it.total_errors_on_received() as f64);
            host.set_by(&network::SENT, &labels, it.total_transmitted() as f64);
            host.set_by(&network::SENT_PACKETS, &labels, it.total_packets_transmitted() as f64);
            host.set_by(&network::SEND_ERRORS, &labels, it.total_errors_on_transmitted() as f64);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Sensors(SystemPart<Components>);

impl Source for Sensors {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let components = known(&mut self.0)?;
        components.refresh(true);
        let host = into.host();
        for component in components.iter() {
            if let Some(temperature) = component.temperature() {
                let labels = MetricLabels::new(["", component.label()]);
                host.set_by(&sensors::TEMPERATURE, &labels, f64::from(temperature));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Timestamp;

    #[test]
    fn rows_give_their_own_metrics_and_no_others() {
        for row in ROWS {
            let mut reading = Reading::new(Timestamp(0.0));
            (row.open)(&SourceSettings::default()).read(&mut reading).unwrap();
            for sample in reading.host().iter() {
                assert!(row.metrics.contains(&sample.metric), "{} gives {}", row.name, sample.metric);
            }
        }
    }
}
