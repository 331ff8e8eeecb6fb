//! Passes over all processes: what each command used since the pass before.
#![expect(clippy::disallowed_methods, reason = "reads files of all processes")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::owner;
use super::process_files::{ProcessCounters, ProcessStat, parse_io, parse_stat};
use crate::clock;
use crate::culprit::{GroupKey, Measure, Owner, ProcessGroup, Usage};

/// Largest number of processes that a pass reads; further ones are counted.
pub(super) const PROCESSES_MAX: usize = 8_192;
/// `USER_HZ`, as in the source `cpu`.
const TICKS_PER_SECOND: f64 = 100.0;
/// Page faults of a process that starts a small program and ends.
const FAULTS_OF_A_START: f64 = 150.0;
/// Largest part of a file that is read; those of the kernel are shorter.
const FILE_BYTES: usize = 4 << 10;
/// Passes after which a process that was not read is forgotten.
const KNOWN_PASSES_MAX: u64 = 8;
/// Processes between two looks at the CPU time.
const CHECKED_EVERY: usize = 16;

/// The result of one pass.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) groups: Vec<ProcessGroup>,
    /// Number of processes.
    pub(super) processes: u32,
    /// Processes that were not read.
    pub(super) unread: u32,
    /// Whether threads of the kernel are among them. Without, this is a container's own procfs, or one that hides processes.
    pub(super) sees_kernel: bool,
    /// Whether the groups have rates, which need a pass before.
    pub(super) has_rates: bool,
    /// CPU time of the pass.
    pub(super) cpu: Duration,
}

/// The processes of the last pass.
#[derive(Debug)]
pub(super) struct ProcessTable {
    procfs: PathBuf,
    known: BTreeMap<u32, KnownProcess>,
    passes: u64,
    /// When the last pass began.
    last_pass: Option<Instant>,
    /// Whether the last pass read every process.
    is_complete: bool,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct KnownProcess {
    start: u64,
    parent: u32,
    key: GroupKey,
    counters: ProcessCounters,
    threads: u32,
    disk_bytes: DiskBytes,
    /// When it was read.
    at: Instant,
    /// The pass that read it last.
    pass: u64,
}

/// The bytes that a process read from and wrote to disks so far.
#[derive(Debug, Clone, Copy, PartialEq)]
enum DiskBytes {
    Unread,
    /// Only its user or root may read them.
    Denied,
    Total(u64),
}

/// A process of this pass that is not finished: what it used is known, but not what its ended children used.
#[derive(Debug)]
struct ReadProcess {
    pid: u32,
    stat: ProcessStat,
    /// The process before, if it is the same one.
    before: Option<KnownProcess>,
    disk_bytes: DiskBytes,
    descriptors: Option<f64>,
    at: Instant,
}

impl ProcessTable {
    pub(super) fn new(procfs: &Path) -> Self {
        let buffer = vec![0; FILE_BYTES];
        let (procfs, known) = (procfs.to_owned(), BTreeMap::new());
        Self { procfs, known, passes: 0, last_pass: None, is_complete: false, buffer }
    }

    /// Reads all processes, as far as the CPU time suffices.
    pub(super) fn pass(&mut self, cpu_max: Duration) -> Pass {
        let started = clock::thread_cpu().unwrap_or_default();
        let spent = || clock::thread_cpu().unwrap_or_default().saturating_sub(started);
        let began = clock::instant();
        self.passes += 1;
        let (pids, beyond) = self.pids();
        let mut processes = Vec::with_capacity(pids.len());
        let mut unread = beyond;
        for (idx, pid) in pids.iter().enumerate() {
            if idx % CHECKED_EVERY == 0 && spent() >= cpu_max {
                unread += pids.len() - idx;
                break;
            }
            processes.extend(self.read(*pid));
        }
        // Idle processes have nothing new; those that ran come first.
        processes
            .sort_by_key(|it| it.before.as_ref().is_some_and(|before| before.counters == it.stat.counters));
        for (idx, it) in processes.iter_mut().enumerate() {
            if idx % CHECKED_EVERY == 0 && spent() >= cpu_max {
                break;
            }
            self.read_details(it);
        }
        let has_rates = self.passes > 1;
        let sees_kernel = processes.iter().any(|it| it.stat.is_kernel_thread);
        let groups = self.conclude(processes, &pids);
        (self.last_pass, self.is_complete) = (Some(began), unread == 0);
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        Pass {
            groups,
            processes: count(pids.len() + beyond),
            unread: count(unread),
            sees_kernel,
            has_rates,
            cpu: spent(),
        }
    }

