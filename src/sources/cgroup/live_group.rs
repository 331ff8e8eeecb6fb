//! A group that is read, and what stays of it when it is gone: a group that restarts is the same subject.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::METRICS;
use super::cgroup_hierarchy::Hierarchies;
use super::container_names::GroupName;
use super::group_files::CgroupFiles;
use super::group_values::{INFO, STARTED, THROTTLED_RATIO};
use super::restarts::Restarts;
use super::throttled_periods::ThrottledPeriods;
use super::throttled_time::ThrottledTime;
use crate::metric::MetricType;
use crate::reading::{MetricLabels, Reading, Subject, SubjectValues, Timestamp};

/// Seconds for which a subject without a group stays in readings, without values: one that restarts comes back by then, and
/// its window goes on. Less than a window, so that no signal counts as vanished.
const RESTART_SECONDS: f64 = 15.0;
/// The same for a subject that may be in a loop of restarts: longer than the longest pause of Kubernetes between two, which
/// is five minutes.
const LOOP_SECONDS: f64 = 330.0;
/// Number of recent restarts of a loop; one is that of an update, after which the subject may be gone for good.
const LOOP_MIN: usize = 2;
/// Seconds for which the number of restarts of a subject is remembered after it left.
const MEMORY_SECONDS: f64 = 900.0;
/// Largest number of subjects that left and are remembered; of more, those that left longest ago are forgotten.
const MEMORY_MAX: usize = 1_024;

/// A group that is read.
#[derive(Debug)]
pub(super) struct LiveCgroup {
    pub(super) path: PathBuf,
    pub(super) name: GroupName,
    pub(super) subject: Subject,
    pub(super) info: MetricLabels,
    pub(super) files: CgroupFiles,
    pub(super) directory: GroupDirectory,
    pub(super) throttled: ThrottledTime,
    pub(super) throttled_periods: ThrottledPeriods,
    pub(super) restarts: Restarts,
    /// Whether another group had its identity before. Its first counters are left out, because a rate over both would be
    /// wrong.
    pub(super) is_successor: bool,
}

/// The directory of a group, which tells whether it was created anew.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct GroupDirectory {
    /// Its inode, which the kernel gives no other directory.
    inode: Option<u64>,
    /// When it was created, as far as the kernel remembers, as Unix time.
    created: Option<f64>,
}

impl GroupDirectory {
    /// The directory of the group at this path, in the first hierarchy that has it.
    pub(super) fn find(hierarchies: &Hierarchies, path: &Path) -> Self {
        let all = hierarchies.directories();
        let found = all.iter().find_map(|it| std::fs::metadata(it.join(path)).ok());
        let created = found.as_ref().and_then(|it| it.modified().ok());
        let seconds = created.and_then(|it| it.duration_since(std::time::UNIX_EPOCH).ok());
        Self { inode: found.as_ref().and_then(inode), created: seconds.map(|it| it.as_secs_f64()) }
    }

    /// Whether this is another directory than the one that was there before.
    pub(super) fn replaces(&self, before: &Self) -> bool {
        self.inode.zip(before.inode).is_some_and(|(now, before)| now != before)
    }
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(metadata))
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> Option<u64> {
    None
}

impl LiveCgroup {
    /// Adds its values to a reading.
    pub(super) fn set(&mut self, into: &mut Reading) {
        let at = into.at;
        let subject = into.subjects.entry(self.subject.clone()).or_default();
        subject.reserve(METRICS.len());
        subject.set_by(&INFO, &self.info, 1.0);
        self.restarts.set(at, subject);
        if let Some(started) = self.files.started().or(self.directory.created) {
            subject.set(&STARTED, started);
        }
        let first = subject.count();
        self.files.values().set(subject);
        if let Some(ratio) = self.files.values().cpu_limit().and(self.throttled_periods.ratio()) {
            subject.set(&THROTTLED_RATIO, ratio);
        }
        if std::mem::take(&mut self.is_successor) {
            subject.keep(first, |_, it| it.metric.ty != MetricType::Counter);
        }
    }
}

/// A subject without a group.
#[derive(Debug)]
struct PastGroup {
    restarts: Restarts,
    left: Timestamp,
    info: MetricLabels,
}

impl PastGroup {
    /// Whether it may be restarting at this time.
    fn may_come_back(&self, at: Timestamp) -> bool {
        let is_in_loop = self.restarts.recent(self.left) >= LOOP_MIN;
        at.0 - self.left.0 < if is_in_loop { LOOP_SECONDS } else { RESTART_SECONDS }
    }
}

/// The subjects whose groups are gone.
#[derive(Debug, Default)]
pub(super) struct GoneCgroups(BTreeMap<Subject, PastGroup>);

impl GoneCgroups {
    /// Remembers a group that is gone.
    pub(super) fn add(&mut self, group: &LiveCgroup, at: Timestamp) {
        let past = PastGroup { restarts: group.restarts.clone(), left: at, info: group.info.clone() };
        self.0.insert(group.subject.clone(), past);
        if MEMORY_MAX < self.0.len() {
            let oldest = self.0.iter().min_by(|one, other| one.1.left.0.total_cmp(&other.1.left.0));
            if let Some(subject) = oldest.map(|it| it.0.clone()) {
                self.0.remove(&subject);
            }
        }
    }

    /// Whether no subject that left is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the restarts of a subject that is back; `None` for one that is not remembered.
    pub(super) fn take(&mut self, subject: &Subject) -> Option<Restarts> {
        self.0.remove(subject).map(|it| it.restarts)
    }

    /// Adds those that may be restarting to a reading, and forgets those that left long ago.
    pub(super) fn set(&mut self, into: &mut Reading) {
        let at = into.at.0;
        self.0.retain(|_, it| (0.0..MEMORY_SECONDS).contains(&(at - it.left.0)));
        for (subject, past) in self.0.iter().filter(|it| it.1.may_come_back(into.at)) {
            let mut values = SubjectValues::default();
            values.set_by(&INFO, &past.info, 1.0);
            past.restarts.set(into.at, &mut values);
            into.subjects.entry(subject.clone()).or_insert(values);
        }
    }
}
