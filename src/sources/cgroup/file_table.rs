//! Which files a group may have, when each is read, and the values in it.

use super::cgroup_hierarchy::Hierarchy;
use super::group_values::{ActivityValues, CgroupValues, GroupPressure};
use super::parse::{self, from_micros};
use super::stacked_block_devices::StackedBlockDevices;
use crate::sources::SourceError;
use crate::sources::kernel_file::{KernelText, SkippedLines};
use crate::sources::pressure;

/// How often a file is read, and which files are due at a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileReadCadence {
    /// At each reading, unless there are many groups.
    Frequent,
    /// When it is the group's turn; the frequent ones are due then, too.
    Slow,
    /// When it is the group's turn and the group used CPU time or memory since the last one, or at each third turn; the slow
    /// ones are due then, too.
    Active,
    /// Every twelfth turn, with limits that people set; all others are due then, too.
    Rare,
}

/// A file of a group.
#[derive(Debug)]
pub(super) struct FileRow {
    pub(super) hierarchy: Hierarchy,
    pub(super) name: &'static str,
    pub(super) cadence: FileReadCadence,
    pub(super) set: SetFn,
    /// Whether an earlier file has its values already, so that it need not be read.
    pub(super) is_known: fn(&CgroupValues) -> bool,
}

pub(super) type SetFn =
    fn(KernelText<'_>, &mut CgroupValues, &mut StackedBlockDevices) -> Result<SkippedLines, SourceError>;

/// Where both versions have a value, the first file counts: on a hybrid host, controllers belong to version 1.
pub(super) static FILES: &[FileRow] = &[
    row(Hierarchy::Cpu, "cpu.stat", FileReadCadence::Frequent, cpu_stat_v1),
    row(Hierarchy::Cpu, "cpu.cfs_quota_us", FileReadCadence::Rare, |text, into, _| {
        into.rare.quota = parse::cpu_quota(text)?;
        whole()
    }),
    row(Hierarchy::Cpu, "cpu.cfs_period_us", FileReadCadence::Rare, |text, into, _| {
        into.rare.period = Some(parse::single(text)?);
        whole()
    }),
    row(Hierarchy::CpuUsage, "cpuacct.usage", FileReadCadence::Frequent, |text, into, _| {
        into.frequent.cpu_seconds = Some(parse::single(text)? / parse::NANOSECONDS);
        whole()
    }),
    row(Hierarchy::Memory, "memory.usage_in_bytes", FileReadCadence::Frequent, |text, into, _| {
        into.frequent.memory_bytes = Some(parse::single(text)?);
        whole()
    }),
    row(Hierarchy::Memory, "memory.stat", FileReadCadence::Active, memory_stat_v1),
    row(Hierarchy::Memory, "memory.limit_in_bytes", FileReadCadence::Rare, |text, into, _| {
        into.rare.memory_limit = parse::limit(text)?;
        whole()
    }),
    row(Hierarchy::Memory, "memory.oom_control", FileReadCadence::Active, |text, into, _| {
        // Kernels before 4.13 do not count.
        let ([kills, _], skipped) = parse::keyed(text, ["oom_kill", "under_oom"])?;
        into.activity.oom_kills = kills;
        Ok(skipped.without_lacking(&["under_oom"]))
    }),
    row(
        Hierarchy::BlockIo,
        "blkio.throttle.io_service_bytes_recursive",
        FileReadCadence::Active,
        blkio_bytes,
    ),
    row(Hierarchy::BlockIo, "blkio.throttle.io_service_bytes", FileReadCadence::Active, blkio_bytes)
        .unless(|it| it.activity.read_bytes.is_some()),
    row(Hierarchy::Tasks, "pids.current", FileReadCadence::Active, tasks),
    row(Hierarchy::Unified, "cpu.max", FileReadCadence::Rare, |text, into, _| {
        into.rare.cpu_limit = parse::cpu_max(text)?;
        whole()
    }),
    row(Hierarchy::Unified, "cpu.stat", FileReadCadence::Frequent, cpu_stat_v2)
        .unless(|it| it.frequent.cpu_seconds.is_some() && it.frequent.periods.is_some()),
    row(Hierarchy::Unified, "memory.current", FileReadCadence::Frequent, |text, into, _| {
        into.frequent.memory_bytes = Some(parse::single(text)?);
        whole()
    }),
    row(Hierarchy::Unified, "memory.stat", FileReadCadence::Active, memory_stat_v2),
    row(Hierarchy::Unified, "memory.max", FileReadCadence::Rare, |text, into, _| {
        into.rare.memory_limit = parse::limit(text)?;
        whole()
    }),
    row(Hierarchy::Unified, "memory.events", FileReadCadence::Active, |text, into, _| {
        let ([kills, high, max, oom], skipped) = parse::keyed(text, ["oom_kill", "high", "max", "oom"])?;
        into.activity.oom_kills = kills;
        into.activity.memory_events = [high, max, oom];
        Ok(skipped)
    }),
    row(Hierarchy::Unified, "io.stat", FileReadCadence::Active, |text, into, devices| {
        let (bytes, skipped) = parse::io_stat(text, |it| devices.is_physical(it))?;
        set_bytes(bytes, &mut into.activity);
        Ok(skipped)
    }),
    row(Hierarchy::Unified, "pids.current", FileReadCadence::Active, tasks),
    row(Hierarchy::Unified, "cpu.pressure", FileReadCadence::Slow, |text, into, _| {
        group_pressure(text, &mut into.slow.pressure_cpu)
    }),
    row(Hierarchy::Unified, "memory.pressure", FileReadCadence::Slow, |text, into, _| {
        group_pressure(text, &mut into.slow.pressure_memory)
    }),
    row(Hierarchy::Unified, "io.pressure", FileReadCadence::Slow, |text, into, _| {
        group_pressure(text, &mut into.slow.pressure_io)
    }),
];

/// Number of files that a group may have, over all versions.
#[cfg(any(test, fuzzing))]
pub(super) const FILE_COUNT: usize = FILES.len();

/// Parses the text of the file with this number, for the fuzzer.
#[cfg(any(test, fuzzing))]
pub(super) fn parse(file: usize, text: KernelText<'_>, into: &mut CgroupValues) -> Result<(), SourceError> {
    let mut devices = StackedBlockDevices::new("/nonexistent".into());
    FILES.get(file).map_or(Ok(()), |it| (it.set)(text, into, &mut devices).map(drop))
}

const fn row(hierarchy: Hierarchy, name: &'static str, cadence: FileReadCadence, set: SetFn) -> FileRow {
    FileRow { hierarchy, name, cadence, set, is_known: |_| false }
}

impl FileRow {
    const fn unless(self, is_known: fn(&CgroupValues) -> bool) -> Self {
        Self { is_known, ..self }
    }
}

/// The result of a file without malformed lines.
fn whole() -> Result<SkippedLines, SourceError> {
    Ok(SkippedLines::default())
}

fn group_pressure(text: KernelText<'_>, into: &mut GroupPressure) -> Result<SkippedLines, SourceError> {
    let ([some, full], skipped) = pressure::totals(text)?;
    *into = GroupPressure { some, full };
    Ok(skipped)
}

fn cpu_stat_v1(
    text: KernelText<'_>,
    into: &mut CgroupValues,
    _: &mut StackedBlockDevices,
) -> Result<SkippedLines, SourceError> {
    let ([periods, throttled, nanoseconds], skipped) =
        parse::keyed(text, ["nr_periods", "nr_throttled", "throttled_time"])?;
    into.frequent.periods = periods;
    into.frequent.throttled_periods = throttled;
    into.frequent.throttled_seconds = nanoseconds.map(|it| it / parse::NANOSECONDS);
    Ok(skipped)
}

fn cpu_stat_v2(
    text: KernelText<'_>,
    into: &mut CgroupValues,
    _: &mut StackedBlockDevices,
) -> Result<SkippedLines, SourceError> {
    let ([usage, periods, throttled, microseconds], mut skipped) =
        parse::keyed(text, ["usage_usec", "nr_periods", "nr_throttled", "throttled_usec"])?;
    // A group without a CPU limit, which the file before this one has, is not throttled.
    if into.rare.cpu_limit.is_none() && [periods, throttled, microseconds] == [None; 3] {
        skipped = skipped.without_lacking(&["nr_periods", "nr_throttled", "throttled_usec"]);
    }
    let it = &mut into.frequent;
    it.cpu_seconds = it.cpu_seconds.or(usage.map(from_micros));
    it.periods = it.periods.or(periods);
    it.throttled_periods = it.throttled_periods.or(throttled);
    it.throttled_seconds = it.throttled_seconds.or(microseconds.map(from_micros));
    Ok(skipped)
}

fn memory_stat_v1(
    text: KernelText<'_>,
    into: &mut CgroupValues,
    _: &mut StackedBlockDevices,
) -> Result<SkippedLines, SourceError> {
    // Those with `total_` include the groups below, as version 2 does.
    let ([inactive, faults], skipped) = parse::keyed(text, ["total_inactive_file", "total_pgmajfault"])?;
    (into.activity.inactive_file_bytes, into.activity.major_faults) = (inactive, faults);
    Ok(skipped)
}

fn memory_stat_v2(
    text: KernelText<'_>,
    into: &mut CgroupValues,
    _: &mut StackedBlockDevices,
) -> Result<SkippedLines, SourceError> {
    let ([inactive, faults], skipped) = parse::keyed(text, ["inactive_file", "pgmajfault"])?;
    (into.activity.inactive_file_bytes, into.activity.major_faults) = (inactive, faults);
    Ok(skipped)
}

fn blkio_bytes(
    text: KernelText<'_>,
    into: &mut CgroupValues,
    devices: &mut StackedBlockDevices,
) -> Result<SkippedLines, SourceError> {
    let (bytes, skipped) = parse::blkio_bytes(text, |it| devices.is_physical(it))?;
    set_bytes(bytes, &mut into.activity);
    Ok(skipped)
}

/// The first file with bytes counts: the second one of version 1 leaves out the groups below.
fn set_bytes([read, written]: [Option<f64>; 2], into: &mut ActivityValues) {
    into.read_bytes = into.read_bytes.or(read);
    into.written_bytes = into.written_bytes.or(written);
}

fn tasks(
    text: KernelText<'_>,
    into: &mut CgroupValues,
    _: &mut StackedBlockDevices,
) -> Result<SkippedLines, SourceError> {
    into.activity.tasks = Some(parse::single(text)?);
    whole()
}