    /// The numbers of the processes, and how many more there are.
    fn pids(&self) -> (Vec<u32>, usize) {
        let entries = fs::read_dir(&self.procfs).into_iter().flatten().flatten();
        let pids = entries.filter_map(|it| it.file_name().to_str()?.parse().ok());
        let mut pids: Vec<u32> = pids.collect();
        pids.sort_unstable();
        let beyond = pids.len().saturating_sub(PROCESSES_MAX);
        pids.truncate(PROCESSES_MAX);
        (pids, beyond)
    }

    /// Reads what is needed of every process; `None` if it has ended.
    fn read(&mut self, pid: u32) -> Option<ReadProcess> {
        let stat = self.file(pid, "stat").ok().and_then(parse_stat)?;
        let before = self.known.remove(&pid).filter(|it| it.start == stat.start);
        let disk_bytes = before.as_ref().map_or(DiskBytes::Unread, |it| it.disk_bytes);
        Some(ReadProcess { pid, stat, before, disk_bytes, descriptors: None, at: clock::instant() })
    }

    /// Reads bytes and descriptors, where this user may.
    fn read_details(&mut self, process: &mut ReadProcess) {
        if process.stat.is_kernel_thread {
            return;
        }
        if process.disk_bytes != DiskBytes::Denied {
            process.disk_bytes = match self.file(process.pid, "io") {
                Ok(bytes) => parse_io(bytes).map_or(DiskBytes::Unread, DiskBytes::Total),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => DiskBytes::Denied,
                Err(_) => DiskBytes::Unread,
            };
        }
        // Since Linux 6.2 the size of the directory is the number of descriptors. Their names are not read.
        let length = fs::metadata(self.path(process.pid, "fd")).map(|it| it.len());
        process.descriptors = length.ok().filter(|it| *it > 0).map(|it| it as f64);
    }

    fn path(&self, pid: u32, name: &str) -> PathBuf {
        let mut path = self.procfs.join(pid.to_string());
        path.push(name);
        path
    }

    fn file(&mut self, pid: u32, name: &str) -> io::Result<&[u8]> {
        let length = File::open(self.path(pid, name))?.read(&mut self.buffer)?;
        Ok(self.buffer.get(..length).unwrap_or_default())
    }

    /// Sums the processes by group, and remembers them for the next pass.
    fn conclude(&mut self, processes: Vec<ReadProcess>, pids: &[u32]) -> Vec<ProcessGroup> {
        let ended = self.ended_children(pids);
        let mut keys: BTreeMap<u32, GroupKey> = BTreeMap::new();
        for it in &processes {
            let key = self.key(it);
            keys.insert(it.pid, key);
        }
        let mut groups: BTreeMap<GroupKey, GroupSum> = BTreeMap::new();
        for it in processes {
            let Some(key) = keys.get(&it.pid) else { continue };
            let sum = groups.entry(key.clone()).or_insert_with(|| GroupSum::new(key));
            sum.add(&it);
            let started =
                self.add_rates(&mut sum.group, &it, ended.get(&it.pid).copied().unwrap_or_default());
            if started > 0.0 {
                // Who starts many processes is their parent.
                let parent = keys.get(&it.stat.parent).filter(|_| it.before.is_none()).unwrap_or(key);
                let sum = groups.entry(parent.clone()).or_insert_with(|| GroupSum::new(parent));
                sum.group.now.add(Measure::Starts, started);
            }
            let known = KnownProcess {
                start: it.stat.start,
                parent: it.stat.parent,
                key: key.clone(),
                counters: it.stat.counters,
                threads: it.stat.threads,
                disk_bytes: it.disk_bytes,
                at: it.at,
                pass: self.passes,
            };
            self.known.insert(it.pid, known);
        }
        groups.into_values().map(GroupSum::concluded).collect()
    }

    /// What ended children had used before the pass before, by parent. When they are waited for, it is added to what the
    /// children of the parent used, although it was not used since.
    fn ended_children(&mut self, pids: &[u32]) -> BTreeMap<u32, ProcessCounters> {
        let mut ended: BTreeMap<u32, ProcessCounters> = BTreeMap::new();
        self.known.retain(|pid, it| {
            // One that is there and was not read this time waits for the next pass.
            let is_there = pids.binary_search(pid).is_ok() && it.pass + KNOWN_PASSES_MAX > self.passes;
            if !is_there {
                let sum = ended.entry(it.parent).or_default();
                sum.user += it.counters.user + it.counters.child_user;
                sum.system += it.counters.system + it.counters.child_system;
                sum.faults += it.counters.faults + it.counters.child_faults;
            }
            is_there
        });
        ended
    }

