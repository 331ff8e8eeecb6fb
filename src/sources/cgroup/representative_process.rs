//! A process of each group: since when it runs, and the traffic of its network namespace.
//!
//! The kernel accounts no traffic to control groups. A group with a network namespace of its own has devices of its own,
//! whose counters each of its processes shows in `<procfs>/PID/net/dev`. Where hostnorm sees no process numbers, as in a
//! container without the PID namespace of the host, these values are absent.

use std::path::{Path, PathBuf};

use super::parse;
use crate::sources::kernel_file::{FileReader, SkippedLines};
use crate::sources::{SourceError, process_self};

/// Ticks per second of the start of a process (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
/// Largest number of directories in which a process of one group is looked for: containers and pods have theirs below.
const DIRECTORIES_MAX: usize = 32;
/// Turns of a group at which its process is looked for again, as it may have ended: once a minute with five seconds a turn.
const LOOK_TURNS: u32 = 12;
/// Its first turns, at which it is looked for as well: a runtime gives a container its network after the start.
const FIRST_TURNS: u32 = 3;

/// What is known of the processes of the host.
#[derive(Debug)]
pub(super) struct HostProcesses {
    procfs: PathBuf,
    /// When the host booted, as Unix time.
    booted: Option<f64>,
    /// The network namespace of the host, if this process may see it.
    network: Option<PathBuf>,
}

impl HostProcesses {
    pub(super) fn new(procfs: PathBuf) -> Self {
        Self { procfs, booted: None, network: None }
    }

    /// Reads what concerns all processes again.
    pub(super) fn refresh(&mut self, reader: &mut FileReader) {
        self.network = namespace(&self.procfs.join("1"));
        let stat = self.procfs.join("stat");
        self.booted = self.booted.or_else(|| process_self::parse_boot_time(reader.read(&stat).ok()?));
    }

    /// When a process started, as Unix time.
    fn start(&self, process: &Path, reader: &mut FileReader) -> Option<f64> {
        let path = process.join("stat");
        let stat = process_self::parse(reader.read(&path).ok()?.text)?;
        Some(self.booted? + stat.start_ticks / TICKS_PER_SECOND)
    }

    /// Whether a process has another network than the host. Namespaces are readable by root only; without them, other
    /// names of devices tell. Equal ones do not, and then it counts as the network of the host.
    fn has_own_network(&self, process: &Path, reader: &mut FileReader) -> bool {
        if let (Some(host), Some(own)) = (&self.network, namespace(process)) {
            return *host != own;
        }
        let mut names_of = |process: &Path| {
            let path = process.join("net/dev");
            let text = reader.read(&path).ok()?;
            let mut names: Vec<String> = parse::network_devices(text).map(|it| it.0.to_owned()).collect();
            names.sort_unstable();
            Some(names)
        };
        let host = names_of(&self.procfs.join("1"));
        host.zip(names_of(process)).is_some_and(|(host, own)| host != own)
    }
}

/// The network namespace of a process; `None` if it is not readable.
#[expect(clippy::disallowed_methods, reason = "reads a link of the kernel")]
fn namespace(process: &Path) -> Option<PathBuf> {
    std::fs::read_link(process.join("ns/net")).ok()
}

/// A process of one group.
#[derive(Debug)]
pub(super) struct RepresentativeProcess {
    /// The directories of the group, in the hierarchies that have it.
    groups: Vec<PathBuf>,
    /// Whether the network belongs to the group, and not to its pod.
    owns_network: bool,
    /// Turns since the group was found.
    turns: u32,
    /// The counters of its network, if it is not that of the host.
    network: Option<PathBuf>,
    started: Option<f64>,
}

impl RepresentativeProcess {
    pub(super) fn new(groups: Vec<PathBuf>, owns_network: bool) -> Self {
        Self { groups, owns_network, turns: 0, network: None, started: None }
    }

    /// When the oldest process that was seen started, as Unix time.
    pub(super) fn started(&self) -> Option<f64> {
        self.started
    }

    /// Bytes received and sent so far by the network of the group, read at its turn; `None` without a network of its own. Also malformed
    /// lines.
    ///
    /// # Errors
    /// If the counters are malformed.
    pub(super) fn network_bytes(
        &mut self,
        host: &HostProcesses,
        reader: &mut FileReader,
    ) -> Result<(Option<[f64; 2]>, SkippedLines), SourceError> {
        if self.turns < FIRST_TURNS || self.turns.is_multiple_of(LOOK_TURNS) {
            self.look(host, reader);
        }
        self.turns = self.turns.wrapping_add(1);
        let Some(path) = &self.network else { return Ok((None, SkippedLines::default())) };
        match reader.read(path) {
            Ok(text) => parse::network_bytes(text).map(|(bytes, skipped)| (Some(bytes), skipped)),
            // The process ended.
            Err(_) => {
                (self.network, self.turns) = (None, 0);
                Ok((None, SkippedLines::default()))
            }
        }
    }

    /// Looks for a process, and for its network.
    fn look(&mut self, host: &HostProcesses, reader: &mut FileReader) {
        self.network = None;
        let Some(number) = first_process(&self.groups, reader) else { return };
        let process = host.procfs.join(number.to_string());
        let start = host.start(&process, reader);
        self.started = self.started.into_iter().chain(start).reduce(f64::min);
        if self.owns_network && host.has_own_network(&process, reader) {
            self.network = Some(process.join("net/dev"));
        }
    }
}

/// A process in one of these directories or below, the one that the kernel lists first.
#[expect(clippy::disallowed_methods, reason = "lists the directories of the kernel")]
fn first_process(groups: &[PathBuf], reader: &mut FileReader) -> Option<u32> {
    let mut pending: Vec<PathBuf> = groups.iter().rev().cloned().collect();
    for _ in 0..DIRECTORIES_MAX {
        let directory = pending.pop()?;
        let file = directory.join("cgroup.procs");
        if let Some(number) = reader.read(&file).ok().and_then(parse::first_process) {
            return Some(number);
        }
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let below = entries.filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
        pending.extend(below.take(DIRECTORIES_MAX).map(|it| it.path()));
    }
    None
}
