//! Control groups: each container, pod and systemd service is a subject of its own.
//!
//! From the files of `Documentation/admin-guide/cgroup-v2.rst` and `Documentation/admin-guide/cgroup-v1`. Groups are looked
//! for every few seconds; a name that survives restarts is their identity, see [ADR 042](../../docs/adr/042-control-groups.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::blocking_reads::ANSWER_SECONDS_MAX;
use super::cpu_throttling::THROTTLED;
use super::filter_pattern::{ExcludePattern, IncludePattern};
use super::kernel_file::FileReader;
use super::{Source, SourceError, SourceSettings};
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, Subject, SubjectKind, Timestamp};

mod group_class;
mod cgroup_hierarchy;
mod discovery;
mod group_owner;
mod workload;
mod podman_storage;
mod names_on_disk;
mod container_names;
mod cgroup_identity;
mod parse;
pub(super) mod group_values;
mod restarts;
mod stacked_block_devices;
mod representative_process;
mod file_table;
mod group_files;
mod live_group;
mod throttled_periods;
mod throttled_time;
mod signals;
mod impacts;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;

pub use group_owner::group_owner;
pub(super) use impacts::IMPACTS;
pub(super) use signals::SIGNALS;

use cgroup_hierarchy::Hierarchies;
use cgroup_identity::{CgroupIdentities, NamedGroup};
use container_names::{ContainerNames, GroupName};
use discovery::{FoundCgroup, find_groups};
use file_table::FileReadCadence;
use group_files::{CgroupFiles, CgroupPresence, CgroupReader, FileFault};
use live_group::{GoneCgroups, GroupDirectory, LiveCgroup};
use representative_process::HostProcesses;
use restarts::Restarts;
use stacked_block_devices::StackedBlockDevices;
use throttled_periods::ThrottledPeriods;
use throttled_time::ThrottledTime;

static GROUPS: Metric =
    Metric::gauge("hostnorm_cgroups", "Containers, pods and services that are read").by(&["kind"]);
static DROPPED: Metric = Metric::gauge(
    "hostnorm_cgroups_omitted",
    "Containers, pods and services that are not read, because there are more than cgroup.subjects_max. Includes directories of control groups beyond 4,096, which are not searched",
);
pub(super) static METRICS: &[&Metric] = &[
    &GROUPS,
    &DROPPED,
    &THROTTLED,
    &group_values::INFO,
    &group_values::CPU,
    &group_values::PERIODS,
    &group_values::THROTTLED_PERIODS,
    &group_values::THROTTLED,
    &group_values::THROTTLED_RATIO,
    &group_values::CPU_LIMIT,
    &group_values::MEMORY,
    &group_values::WORKING_SET,
    &group_values::MEMORY_LIMIT,
    &group_values::MAJOR_FAULTS,
    &group_values::OOM_KILLS,
    &group_values::MEMORY_HIGH,
    &group_values::MEMORY_MAX,
    &group_values::MEMORY_OOM,
    &group_values::READ,
    &group_values::WRITTEN,
    &group_values::TASKS,
    &group_values::PRESSURE_CPU,
    &group_values::STALLED_CPU,
    &group_values::PRESSURE_MEMORY,
    &group_values::STALLED_MEMORY,
    &group_values::PRESSURE_IO,
    &group_values::STALLED_IO,
    &group_values::RECEIVED,
    &group_values::SENT,
    &group_values::STARTED,
    &group_values::RESTARTS,
    &group_values::RECENT_RESTARTS,
];

/// Largest value of `cgroup.subjects_max`: less than the number of subjects of all kinds that the engine can hold.
pub const GROUPS_MAX: u64 = 500;

/// Largest number of groups of which the cheap files are read at each reading; those of more are read in turn.
const FREQUENT_MAX: usize = 40;

/// Largest number of readings until it is a group's turn again.
const TURN_MAX: usize = 5;
/// Smallest number of turns in a window, so that its mean does not depend on when they were.
const TURNS_MIN: usize = 6;

/// Seconds between two searches for new groups.
const DISCOVERY_SECONDS: f64 = 5.0;
/// The same on a host without any, where a search is the whole cost.
const DISCOVERY_EMPTY_SECONDS: f64 = 20.0;

/// Settings of the source `cgroup`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CgroupSettings {
    /// Regular expression of `kind/name` to read; empty for all.
    pub include: IncludePattern,
    /// Regular expression of `kind/name` to leave out; by default transient services of `systemd-run`.
    pub exclude: ExcludePattern,
    /// Largest number of groups to read.
    pub subjects_max: u64,
    /// Whether everything about groups is exposed, instead of scores and contributions only.
    pub raw: bool,
}

