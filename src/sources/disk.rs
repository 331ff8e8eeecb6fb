//! Disks, from `/proc/diskstats` (`Documentation/admin-guide/iostats.rst`).

use serde::{Deserialize, Serialize};

use super::device_filter::Devices;
use super::exclude_pattern::ExcludePattern;
use super::kernel_file::{KernelFile, KernelText};
use super::{Source, SourceError};
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::{Reading, SubjectKind, Values};
use crate::signal::{ReadingPair, Signal, SignalUnit, highest};

static READ: Metric = Metric::counter("hostnorm_disk_read_bytes_total", "Bytes read").by(&["device"]);
static WRITTEN: Metric =
    Metric::counter("hostnorm_disk_written_bytes_total", "Bytes written").by(&["device"]);
static READS: Metric =
    Metric::counter("hostnorm_disk_reads_completed_total", "Reads completed").by(&["device"]);
static WRITES: Metric =
    Metric::counter("hostnorm_disk_writes_completed_total", "Writes completed").by(&["device"]);
static IO_TIME: Metric = Metric::counter(
    "hostnorm_disk_io_time_seconds_total",
    "Time with at least one I/O in progress, in seconds",
)
.by(&["device"]);
static WEIGHTED: Metric = Metric::counter(
    "hostnorm_disk_io_time_weighted_seconds_total",
    "Time with I/O in progress, multiplied by the number of I/Os, in seconds",
)
.by(&["device"]);
static DROPPED: Metric =
    Metric::gauge("hostnorm_disk_devices_dropped", "Disks not exposed because there are too many");

pub(super) static METRICS: &[&Metric] = &[&READ, &WRITTEN, &READS, &WRITES, &IO_TIME, &WEIGHTED, &DROPPED];

pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "disk_busy_ratio",
        title: "busiest disk",
        help: "Share of time in which the busiest disk had I/O in progress",
        unit: SignalUnit::Ratio,
        // Log rotation or a package list update keeps a disk busy for four seconds of a window; a saturated disk is at
        // 1.
        floor: 0.15,
        device: Some(|it| Some(highest(physical(it, &IO_TIME))?.0)),
        formula: |it| Some(highest(physical(it, &IO_TIME))?.1.min(1.0)),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "disk_read_bytes_per_second",
        title: "disk reads",
        help: "Bytes read per second, all physical disks",
        unit: SignalUnit::BytesPerSecond,
        // 450 MB within a window; even a slow disk reads ten times as much when saturated.
        floor: 15e6,
        device: None,
        formula: |it| sum(physical(it, &READ)),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "disk_written_bytes_per_second",
        title: "disk writes",
        help: "Bytes written per second, all physical disks",
        unit: SignalUnit::BytesPerSecond,
        // As for reading.
        floor: 15e6,
        device: None,
        formula: |it| sum(physical(it, &WRITTEN)),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "disk_operations_per_second",
        title: "disk operations",
        help: "Reads and writes completed per second, all physical disks",
        unit: SignalUnit::PerSecond,
        // 15,000 small files within a window; spinning disks saturate below that, which shows as a busy disk.
        floor: 500.0,
        device: None,
        formula: |it| sum(physical(it, &READS).chain(physical(it, &WRITES))),
    },
];

/// Mean seconds of a disk operation at which work stands still.
const LATENCY_MAX: f64 = 1.0;
/// Operations per second below which a latency says little.
const OPERATIONS_MIN: f64 = 5.0;

pub(super) static IMPACTS: &[ImpactFormula] = &[ImpactFormula {
    kind: SubjectKind::Host,
    resource: Resource::Io,
    formula: |it| {
        let operations = sum(physical(it, &READS).chain(physical(it, &WRITES)))?;
        let waited = sum(physical(it, &WEIGHTED))?;
        Some(if operations < OPERATIONS_MIN { 0.0 } else { waited / operations / LATENCY_MAX })
    },
}];

fn sum<'a>(rates: impl Iterator<Item = (&'a str, f64)>) -> Option<f64> {
    rates.map(|(_, rate)| rate).reduce(|sum, rate| sum + rate)
}

/// Rates of physical disks only: I/O through a mapper or an array is counted again by its disks, and that of a
/// partition by its disk.
fn physical<'a>(change: &ReadingPair<'a>, counter: &'static Metric) -> impl Iterator<Item = (&'a str, f64)> {
    let mut whole = "";
    change.rates(counter).filter_map(move |(labels, rate)| {
        let name = &**labels.values().first()?;
        if is_virtual(name) || is_partition(whole, name) {
            return None;
        }
        whole = name;
        Some((name, rate))
    })
}

/// Whether a device consists of others (`Documentation/admin-guide/devices.txt`; `zd` is a volume of ZFS).
fn is_virtual(name: &str) -> bool {
    ["dm-", "md", "bcache", "drbd", "zd", "loop", "ram", "zram"].iter().any(|it| name.starts_with(it))
}

