//! The files of one group, and when they are read.
//!
//! The files are opened at each reading: 200 groups have more files than a process may keep open by default. The kernel
//! computes some of them by a walk over all CPUs, so these are read in turn: those of some groups at each reading. Between
//! two turns, their values stay; a window contains several turns, so its mean is not affected. Files that change only if the
//! group does something are read less often while it is idle, and limits once a minute.

use std::path::{Path, PathBuf};

use super::cgroup_hierarchy::{Hierarchies, Hierarchy};
use super::group_values::{
    ActivityValues, CgroupValues, FrequentValues, GroupPressure, RareValues, SlowValues,
};
use super::parse::{self, from_micros};
use super::representative_process::{HostProcesses, RepresentativeProcess};
use super::stacked_block_devices::StackedBlockDevices;
use crate::reading::ReadingOmission;
use crate::sources::SourceError;
use crate::sources::kernel_file::{FileReader, KernelText, SkippedLines};
use crate::sources::pressure::parse_totals;

/// How often a file is read, and which files are due at a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileReadCadence {
    /// At each reading, unless there are many groups.
    Frequent,
    /// When it is the group's turn; the frequent ones are due then, too.
    Slow,
    /// When it is the group's turn and the group used CPU time or memory since the last one, or at each [`IDLE_TURNS`]th
    /// turn; the slow ones are due then, too.
    Active,
    /// At each [`RARE_TURNS`]th turn; all others are due then, too.
    Rare,
}

/// Turns of a group from one reading of its rare files to the next: a minute with five seconds a turn.
const RARE_TURNS: u32 = 12;
/// The same of its active files while it is idle: what it wrote may reach the disk later.
const IDLE_TURNS: u32 = 3;

/// A file of a group.
#[derive(Debug)]
struct FileRow {
    hierarchy: Hierarchy,
    name: &'static str,
    cadence: FileReadCadence,
    set: SetFn,
    /// Whether an earlier file has its values already, so that it need not be read.
    is_known: fn(&CgroupValues) -> bool,
}

