//! The files of one group, and when they are read.
//!
//! The files are opened at each reading: 200 groups have more files than a process may keep open by default. The kernel
//! computes some of them by a walk over all CPUs, so these are read in turn: those of some groups at each reading. Between
//! two turns, their values stay; a window contains several turns, so its mean is not affected. Files that change only if the
//! group does something are read less often while it is idle, and limits once a minute.
//!
//! What is wrong with a file is kept until it is read again. It may pass at once, so the files of the group are read again at
//! the next reading; what does not pass then, such as a device without a name, waits for the next turn.

use std::path::{Path, PathBuf};

use super::cgroup_hierarchy::Hierarchies;
use super::file_table::{FILES, FileReadCadence, FileRow};
use super::group_values::{ActivityValues, CgroupValues, FrequentValues, RareValues, SlowValues};
use super::representative_process::{HostProcesses, RepresentativeProcess};
use super::stacked_block_devices::StackedBlockDevices;
use crate::reading::ReadingOmission;
use crate::sources::SourceError;
use crate::sources::kernel_file::FileReader;

/// Turns of a group from one reading of its rare files to the next: a minute with five seconds a turn.
const RARE_TURNS: u32 = 12;
/// The same of its active files while it is idle: what it wrote may reach the disk later.
const IDLE_TURNS: u32 = 3;

/// The files of one group with their newest values.
#[derive(Debug)]
pub(super) struct CgroupFiles {
    files: Vec<GroupFile>,
    process: RepresentativeProcess,
    /// What was wrong with the network bytes when they were read last.
    network_fault: Option<FileFault>,
    values: CgroupValues,
    /// Turns so far.
    turns: u32,
    /// The frequent values at the last turn, and the number of turns in a row at which they were the same.
    idle: (FrequentValues, u32),
    /// Whether all files are due at the next reading.
    all_due: bool,
}

#[derive(Debug)]
struct GroupFile {
    row: &'static FileRow,
    path: PathBuf,
    /// Whether it was missing when it was read last.
    absent: bool,
    /// Fields that it lacked when it was read last.
    lacking: Vec<&'static str>,
    /// What was wrong with it when it was read last.
    fault: Option<FileFault>,
}

/// A field that a file of a group lacks.
#[derive(Debug, Clone, Copy)]
pub(super) struct LackingField<'a> {
    /// Name and path of the file.
    pub(super) file: &'static str,
    pub(super) path: &'a Path,
    pub(super) field: &'static str,
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
            Some(GroupFile {
                row,
                path: directory.join(path).join(row.name),
                absent: false,
                lacking: Vec::new(),
                fault: None,
            })
        };
        let files = FILES.iter().filter_map(file).collect();
        let groups = hierarchies.directories().into_iter().map(|it| it.join(path)).collect();
        let process = RepresentativeProcess::new(groups, owns_network);
        Self {
            files,
            process,
            network_fault: None,
            values: CgroupValues::default(),
            turns: 0,
            idle: Default::default(),
            all_due: true,
        }
    }

    /// The newest values.
    pub(super) fn values(&self) -> &CgroupValues {
        &self.values
    }

    /// The fields that its files lack, as of their last readings.
    pub(super) fn lacking_fields(&self) -> impl Iterator<Item = LackingField<'_>> {
        self.files.iter().flat_map(|GroupFile { row, path, lacking, .. }| {
            lacking.iter().map(move |field| LackingField { file: row.name, path, field })
        })
    }

    /// When its oldest process started, as Unix time.
    pub(super) fn started(&self) -> Option<f64> {
        self.process.started()
    }

    /// What was wrong with its files when they were read last, with the name of each.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&'static str, &FileFault)> {
        let files = self.files.iter().filter_map(|it| Some((it.row.name, it.fault.as_ref()?)));
        files.chain(self.network_fault.as_ref().map(|it| ("net/dev", it)))
    }

    /// Reads the files that are due. Values of a malformed file, and those of malformed lines, are missing.
    pub(super) fn read(&mut self, due: Option<FileReadCadence>, reader: &mut CgroupReader) -> CgroupPresence {
        let due = if self.all_due { Some(FileReadCadence::Rare) } else { due };
        let Some(mut cadence) = due else { return CgroupPresence::Here };
        let was_faulty = self.is_faulty();
        let is_turn = FileReadCadence::Slow <= cadence;
        if is_turn {
            cadence = cadence.max(match self.turns {
                turns if turns.is_multiple_of(RARE_TURNS) || was_faulty => FileReadCadence::Rare,
                _ if self.idle.1.is_multiple_of(IDLE_TURNS) => FileReadCadence::Active,
                _ => FileReadCadence::Slow,
            });
            self.turns = self.turns.wrapping_add(1);
        }
        let vanished = self.pass(cadence, reader);
        if vanished && cadence < FileReadCadence::Rare {
            // The whole group may be gone; then no old values must stay.
            self.pass(FileReadCadence::Rare, reader);
        } else if cadence < FileReadCadence::Active
            && (is_turn && !self.is_idle() || !self.values.is_consistent())
        {
            // It is no longer idle, or dropped its page cache.
            self.pass(FileReadCadence::Active, reader);
        }
        if is_turn {
            self.idle = (self.values.frequent, if self.is_idle() { self.idle.1 + 1 } else { 0 });
        }
        self.all_due = self.is_faulty() && !was_faulty;
        let gone = self.files.iter().all(|it| it.absent);
        if gone { CgroupPresence::Gone } else { CgroupPresence::Here }
    }

    /// Whether values are missing that another reading may have.
    fn is_faulty(&self) -> bool {
        let has_fault = self.faults().any(|(_, it)| matches!(it, FileFault::File(_)));
        has_fault || !self.values.is_consistent()
    }

    /// Whether the group used neither CPU time nor other memory since the last turn.
    fn is_idle(&self) -> bool {
        self.values.frequent == self.idle.0
    }

    /// Reads the files of this cadence and of more frequent ones; returns whether one of them vanished.
    fn pass(&mut self, cadence: FileReadCadence, reader: &mut CgroupReader) -> bool {
        let mut vanished = false;
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
        for file in self.files.iter_mut().filter(|it| it.row.cadence <= cadence) {
            file.lacking.clear();
            file.fault = None;
            if file.absent || (file.row.is_known)(&self.values) {
                continue;
            }
            let read = reader.files.read(&file.path);
            match read.and_then(|text| (file.row.set)(text, &mut self.values, &mut reader.devices)) {
                Err(SourceError::Unavailable { .. } | SourceError::SwitchedOff { .. }) => {
                    (file.absent, vanished) = (true, true);
                }
                Err(error) => file.fault = Some(FileFault::File(error)),
                Ok(mut skipped) => {
                    file.lacking = skipped.take_all_lacking();
                    file.fault = skipped.omission().map(FileFault::Lines);
                }
            }
        }
        if FileReadCadence::Slow <= cadence && !self.files.iter().all(|it| it.absent) {
            self.network_fault = match self.process.network_bytes(&reader.processes, &mut reader.files) {
                Ok((bytes, skipped)) => {
                    self.values.slow.network_bytes = bytes;
                    skipped.omission().map(FileFault::Lines)
                }
                Err(error) => Some(FileFault::File(error)),
            };
        }
        vanished
    }
}