/// Whether the device is a partition of the disk listed before it: the number follows a `p` if the disk's name ends
/// with a digit (`block/genhd.c`, `disk_name`).
fn is_partition(whole: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(whole).filter(|_| !whole.is_empty()) else { return false };
    let number =
        if whole.ends_with(|it: char| it.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) };
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}

/// Settings of the source `disk`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskSettings {
    /// Regular expression of devices to leave out; by default RAM disks, loop devices, floppies and partitions.
    pub device_exclude: ExcludePattern,
}

impl Default for DiskSettings {
    fn default() -> Self {
        // The default of node_exporter.
        Self { device_exclude: ExcludePattern::known(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$") }
    }
}

pub(super) fn open(settings: &super::SourceSettings) -> Box<dyn Source> {
    Box::new(Disk {
        diskstats: KernelFile::new(settings.roots.procfs.join("diskstats")),
        devices: Devices::new(settings.disk.device_exclude.clone()),
    })
}

#[derive(Debug)]
struct Disk {
    diskstats: KernelFile,
    devices: Devices,
}

impl Source for Disk {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        set(self.diskstats.read()?, &mut self.devices, into.host())
    }
}

/// Sets the counters of each disk.
pub(super) fn set(text: KernelText<'_>, devices: &mut Devices, into: &mut Values) -> Result<(), SourceError> {
    devices.begin();
    for line in text.lines() {
        let mut fields = line.text.split_ascii_whitespace();
        let name = fields.nth(2).ok_or_else(|| line.error())?;
        let Some(labels) = devices.labels(name) else { continue };
        let values = parse(fields).ok_or_else(|| line.error())?;
        for (metric, value) in METRICS.iter().zip(values) {
            into.set_by(metric, labels, value);
        }
    }
    into.set(&DROPPED, devices.end().into());
    Ok(())
}

/// Bytes of a sector in the statistics, regardless of the disk's sectors.
const SECTOR_BYTES: f64 = 512.0;

/// The columns after the name, in the order of [`METRICS`]; newer kernels have more.
fn parse<'a>(fields: impl Iterator<Item = &'a str>) -> Option<[f64; 6]> {
    let mut columns = [0.0; 11];
    let mut fields = fields.map(|it| it.parse::<u64>().ok());
    for column in &mut columns {
        *column = fields.next()?? as f64;
    }
    let [reads, _, read, _, writes, _, written, _, _, busy_ms, weighted_ms] = columns;
    Some([read * SECTOR_BYTES, written * SECTOR_BYTES, reads, writes, busy_ms / 1e3, weighted_ms / 1e3])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::Labels;

    #[test]
    fn reads_the_columns_of_a_disk() {
        let parsed = parse("82 11 2000 789 21 15 1000 36 0 14832 116256 11 23 44 11 84 29".split(' '));
        assert_eq!(parsed, Some([1_024_000.0, 512_000.0, 82.0, 21.0, 14.832, 116.256]));
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for line in ["", "1 2 3", "1 2 3 4 5 6 7 8 9 10 x", "-1 2 3 4 5 6 7 8 9 10 11"] {
            assert_eq!(parse(line.split(' ')), None, "{line}");
        }
    }

    #[test]
    fn bytes_that_pass_several_layers_count_once() {
        let names =
            ["sda", "sda1", "sdaa", "mmcblk0", "mmcblk0p2", "nvme0n1", "nvme0n10", "md0", "dm-1", "dm-10"];
        let mut values = [Values::default(), Values::default()];
        for (idx, values) in values.iter_mut().enumerate() {
            for name in names {
                values.set_by(&READ, &Labels::new([name]), idx as f64);
            }
        }
        let change = ReadingPair::new(&values[0], &values[1], 1.0).unwrap();
        // sda, sdaa, mmcblk0, nvme0n1, nvme0n10.
        assert_eq!(sum(physical(&change, &READ)), Some(5.0));
    }

    #[test]
    fn the_busiest_disk_is_named() {
        let mut values = [Values::default(), Values::default()];
        for (name, seconds) in [("sda", 0.25), ("sdb", 1.5), ("dm-0", 2.0)] {
            values[0].set_by(&IO_TIME, &Labels::new([name]), 0.0);
            values[1].set_by(&IO_TIME, &Labels::new([name]), seconds);
        }
        let change = ReadingPair::new(&values[0], &values[1], 1.0).unwrap();
        assert_eq!((SIGNALS[0].formula)(&change), Some(1.0));
        assert_eq!(SIGNALS[0].device.unwrap()(&change), Some("sdb"));
    }

    #[test]
    fn partitions_and_loop_devices_are_left_out() {
        let pattern = DiskSettings::default().device_exclude;
        for name in ["loop0", "ram1", "zram0", "sda1", "vdb12", "nvme0n1p3", "fd0"] {
            assert!(pattern.matches(name), "{name}");
        }
        for name in ["sda", "vda", "nvme0n1", "md127", "dm-0", "xvda", "sr0", "mmcblk0"] {
            assert!(!pattern.matches(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(whole in ".*", text in ".*") {
            let _ = (parse(text.split_ascii_whitespace()), is_virtual(&text), is_partition(&whole, &text));
        }
    }
}
