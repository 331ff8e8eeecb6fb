//! Disks, from `/proc/diskstats` (`Documentation/admin-guide/iostats.rst`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::device_filter::{self, IncludedDevices, counted_devices};
use super::disk_device::{self, DiskKinds};
use super::filter_pattern::ExcludePattern;
use super::kernel_file::{KernelFile, KernelText, SkippedLines, number};
use super::{Source, SourceError};
use crate::clock;
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, SubjectKind, SubjectValues};
use crate::signal::{ReadingPair, Signal, SignalUnit, device_with_highest, share_of_time};

/// More bytes, and more operations, per second than any disk.
pub(super) const BYTES_MAX: f64 = 1e11;
pub(super) const OPERATIONS_MAX: f64 = 1e8;

/// More I/Os in progress than the queues of any disk hold.
const IN_PROGRESS_MAX: f64 = 1e5;

static READ: Metric =
    Metric::counter("hostnorm_disk_read_bytes_total", "Bytes read").by(&["device"]).gains_at_most(BYTES_MAX);
static WRITTEN: Metric = Metric::counter("hostnorm_disk_written_bytes_total", "Bytes written")
    .by(&["device"])
    .gains_at_most(BYTES_MAX);
static READS: Metric = Metric::counter("hostnorm_disk_reads_completed_total", "Reads completed")
    .by(&["device"])
    .gains_at_most(OPERATIONS_MAX);
static WRITES: Metric = Metric::counter("hostnorm_disk_writes_completed_total", "Writes completed")
    .by(&["device"])
    .gains_at_most(OPERATIONS_MAX);
static IO_TIME: Metric = Metric::counter(
    "hostnorm_disk_io_time_seconds_total",
    "Time with at least one I/O in progress, in seconds",
)
.by(&["device"])
.gains_at_most(1.0);
static WEIGHTED: Metric = Metric::counter(
    "hostnorm_disk_io_time_weighted_seconds_total",
    "Time with I/O in progress, multiplied by the number of I/Os, in seconds",
)
.by(&["device"])
.gains_at_most(IN_PROGRESS_MAX);
static COUNTED: Metric = Metric::gauge(
    "hostnorm_disk_device_counted",
    "Whether the signals contain the I/O of the device (1), or other devices count the same I/O (0)",
)
.by(&["device"]);
static DROPPED: Metric =
    Metric::gauge("hostnorm_disk_devices_omitted", "Disks not exposed because there are too many");

pub(super) static METRICS: &[&Metric] =
    &[&READ, &WRITTEN, &READS, &WRITES, &IO_TIME, &WEIGHTED, &COUNTED, &DROPPED];

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
        device: Some(|it| physical(it, &IO_TIME).unwrap_or_default()),
        formula: |it| share_of_time(device_with_highest(physical(it, &IO_TIME)?.into_iter())?.1),
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
        formula: |it| sum(it, &[&READ]),
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
        formula: |it| sum(it, &[&WRITTEN]),
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
        formula: |it| sum(it, &[&READS, &WRITES]),
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
        let operations = sum(it, &[&READS, &WRITES])?;
        let waited = sum(it, &[&WEIGHTED])?;
        Some(if operations < OPERATIONS_MIN { 0.0 } else { waited / operations / LATENCY_MAX })
    },
}];

/// Sum of the rates of some counters over physical disks; `None` while a gain is unknown, or without disks.
fn sum(change: &ReadingPair<'_>, counters: &[&'static Metric]) -> Option<f64> {
    let mut sum = None;
    for counter in counters {
        for (_, rate) in physical(change, counter)? {
            sum = Some(sum.unwrap_or(0.0) + rate);
        }
    }
    sum
}

/// Rates of physical disks only: I/O through a mapper or an array is counted again by its disks, and that of a partition by
/// its disk. `None` while a gain is unknown.
fn physical<'a>(change: &ReadingPair<'a>, counter: &'static Metric) -> Option<Vec<(&'a str, f64)>> {
    let name_of = |labels: &'a MetricLabels| labels.values().first().map(|it| &**it);
    if let Some(counted) = counted_devices(change, counter, &COUNTED) {
        return counted.map(|(labels, rate)| Some((name_of(labels)?, rate?))).collect();
    }
    // Readings of earlier versions do not say.
    let names: Vec<&str> = change.current.each(counter).filter_map(|it| name_of(&it.labels)).collect();
    let rates = change.rates(counter).filter_map(|(labels, rate)| Some((name_of(labels)?, rate)));
    Some(rates.filter(|(name, _)| disk_device::is_counted_by_name(name, &names)).collect())
}

/// Settings of the source `disk`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskSettings {
    /// Regular expression of devices to leave out; by default RAM disks, loop devices, floppies, and partitions
    /// of a disk that is listed.
    pub device_exclude: ExcludePattern,
}