type SetFn =
    fn(KernelText<'_>, &mut CgroupValues, &mut StackedBlockDevices) -> Result<SkippedLines, SourceError>;

/// Where both versions have a value, the first file counts: on a hybrid host, controllers belong to version 1.
static FILES: &[FileRow] = &[
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
        Ok(skipped)
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
    row(Hierarchy::Unified, "cpu.stat", FileReadCadence::Frequent, cpu_stat_v2)
        .unless(|it| it.frequent.cpu_seconds.is_some() && it.frequent.periods.is_some()),
    row(Hierarchy::Unified, "cpu.max", FileReadCadence::Rare, |text, into, _| {
        into.rare.cpu_limit = parse::cpu_max(text)?;
        whole()
    }),
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
        let ([kills, _], skipped) = parse::keyed(text, ["oom_kill", "oom"])?;
        into.activity.oom_kills = kills;
        Ok(skipped)
    }),
    row(Hierarchy::Unified, "io.stat", FileReadCadence::Active, |text, into, devices| {
        let (bytes, skipped) = parse::io_stat(text, |it| devices.is_physical(it))?;
        set_bytes(bytes, &mut into.activity);
        Ok(skipped)
    }),
    row(Hierarchy::Unified, "pids.current", FileReadCadence::Active, tasks),
    row(Hierarchy::Unified, "cpu.pressure", FileReadCadence::Slow, |text, into, _| {
        into.slow.pressure_cpu = group_pressure(text)?;
        whole()
    }),
    row(Hierarchy::Unified, "memory.pressure", FileReadCadence::Slow, |text, into, _| {
        into.slow.pressure_memory = group_pressure(text)?;
        whole()
    }),
    row(Hierarchy::Unified, "io.pressure", FileReadCadence::Slow, |text, into, _| {
        into.slow.pressure_io = group_pressure(text)?;
        whole()
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

fn group_pressure(text: KernelText<'_>) -> Result<GroupPressure, SourceError> {
    let [some, full] = parse_totals(text);
    // Without `some`, this is no pressure file.
    some.is_some().then_some(GroupPressure { some, full }).ok_or_else(|| text.error())
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
    let ([usage, periods, throttled, microseconds], skipped) =
        parse::keyed(text, ["usage_usec", "nr_periods", "nr_throttled", "throttled_usec"])?;
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
fn set_bytes([read, written]: [f64; 2], into: &mut ActivityValues) {
    into.read_bytes = into.read_bytes.or(Some(read));
    into.written_bytes = into.written_bytes.or(Some(written));
}

fn tasks(
    text: KernelText<'_>,
    into: &mut CgroupValues,
    _: &mut StackedBlockDevices,
) -> Result<SkippedLines, SourceError> {
    into.activity.tasks = Some(parse::single(text)?);
    whole()
}

/// The files of one group with their newest values.
#[derive(Debug)]
pub(super) struct CgroupFiles {
    files: Vec<GroupFile>,
    process: RepresentativeProcess,
    values: CgroupValues,
    /// Turns so far.
    turns: u32,
    /// The frequent values at the last turn, and the number of turns in a row at which they were the same.
    idle: (FrequentValues, u32),
    /// Whether the last reading of all files succeeded.
    complete: bool,
}

#[derive(Debug)]
struct GroupFile {
    row: &'static FileRow,
    path: PathBuf,
    /// Whether it was missing when it was read last.
    absent: bool,
}

/// Whether a group is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CgroupPresence {
    /// It has at least one file.
    Here,
    /// It vanished.
    Gone,
}

/// What is wrong with a file of a group.
#[derive(Debug)]
pub(super) enum FileFault {
    /// It cannot be read, or is malformed as a whole.
    File(SourceError),
    /// Some of its lines are malformed.
    Lines(ReadingOmission),
}

/// What all groups share when they are read.
#[derive(Debug)]
pub(super) struct CgroupReader {
    pub(super) files: FileReader,
    pub(super) devices: StackedBlockDevices,
    pub(super) processes: HostProcesses,
}

impl CgroupFiles {
    /// The files of the group at this path below the mount points. `owns_network` is false for one that uses the network of
    /// its pod.
    pub(super) fn new(hierarchies: &Hierarchies, path: &Path, owns_network: bool) -> Self {
        let file = |row: &'static FileRow| {
            let directory = hierarchies.directory(row.hierarchy)?;
            Some(GroupFile { row, path: directory.join(path).join(row.name), absent: false })
        };
        let files = FILES.iter().filter_map(file).collect();
        let groups = hierarchies.directories().into_iter().map(|it| it.join(path)).collect();
        let process = RepresentativeProcess::new(groups, owns_network);
        Self {
            files,
            process,
            values: CgroupValues::default(),
            turns: 0,
            idle: Default::default(),
            complete: false,
        }
    }

    /// The newest values.
    pub(super) fn values(&self) -> &CgroupValues {
        &self.values
    }

    /// When its oldest process started, as Unix time.
    pub(super) fn started(&self) -> Option<f64> {
        self.process.started()
    }

    /// Reads the files that are due, or all if something was wrong at the last reading. Values of a malformed file, and
    /// those of malformed lines, are missing; one fault for each such file is returned.
    pub(super) fn read(
        &mut self,
        due: Option<FileReadCadence>,
        reader: &mut CgroupReader,
    ) -> (CgroupPresence, Vec<FileFault>) {
        let due = if self.complete { due } else { Some(FileReadCadence::Rare) };
        let Some(mut cadence) = due else { return (CgroupPresence::Here, Vec::new()) };
        let is_turn = FileReadCadence::Slow <= cadence;
        if is_turn {
            cadence = cadence.max(match self.turns {
                turns if turns.is_multiple_of(RARE_TURNS) => FileReadCadence::Rare,
                _ if self.idle.1.is_multiple_of(IDLE_TURNS) => FileReadCadence::Active,
                _ => FileReadCadence::Slow,
            });
            self.turns = self.turns.wrapping_add(1);
        }
        let (vanished, mut faults) = self.pass(cadence, reader);
        if vanished && cadence < FileReadCadence::Rare {
            // The whole group may be gone; then no old values must stay.
            faults = self.pass(FileReadCadence::Rare, reader).1;
        } else if cadence < FileReadCadence::Active
            && (is_turn && !self.is_idle() || !self.values.is_consistent())
        {
            // It is no longer idle, or dropped its page cache.
            faults = self.pass(FileReadCadence::Active, reader).1;
        }
        if is_turn {
            self.idle = (self.values.frequent, if self.is_idle() { self.idle.1 + 1 } else { 0 });
        }
        // A problem lasts until it is solved, and values are missing no longer than that.
        self.complete = faults.is_empty() && self.values.is_consistent();
        let gone = self.files.iter().all(|it| it.absent);
        if gone { (CgroupPresence::Gone, Vec::new()) } else { (CgroupPresence::Here, faults) }
    }

    /// Whether the group used neither CPU time nor other memory since the last turn.
    fn is_idle(&self) -> bool {
        self.values.frequent == self.idle.0
    }

    /// Reads the files of this cadence and of more frequent ones; returns whether one of them vanished.
    fn pass(&mut self, cadence: FileReadCadence, reader: &mut CgroupReader) -> (bool, Vec<FileFault>) {
        let (mut vanished, mut faults) = (false, Vec::new());
        self.values.frequent = Default::default();
        if FileReadCadence::Slow <= cadence {
            self.values.slow = SlowValues::default();
        }
        if FileReadCadence::Active <= cadence {
            self.values.activity = ActivityValues::default();
        }
        if cadence == FileReadCadence::Rare {
            self.values.rare = RareValues::default();
            // A controller may have been enabled.
            self.files.iter_mut().for_each(|it| it.absent = false);
        }
        for file in &mut self.files {
            if file.absent || cadence < file.row.cadence || (file.row.is_known)(&self.values) {
                continue;
            }
            let read = reader.files.read(&file.path);
            match read.and_then(|text| (file.row.set)(text, &mut self.values, &mut reader.devices)) {
                Err(SourceError::Unavailable { .. } | SourceError::SwitchedOff { .. }) => {
                    (file.absent, vanished) = (true, true);
                }
                Err(error) => faults.push(FileFault::File(error)),
                Ok(skipped) => faults.extend(skipped.omission().map(FileFault::Lines)),
            }
        }
        if FileReadCadence::Slow <= cadence && !self.files.iter().all(|it| it.absent) {
            match self.process.network_bytes(&reader.processes, &mut reader.files) {
                Ok((bytes, skipped)) => {
                    self.values.slow.network_bytes = bytes;
                    faults.extend(skipped.omission().map(FileFault::Lines));
                }
                Err(error) => faults.push(FileFault::File(error)),
            }
        }
        (vanished, faults)
    }
}
