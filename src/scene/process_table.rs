//! Passes over all processes: what each command used since the pass before.
#![expect(clippy::disallowed_methods, reason = "reads files of all processes")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::OwnerNames;
use super::container_or_service;
use super::process_files::{ProcessCounters, ProcessStat, parse_io, parse_stat};
use crate::clock;
use crate::culprit::{ContainerOrService, ProcessNameKey, SameNameProcesses, UsageMeasure};

mod group_sum;
mod private_count;

use group_sum::GroupSum;
use private_count::{PrivateCount, count_descriptors};

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
/// Part of the CPU time of a pass for what is read of every process; the rest is for bytes and descriptors.
const COUNTERS_PART: f64 = 0.7;

/// The result of one pass.
#[derive(Debug, Default)]
pub(super) struct ProcessTablePass {
    pub(super) groups: Vec<SameNameProcesses>,
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
    names: Arc<OwnerNames>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct KnownProcess {
    start: u64,
    /// Whether it ran between the last two times it was read, or was new.
    has_run: bool,
    parent: u32,
    /// With the ID of its container, whose name may be known later.
    key: ProcessNameKey,
    counters: ProcessCounters,
    threads: u32,
    disk_bytes: PrivateCount,
    /// When it was read.
    at: Instant,
    /// The pass that read it last.
    pass: u64,
}

/// A process of this pass that is not finished: what it used is known, but not what its ended children used.
#[derive(Debug)]
struct ReadProcess {
    pid: u32,
    stat: ProcessStat,
    /// The process before, if it is the same one.
    before: Option<KnownProcess>,
    disk_bytes: PrivateCount,
    descriptors: PrivateCount,
    at: Instant,
}

impl ProcessTable {
    pub(super) fn new(procfs: &Path) -> Self {
        let buffer = vec![0; FILE_BYTES];
        let (procfs, known) = (procfs.to_owned(), BTreeMap::new());
        Self { procfs, known, passes: 0, last_pass: None, is_complete: false, names: Arc::default(), buffer }
    }

    /// Takes the names of containers.
    pub(super) fn set_names(&mut self, names: Arc<OwnerNames>) {
        self.names = names;
    }

    /// Reads all processes, as far as the CPU time suffices.
    pub(super) fn pass(&mut self, cpu_max: Duration) -> ProcessTablePass {
        let started = clock::thread_cpu().unwrap_or_default();
        let spent = || clock::thread_cpu().unwrap_or_default().saturating_sub(started);
        let counters_max = cpu_max.mul_f64(COUNTERS_PART);
        let goes_on = |most| move |read: usize| !read.is_multiple_of(CHECKED_EVERY) || spent() < most;
        let pass = self.pass_while(&goes_on(counters_max), &goes_on(cpu_max));
        ProcessTablePass { cpu: spent(), ..pass }
    }

    /// Reads processes, and then the details of each, while these say so of the number that was read.
    fn pass_while(
        &mut self,
        reads_on: &dyn Fn(usize) -> bool,
        reads_details_on: &dyn Fn(usize) -> bool,
    ) -> ProcessTablePass {
        let began = clock::instant();
        self.passes += 1;
        let pids = pids(&self.procfs);
        let mut processes = Vec::new();
        let mut unread = pids.len();
        for (idx, pid) in self.reading_order(&pids).into_iter().enumerate() {
            if !reads_on(idx) {
                break;
            }
            unread -= 1;
            processes.extend(self.read(pid));
        }
        // Idle processes have nothing new; those that ran come first.
        processes.sort_by_key(|it| !it.has_run());
        for (idx, it) in processes.iter_mut().enumerate() {
            if !reads_details_on(idx) {
                break;
            }
            self.read_details(it);
        }
        let has_rates = self.passes > 1;
        let sees_kernel = processes.iter().any(|it| it.stat.is_kernel_thread);
        let groups = self.conclude(processes, &pids);
        (self.last_pass, self.is_complete) = (Some(began), unread == 0);
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        ProcessTablePass {
            groups,
            processes: count(pids.len()),
            unread: count(unread),
            sees_kernel,
            has_rates,
            cpu: Duration::ZERO,
        }
    }

    /// The processes to read, at most [`PROCESSES_MAX`], those that may be behind an anomaly ahead: new ones, the newest
    /// first, then those that ran when they were last read, then the others, the one read longest ago first. One that is not
    /// read for [`KNOWN_PASSES_MAX`] passes counts as new.
    fn reading_order(&self, pids: &[u32]) -> Vec<u32> {
        let mut order: Vec<u32> = pids.iter().rev().copied().collect();
        let rank = |it: &KnownProcess| if it.has_run { (0, u64::MAX - it.pass) } else { (1, it.pass) };
        order.sort_by_cached_key(|pid| self.known.get(pid).map(rank));
        order.truncate(PROCESSES_MAX);
        order
    }