impl Default for DiskSettings {
    fn default() -> Self {
        // The default of node_exporter.
        Self { device_exclude: ExcludePattern::known(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$") }
    }
}

pub(super) fn open(settings: &super::SourceSettings) -> Box<dyn Source> {
    let exclude = settings.disk.device_exclude.clone();
    let block = settings.roots.sysfs.join("class/block");
    Box::new(Disk {
        diskstats: KernelFile::new(settings.roots.procfs.join("diskstats")),
        disks: DiskList::new(exclude, block),
    })
}

#[derive(Debug)]
struct Disk {
    diskstats: KernelFile,
    disks: DiskList,
}

impl Source for Disk {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let text = self.diskstats.read()?;
        let DiskList { devices, kinds, .. } = &mut self.disks;
        kinds.update(text, clock::instant(), |it| devices.is_left_out(it));
        set(text, &mut self.disks, into.host())?.add_to(into);
        self.disks.devices.note_dropped(into);
        let is_any_judged = into.host().each(&COUNTED).any(|it| it.value > 0.0);
        self.disks.devices.note_unjudged(is_any_judged, "disk.device_exclude", into);
        Ok(())
    }
}

/// The disks of the file.
#[derive(Debug)]
pub(super) struct DiskList {
    devices: IncludedDevices,
    kinds: DiskKinds,
    /// Whether the settings leave out partitions as hostnorm does on its own.
    leaves_out_partitions: bool,
}

impl DiskList {
    /// Disks without those of this pattern, described below this directory.
    pub(super) fn new(exclude: ExcludePattern, block: PathBuf) -> Self {
        let leaves_out_partitions = exclude == DiskSettings::default().device_exclude;
        Self { devices: IncludedDevices::new(exclude), kinds: DiskKinds::new(block), leaves_out_partitions }
    }

    /// The labels of a device that is shown. One that only looks like a partition is not left out with them.
    fn labels(&mut self, name: &str) -> Option<&MetricLabels> {
        if self.leaves_out_partitions && self.kinds.only_looks_like_partition(name) {
            self.devices.labels_of_included(name)
        } else {
            self.devices.labels(name)
        }
    }
}

/// Sets the counters of each disk.
pub(super) fn set(
    text: KernelText<'_>,
    disks: &mut DiskList,
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    let mut skipped = SkippedLines::default();
    let (mut rows, mut shown) = (Vec::new(), Vec::new());
    disks.devices.begin();
    for line in text.lines().filter(|it| !it.text.trim_ascii().is_empty()) {
        let mut fields = line.text.split_ascii_whitespace();
        let row = fields.nth(2).and_then(|name| Some((name, parse(fields)?)));
        let Some((name, values)) = row else {
            skipped.add(line.error());
            continue;
        };
        rows.push((name, values));
    }
    let is_list = !rows.is_empty();
    let DiskList { devices, kinds, leaves_out_partitions } = disks;
    let looks_left_out = |name: &str| *leaves_out_partitions && kinds.only_looks_like_partition(name);
    device_filter::most_important_first(
        &mut rows,
        |it| !looks_left_out(it.0) && devices.is_left_out(it.0),
        |it| kinds.rank(it.0),
    );
    for (name, values) in rows {
        let Some(labels) = disks.labels(name) else { continue };
        for (metric, value) in METRICS.iter().zip(values) {
            into.set_by(metric, labels, value);
        }
        let is_used = values.get(2..4).is_some_and(|it| it.iter().any(|it| *it > 0.0));
        shown.push((name, labels.clone(), is_used));
    }
    for (name, labels, _) in &shown {
        let is_used = |name: &str| shown.iter().any(|it| it.0 == name && it.2);
        into.set_by(&COUNTED, labels, f64::from(u8::from(disks.kinds.is_counted(name, is_used))));
    }
    into.set(&DROPPED, disks.devices.end().into());
    // A machine without disks has an empty list.
    if is_list || skipped.is_empty() { Ok(skipped) } else { Err(skipped.fail(text.error())) }
}

/// Bytes of a sector in the statistics, regardless of the disk's sectors.
const SECTOR_BYTES: f64 = 512.0;

/// The columns after the name, in the order of [`METRICS`]; newer kernels have more.
fn parse<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<[f64; 6]> {
    let mut columns = [0.0; 11];
    for column in &mut columns {
        *column = number(&mut fields)?;
    }
    let [reads, _, read, _, writes, _, written, _, _, busy_ms, weighted_ms] = columns;
    Some([read * SECTOR_BYTES, written * SECTOR_BYTES, reads, writes, busy_ms / 1e3, weighted_ms / 1e3])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_columns_of_a_disk() {
        let parsed = parse("82 11 2000 789 21 15 1000 36 0 14832 116256 11 23 44 11 84 29".split(' '));
        assert_eq!(parsed, Some([1_024_000.0, 512_000.0, 82.0, 21.0, 14.832, 116.256]));
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for line in ["", "1 2 3", "1 2 3 4 5 6 7 8 9 10 x"] {
            assert_eq!(parse(line.split(' ')), None, "{line}");
        }
    }

    #[test]
    fn bytes_that_pass_several_layers_count_once() {
        let names =
            ["sda", "sda1", "sdaa", "mmcblk0", "mmcblk0p2", "nvme0n1", "nvme0n10", "md0", "dm-1", "dm-10"];
        let mut values = [SubjectValues::default(), SubjectValues::default()];
        for (idx, values) in values.iter_mut().enumerate() {
            for name in names {
                values.set_by(&READ, &MetricLabels::new([name]), idx as f64);
            }
        }
        let change = ReadingPair::new(&values[0], &values[1], 1.0).unwrap();
        // sda, sdaa, mmcblk0, nvme0n1, nvme0n10.
        assert_eq!(sum(&change, &[&READ]), Some(5.0));
    }

    #[test]
    fn the_busiest_disk_is_named() {
        let mut values = [SubjectValues::default(), SubjectValues::default()];
        for (name, seconds) in [("sda", 0.25), ("sdb", 1.5), ("dm-0", 2.0)] {
            values[0].set_by(&IO_TIME, &MetricLabels::new([name]), 0.0);
            values[1].set_by(&IO_TIME, &MetricLabels::new([name]), seconds);
        }
        let change = ReadingPair::new(&values[0], &values[1], 1.0).unwrap();
        assert_eq!((SIGNALS[0].formula)(&change), Some(1.0));
        assert_eq!(SIGNALS[0].highest_device(&change), Some("sdb"));
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
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(text.split_ascii_whitespace());
        }
    }
}