impl Default for CgroupSettings {
    fn default() -> Self {
        Self {
            include: IncludePattern::default(),
            // Their names contain a number that is never used again.
            exclude: ExcludePattern::known("^service/run-"),
            subjects_max: 200,
            raw: false,
        }
    }
}

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let SourceSettings { roots, cgroup, .. } = settings;
    Box::new(Cgroup {
        root: roots.cgroupfs(),
        names: ContainerNames::new(&roots.rootfs, &settings.blocking),
        settings: cgroup.clone(),
        hierarchies: None,
        identities: CgroupIdentities::default(),
        groups: Vec::new(),
        past: GoneCgroups::default(),
        searched: None,
        readings: 0,
        turn: (settings.window / TURNS_MIN).clamp(1, TURN_MAX),
        dropped: 0,
        throttled: 0.0,
        reader: CgroupReader {
            files: FileReader::default(),
            devices: StackedBlockDevices::new(roots.sysfs.join("dev/block")),
            processes: HostProcesses::new(roots.procfs.clone()),
        },
        kinds: KINDS.map(|it| (it, MetricLabels::new([it.name()]))),
    })
}

/// In this order groups are left out last.
const KINDS: [SubjectKind; 3] = [SubjectKind::Container, SubjectKind::Pod, SubjectKind::Service];

#[derive(Debug)]
struct Cgroup {
    root: PathBuf,
    names: ContainerNames,
    settings: CgroupSettings,
    /// As of the last search.
    hierarchies: Option<Hierarchies>,
    identities: CgroupIdentities,
    /// The groups that are read, in the order of the last search.
    groups: Vec<LiveCgroup>,
    /// Subjects whose groups are gone.
    past: GoneCgroups,
    /// Time of the last search.
    searched: Option<Timestamp>,
    /// Readings so far.
    readings: usize,
    /// Readings until it is a group's turn again.
    turn: usize,
    /// Groups beyond the maximum.
    dropped: usize,
    /// Seconds for which the groups were throttled so far.
    throttled: f64,
    reader: CgroupReader,
    kinds: [(SubjectKind, MetricLabels); KINDS.len()],
}

impl Source for Cgroup {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let at = into.at;
        let is_empty = self.groups.is_empty() && self.past.is_empty() && !self.names.is_awaited();
        let pause = if is_empty { DISCOVERY_EMPTY_SECONDS } else { DISCOVERY_SECONDS };
        let is_recent = |then: Timestamp| (0.0..pause).contains(&(at.0 - then.0));
        if !self.searched.is_some_and(is_recent) {
            self.searched = Some(at);
            self.discover(at);
        }
        if self.hierarchies.is_none() {
            return Err(SourceError::Unavailable { path: self.root.clone() });
        }
        let outcome = self.read_groups(into);
        let host = into.host();
        for (kind, labels) in &self.kinds {
            let count = self.groups.iter().filter(|it| it.name.kind == *kind).count();
            host.set_by(&GROUPS, labels, count as f64);
        }
        host.set(&DROPPED, self.dropped as f64);
        if self.dropped > 0 {
            let what = format!(
                "there are more than {} groups (setting cgroup.subjects_max)",
                self.settings.subjects_max
            );
            into.note_omission(self.dropped, "groups", what);
        }
        if let Some((count, paths)) = self.names.silence() {
            let path = paths.first().map(|it| it.display().to_string()).unwrap_or_default();
            let what = format!(
                "no answer from {path} within {ANSWER_SECONDS_MAX} s; containers are read when their names are known"
            );
            into.note_omission(count, path, what);
        }
        let host = into.host();
        if self.groups.iter().any(|it| it.throttled.is_known()) {
            host.set(&THROTTLED, self.throttled);
        }
        outcome
    }
}

impl Cgroup {
    /// Reads all groups, and forgets those that are gone.
    fn read_groups(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        self.readings = self.readings.wrapping_add(1);
        let Self { groups, past, reader, throttled, readings, turn, .. } = self;
        let otherwise = (groups.len() <= FREQUENT_MAX).then_some(FileReadCadence::Frequent);
        let mut place = *readings;
        groups.retain_mut(|group| {
            place = place.wrapping_add(1);
            let due = if place.is_multiple_of(*turn) { Some(FileReadCadence::Slow) } else { otherwise };
            if group.files.read(due, reader) == CgroupPresence::Gone {
                past.add(group, into.at);
                return false;
            }
            let total = group.files.values().frequent.throttled_seconds;
            *throttled += group.throttled.step(into.at, total, due.is_some());
            group.throttled_periods.step(into.at, group.files.values().periods(), due.is_some());
            group.set(into);
            true
        });
        past.set(into);
        self.note_lacking(into);
        self.note_faults(into)
    }