    /// Reads what is needed of every process; `None` if it has ended.
    fn read(&mut self, pid: u32) -> Option<ReadProcess> {
        let stat = self.file(pid, "stat").ok().and_then(parse_stat)?;
        let before = self.known.remove(&pid).filter(|it| it.start == stat.start);
        let disk_bytes = before.as_ref().map_or(PrivateCount::Unread, |it| it.disk_bytes);
        let descriptors = PrivateCount::Unread;
        Some(ReadProcess { pid, stat, before, disk_bytes, descriptors, at: clock::instant() })
    }

    /// Reads bytes and descriptors, where this user may.
    fn read_details(&mut self, process: &mut ReadProcess) {
        if process.stat.is_kernel_thread {
            return;
        }
        if process.disk_bytes != PrivateCount::Denied {
            process.disk_bytes = match self.file(process.pid, "io") {
                Ok(bytes) => parse_io(bytes).map_or(PrivateCount::Unread, PrivateCount::Total),
                Err(error) => PrivateCount::failed(&error),
            };
        }
        process.descriptors = count_descriptors(&self.path(process.pid, "fd"));
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
    fn conclude(&mut self, processes: Vec<ReadProcess>, pids: &[u32]) -> Vec<SameNameProcesses> {
        let ended = self.ended_children(pids);
        let mut keys: BTreeMap<u32, [ProcessNameKey; 2]> = BTreeMap::new();
        for it in &processes {
            let key = self.key(it);
            let owner = key.owner.as_ref().map(|it| self.names.owner(it));
            let named = ProcessNameKey { command: Arc::clone(&key.command), owner };
            keys.insert(it.pid, [key, named]);
        }
        let mut groups: BTreeMap<ProcessNameKey, GroupSum> = BTreeMap::new();
        for it in processes {
            let Some([unnamed, key]) = keys.get(&it.pid) else { continue };
            let sum = groups.entry(key.clone()).or_insert_with(|| GroupSum::new(key));
            sum.add(&it);
            let started =
                self.add_rates(&mut sum.group, &it, ended.get(&it.pid).copied().unwrap_or_default());
            if started > 0.0 {
                // Who starts many processes is their parent.
                let parent = keys.get(&it.stat.parent).filter(|_| it.before.is_none());
                let parent = parent.map_or(key, |[_, parent]| parent);
                let sum = groups.entry(parent.clone()).or_insert_with(|| GroupSum::new(parent));
                sum.group.now.add(UsageMeasure::Starts, started);
            }
            let known = KnownProcess {
                start: it.stat.start,
                has_run: it.has_run(),
                parent: it.stat.parent,
                key: unnamed.clone(),
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
    fn key(&mut self, process: &ReadProcess) -> ProcessNameKey {
        let known = process.before.as_ref().filter(|it| *it.key.command == *process.stat.command);
        known.map_or_else(
            || ProcessNameKey {
                command: Arc::from(process.stat.command.as_str()),
                owner: self.owner(process),
            },
            |it| it.key.clone(),
        )
    }

    fn owner(&mut self, process: &ReadProcess) -> Option<ContainerOrService> {
        if process.stat.is_kernel_thread {
            return None;
        }
        self.file(process.pid, "cgroup").ok().and_then(container_or_service::parse)
    }

    /// Adds what a process used per second since the pass before; returns the processes and threads started per second.
    fn add_rates(&self, group: &mut SameNameProcesses, it: &ReadProcess, ended: ProcessCounters) -> f64 {
        // A process that was not there in a complete pass started since, and used all that it used.
        let nothing = ProcessCounters::default();
        let (before, threads, bytes, elapsed) = match &it.before {
            Some(before) => {
                let elapsed = it.at.saturating_duration_since(before.at).as_secs_f64();
                (before.counters, before.threads, before.disk_bytes, elapsed)
            }
            None if self.is_complete => (nothing, 0, PrivateCount::Total(0), self.elapsed(it)),
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
        group.now.add(UsageMeasure::Cpu, (user + system) / TICKS_PER_SECOND / elapsed);
        group.now.add(UsageMeasure::SystemCpu, system / TICKS_PER_SECOND / elapsed);
        group.now.add(UsageMeasure::Faults, faults / elapsed);
        if let (PrivateCount::Total(now), PrivateCount::Total(before)) = (it.disk_bytes, bytes) {
            group.now.add(UsageMeasure::DiskBytes, own(now, before) / elapsed);
        }
        // Children that started and ended between two passes left only their page faults.
        group.now.add(UsageMeasure::Starts, child_faults / FAULTS_OF_A_START / elapsed);
        f64::from(it.stat.threads.saturating_sub(threads)) / elapsed
    }

    /// Seconds since the pass before, for a process that is new.
    fn elapsed(&self, it: &ReadProcess) -> f64 {
        self.last_pass.map_or(0.0, |last| it.at.saturating_duration_since(last).as_secs_f64())
    }
}

impl ReadProcess {
    /// Whether it ran since it was read before, or was not read before.
    fn has_run(&self) -> bool {
        self.before.as_ref().is_none_or(|it| it.counters != self.stat.counters)
    }
}

/// The numbers of all processes, in order.
fn pids(procfs: &Path) -> Vec<u32> {
    let entries = fs::read_dir(procfs).into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests;
