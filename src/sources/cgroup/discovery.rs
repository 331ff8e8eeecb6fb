//! Finds the groups of containers, pods and services in the hierarchies.
//!
//! Containers and services are not searched, so a host in a container costs one directory. The work is bounded: a host with
//! more directories has its excess counted.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::cgroup_hierarchy::Hierarchies;
use super::group_class::{CgroupClass, ContainerId, ContainerRuntime, GroupContext, classify};
use crate::reading::with_name_hash;

/// Largest number of directories that one search lists.
const DIRECTORIES_MAX: usize = 4_096;
/// Largest number of entries that one search looks at; each file of the kernel is one, some 60 in each directory.
const ENTRIES_MAX: usize = 400_000;
/// Largest depth below the mount point; rootless containers lie five deep.
const DEPTH_MAX: usize = 10;

/// A group that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundCgroup {
    /// Path below the mount point of its hierarchies.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) class: FoundClass,
}

/// The class of a group that is a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundClass {
    /// A container, with the UID of its pod in Kubernetes.
    Container { runtime: ContainerRuntime, id: ContainerId, pod: Option<String> },
    /// A pod, by its UID.
    Pod { uid: String },
    /// A service, by its unit.
    Service { unit: String },
}

impl FoundClass {
    /// Whether a network namespace of its processes is its own; containers of a pod share that of the pod.
    pub(super) fn has_own_network_namespace(&self) -> bool {
        !matches!(self, Self::Container { pod: Some(_), .. })
    }

    /// The value of the label `runtime`; empty if unknown or without a runtime.
    pub(super) fn runtime(&self) -> &'static str {
        match self {
            Self::Container { runtime, .. } => runtime.name(),
            Self::Pod { .. } | Self::Service { .. } => "",
        }
    }
}

/// All groups, and the number of directories beyond the maximum.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CgroupDiscovery {
    /// In the order of their paths.
    pub(super) groups: Vec<FoundCgroup>,
    /// Directories that were not searched.
    pub(super) skipped: usize,
}

/// A directory to list.
struct Pending {
    path: PathBuf,
    /// Names of the directories above, from the mount point on.
    below: Vec<String>,
    pod: Option<String>,
}

/// Searches all hierarchies; a group that is in several of them is found once.
pub(super) fn find_groups(hierarchies: &Hierarchies) -> CgroupDiscovery {
    let mut found = BTreeMap::new();
    let mut budget = SearchBudget { directories: DIRECTORIES_MAX, entries: ENTRIES_MAX };
    let mut skipped = 0;
    for root in hierarchies.directories() {
        let mut pending = vec![Pending { path: PathBuf::new(), below: Vec::new(), pod: None }];
        while let Some(directory) = pending.pop() {
            if DEPTH_MAX < directory.below.len() || !budget.spend_directory() {
                skipped += 1;
                continue;
            }
            for name in &directories_in(&root.join(&directory.path), &mut budget) {
                visit(&directory, name, &mut found, &mut pending);
            }
        }
    }
    CgroupDiscovery { groups: found.into_values().collect(), skipped }
}

/// What a search may still list.
struct SearchBudget {
    directories: usize,
    entries: usize,
}

impl SearchBudget {
    fn spend_directory(&mut self) -> bool {
        let allowed = self.directories > 0 && self.entries > 0;
        self.directories = self.directories.saturating_sub(1);
        allowed
    }
}

/// Takes over a directory as a group, or to search it.
fn visit(
    parent: &Pending,
    name: &OsStr,
    found: &mut BTreeMap<PathBuf, FoundCgroup>,
    pending: &mut Vec<Pending>,
) {
    let context = parent.below.iter().fold(GroupContext::default(), |it, name| it.within(name));
    let (path, name) = (parent.path.join(name), DirectoryName::new(name));
    let class = classify(&name.text, context);
    let pod = match &class {
        CgroupClass::Pod { uid } => Some(uid.clone()),
        _ => parent.pod.clone(),
    };
    let searched = matches!(class, CgroupClass::Pod { .. } | CgroupClass::Inner);
    let group = match class {
        CgroupClass::Pod { uid } => Some(FoundClass::Pod { uid }),
        CgroupClass::Container(runtime, id) => {
            let id = match id {
                ContainerId::Name(it) => ContainerId::Name(name.distinct(&it)),
                ContainerId::NameAndId { name: it, id } => {
                    ContainerId::NameAndId { name: name.distinct(&it), id: name.distinct(&id) }
                }
                digits @ ContainerId::Digits(_) => digits,
            };
            Some(FoundClass::Container { runtime, id, pod: parent.pod.clone() })
        }
        CgroupClass::Service => Some(FoundClass::Service { unit: name.distinct(&name.text) }),
        CgroupClass::Inner | CgroupClass::Ignored => None,
    };
    if let Some(class) = group {
        found.entry(path.clone()).or_insert_with(|| FoundCgroup { path: path.clone(), class });
    }
    if searched {
        let below = parent.below.iter().cloned().chain([name.text]).collect();
        pending.push(Pending { path, below, pod });
    }
}

/// The name of a directory as text.
struct DirectoryName {
    /// With a replacement character for what is no text.
    text: String,
    /// The name itself, if it is no text.
    odd: Option<OsString>,
}

impl DirectoryName {
    fn new(name: &OsStr) -> Self {
        let odd = name.to_str().is_none().then(|| name.to_owned());
        Self { text: name.to_string_lossy().into_owned(), odd }
    }

    /// The name of a subject; names that are no text and look alike stay distinct.
    fn distinct(&self, name: &str) -> String {
        let odd = self.odd.as_ref();
        odd.map_or_else(|| name.to_owned(), |it| with_name_hash(name, it.as_encoded_bytes()))
    }
}

/// Names of the directories in a directory; none if it vanished.
#[expect(clippy::disallowed_methods, reason = "lists the directories of the kernel")]
fn directories_in(path: &Path, budget: &mut SearchBudget) -> Vec<OsString> {
    let mut names = Vec::new();
    let Ok(entries) = std::fs::read_dir(path) else { return names };
    for entry in entries.flatten() {
        if budget.entries == 0 {
            break;
        }
        budget.entries -= 1;
        // Links are not followed, so a search ends.
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            names.push(entry.file_name());
        }
    }
    names
}