    /// Notes odd files, which cost their values, and odd lines, which cost their own. The same lines are usually odd in all
    /// groups, so each file is said once, for all of them.
    ///
    /// # Errors
    /// The first file that cannot be read.
    fn note_faults(&self, into: &mut Reading) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        let mut odd = BTreeMap::<_, (usize, String)>::new();
        for (file, fault) in self.groups.iter().flat_map(|it| it.files.faults()) {
            let (count, what) = match fault {
                FileFault::File(error @ SourceError::Parse { .. }) => (1, error.to_string()),
                FileFault::Lines(lines) => (lines.count, lines.what.clone()),
                FileFault::File(error) => {
                    outcome = outcome.and_then(|()| Err(error.duplicate_error()));
                    continue;
                }
            };
            odd.entry(file).or_insert((0, what)).0 += count;
        }
        for (file, (count, what)) in odd {
            into.note_omission(count, file, what);
        }
        outcome
    }

    /// Notes the fields that files lack. Usually they are those that this kernel has not, so each is said once, for all groups.
    fn note_lacking(&self, into: &mut Reading) {
        let mut lacking = BTreeMap::<_, (usize, &Path)>::new();
        for it in self.groups.iter().flat_map(|it| it.files.lacking_fields()) {
            lacking.entry((it.file, it.field)).or_insert((0, it.path)).0 += 1;
        }
        for ((file, field), (count, path)) in lacking {
            into.note_omission(
                count,
                format!("{file} {field}"),
                format!("{} has no {field}", path.display()),
            );
        }
    }

    /// Searches for groups; those that are read already go on.
    fn discover(&mut self, at: Timestamp) {
        self.hierarchies = Hierarchies::find(&self.root);
        self.reader.devices.forget();
        self.reader.processes.refresh(&mut self.reader.files);
        let Some(hierarchies) = self.hierarchies.clone() else { return self.groups.clear() };
        let discovery = find_groups(&hierarchies);
        let mut before: BTreeMap<PathBuf, LiveCgroup> =
            self.groups.drain(..).map(|it| (it.path.clone(), it)).collect();
        let new: Vec<&FoundCgroup> =
            discovery.groups.iter().filter(|it| !before.contains_key(&it.path)).collect();
        let mut names = self.names.of(&new).into_iter();
        let mut wanted = Vec::new();
        for group in discovery.groups {
            let live = before.get(&group.path);
            let name = live.map_or_else(|| names.next().flatten(), |it| Some(it.name.clone()));
            // A sandbox has no name, and one that is still to be read comes later.
            let Some(name) = name else { continue };
            if self.settings.reads(&name) {
                let rank = KINDS.iter().position(|it| *it == name.kind);
                wanted.push((live.is_none(), rank, NamedGroup::new(group.path.clone(), &name), name, group));
            }
        }
        // Those that are read already come first, so that no subject changes places with another.
        wanted.sort_by(|one, other| (one.0, one.1, &one.2.path).cmp(&(other.0, other.1, &other.2.path)));
        let groups_max = usize::try_from(self.settings.subjects_max.min(GROUPS_MAX)).unwrap_or(0);
        self.dropped = discovery.skipped + wanted.len().saturating_sub(groups_max);
        wanted.truncate(groups_max);
        let named: Vec<NamedGroup> = wanted.iter().map(|it| it.2.clone()).collect();
        let subjects = self.identities.assign(&named);
        let owners: BTreeMap<Subject, (PathBuf, Restarts)> =
            before.values().map(|it| (it.subject.clone(), (it.path.clone(), it.restarts.clone()))).collect();
        for ((_, _, _, name, group), subject) in wanted.into_iter().zip(subjects) {
            let owner = owners.get(&subject).map(|it| (it.0 == group.path, it.1.clone()));
            let live = before.remove(&group.path);
            let group = self.group(&hierarchies, group, name, live, (subject, owner), at);
            self.groups.push(group);
        }
        for group in before.values().filter(|it| !self.groups.iter().any(|new| new.subject == it.subject)) {
            self.past.add(group, at);
        }
    }

    /// A group that was found. `live` is the same group as it was read so far; with the subject comes whether it had this
    /// path before, and its restarts.
    fn group(
        &mut self,
        hierarchies: &Hierarchies,
        found: FoundCgroup,
        name: GroupName,
        live: Option<LiveCgroup>,
        (subject, owner): (Subject, Option<(bool, Restarts)>),
        at: Timestamp,
    ) -> LiveCgroup {
        let directory = GroupDirectory::find(hierarchies, &found.path);
        let live = live.filter(|it| !directory.replaces(&it.directory));
        let is_new = live.is_none();
        let past = self.past.take(&subject);
        let (same, restarts) = owner.or(past.map(|it| (false, it))).unzip();
        // A group that moves to the number of another one did not restart.
        let is_successor = same.is_some_and(|same| !same || is_new);
        let restarts = restarts.map(|it| if is_new { it.with_one(at) } else { it }).unwrap_or_default();
        let labels = [found.class.runtime(), &name.namespace, &name.pod, &name.container, &name.id];
        let info = MetricLabels::new(labels);
        let fresh = || {
            (
                CgroupFiles::new(hierarchies, &found.path, found.class.has_own_network_namespace()),
                directory,
                (ThrottledTime::default(), ThrottledPeriods::default()),
            )
        };
        // The time of creation is kept, because the kernel may forget it.
        let (files, directory, (throttled, throttled_periods)) =
            live.map_or_else(fresh, |it| (it.files, it.directory, (it.throttled, it.throttled_periods)));
        LiveCgroup {
            path: found.path,
            name,
            subject,
            info,
            files,
            directory,
            throttled,
            throttled_periods,
            restarts,
            is_successor,
        }
    }
}

impl CgroupSettings {
    fn reads(&self, name: &GroupName) -> bool {
        let text = format!("{}/{}", name.kind.name(), name.name);
        self.include.matches(&text) && !self.exclude.matches(&text)
    }
}

#[cfg(test)]
mod tests;