    /// The group of a process. Its control group is read again when it executes another command.
    fn key(&mut self, process: &ReadProcess) -> GroupKey {
        let known = process.before.as_ref().filter(|it| *it.key.command == *process.stat.command);
        known.map_or_else(
            || GroupKey { command: Arc::from(process.stat.command.as_str()), owner: self.owner(process) },
            |it| it.key.clone(),
        )
    }

    fn owner(&mut self, process: &ReadProcess) -> Option<Owner> {
        if process.stat.is_kernel_thread {
            return None;
        }
        self.file(process.pid, "cgroup").ok().and_then(owner::parse)
    }

    /// Adds what a process used per second since the pass before; returns the processes and threads started per second.
    fn add_rates(&self, group: &mut ProcessGroup, it: &ReadProcess, ended: ProcessCounters) -> f64 {
        // A process that was not there in a complete pass started since, and used all that it used.
        let nothing = ProcessCounters::default();
        let (before, threads, bytes, elapsed) = match &it.before {
            Some(before) => {
                let elapsed = it.at.saturating_duration_since(before.at).as_secs_f64();
                (before.counters, before.threads, before.disk_bytes, elapsed)
            }
            None if self.is_complete => (nothing, 0, DiskBytes::Total(0), self.elapsed(it)),
            None => return 0.0,
        };
        if elapsed <= 0.0 {
            return 0.0;
        }
        let now = it.stat.counters;
        let own = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let children =
            |now: u64, before: u64, ended: u64| now.saturating_sub(before).saturating_sub(ended) as f64;
        let system =
            own(now.system, before.system) + children(now.child_system, before.child_system, ended.system);
        let user = own(now.user, before.user) + children(now.child_user, before.child_user, ended.user);
        let child_faults = children(now.child_faults, before.child_faults, ended.faults);
        let faults = own(now.faults, before.faults) + child_faults;
        group.now.add(Measure::Cpu, (user + system) / TICKS_PER_SECOND / elapsed);
        group.now.add(Measure::SystemCpu, system / TICKS_PER_SECOND / elapsed);
        group.now.add(Measure::Faults, faults / elapsed);
        if let (DiskBytes::Total(now), DiskBytes::Total(before)) = (it.disk_bytes, bytes) {
            group.now.add(Measure::DiskBytes, own(now, before) / elapsed);
        }
        // Children that started and ended between two passes left only their page faults.
        group.now.add(Measure::Starts, child_faults / FAULTS_OF_A_START / elapsed);
        f64::from(it.stat.threads.saturating_sub(threads)) / elapsed
    }

    /// Seconds since the pass before, for a process that is new.
    fn elapsed(&self, it: &ReadProcess) -> f64 {
        self.last_pass.map_or(0.0, |last| it.at.saturating_duration_since(last).as_secs_f64())
    }
}

/// The sum over the processes of a group.
#[derive(Debug)]
struct GroupSum {
    group: ProcessGroup,
    /// Whether the bytes, or the descriptors, of a process are not known. A sum without a part is no sum.
    lacks_bytes: bool,
    lacks_descriptors: bool,
}

impl GroupSum {
    fn new(key: &GroupKey) -> Self {
        let group = ProcessGroup { key: key.clone(), now: Usage::NONE, ..ProcessGroup::default() };
        Self { group, lacks_bytes: false, lacks_descriptors: false }
    }

    /// Adds what a process has at this instant.
    fn add(&mut self, it: &ReadProcess) {
        let group = &mut self.group;
        group.processes += 1;
        group.threads = group.threads.saturating_add(it.stat.threads);
        group.blocked += u32::from(it.stat.state == b'D');
        group.now.add(Measure::Memory, it.stat.resident_pages as f64 * page_bytes());
        if it.stat.is_kernel_thread {
            return;
        }
        group.now.add(Measure::Descriptors, it.descriptors.unwrap_or(0.0));
        self.lacks_descriptors |= it.descriptors.is_none();
        self.lacks_bytes |= !matches!(it.disk_bytes, DiskBytes::Total(_));
    }

    fn concluded(mut self) -> ProcessGroup {
        if self.lacks_bytes {
            self.group.now.clear(Measure::DiskBytes);
        }
        if self.lacks_descriptors {
            self.group.now.clear(Measure::Descriptors);
        }
        self.group
    }
}

#[cfg(unix)]
fn page_bytes() -> f64 {
    rustix::param::page_size() as f64
}

#[cfg(not(unix))]
fn page_bytes() -> f64 {
    4_096.0
}

#[cfg(test)]
mod tests;
