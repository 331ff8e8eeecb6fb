//! Names of containers and pods, from what the kubelet, docker and podman leave on disk.
//!
//! From the kubelet only names of files are read. Of the descriptions by docker and podman, only name, image and the name
//! of a service; never commands, arguments or environment. All of it is read beside the loop. A container whose name is not
//! known yet is no subject yet: by its ID it would be another one, which has learned nothing, for as long as it lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::discovery::{FoundCgroup, FoundClass};
use super::group_class::ContainerId;
use super::group_owner::SHORT_ID;
use super::names_on_disk::NamesOnDisk;
use super::podman_storage::DescribedContainer;
use super::workload::{is_generated, repository, without_uuid, workload};
use crate::clock;
use crate::reading::SubjectKind;
use crate::sources::blocking_reads::{BlockingReads, FIRST_WAIT};

/// Longest wait of a search for names; those that arrive later are for the next search.
const NAMES_WAIT: Duration = Duration::from_millis(50);

/// Files that lead to a name, one after the other: the users, and the storage in the home of one.
const STEPS: usize = 2;

/// Finds the names.
#[derive(Debug)]
pub(super) struct ContainerNames {
    disk: NamesOnDisk,
    /// Groups without a name, and since when they are there.
    unnamed: BTreeMap<PathBuf, Instant>,
    /// Groups of the last search whose names are still to be read.
    awaited: usize,
    /// Whether a search was made.
    has_searched: bool,
}

/// The name of a group, and labels for those who look for it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupName {
    pub(super) kind: SubjectKind,
    /// The part of the identity that survives restarts, if anything does.
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    /// The ID, or the UID of a pod.
    pub(super) id: String,
}

impl ContainerNames {
    pub(super) fn new(rootfs: &Path, blocking: &BlockingReads) -> Self {
        let disk = NamesOnDisk::new(rootfs, blocking);
        Self { disk, unnamed: BTreeMap::new(), awaited: 0, has_searched: false }
    }

    /// The names of groups, in their order. `None` for the sandbox of a pod, which only holds its namespaces, for a pod or
    /// container that the kubelet is about to start, whose identity would change a moment later, and for one whose name is
    /// still to be read.
    pub(super) fn of(&mut self, groups: &[&FoundCgroup]) -> Vec<Option<GroupName>> {
        let now = clock::instant();
        let before = std::mem::take(&mut self.unnamed);
        let since: Vec<Instant> =
            groups.iter().map(|it| before.get(&it.path).copied().unwrap_or(now)).collect();
        let most = if self.has_searched { NAMES_WAIT } else { FIRST_WAIT };
        self.has_searched = true;
        self.disk.begin();
        let mut answers: Vec<NameAnswer> = Vec::new();
        for step in 0..=STEPS {
            answers = groups.iter().zip(&since).map(|(group, since)| self.look_up(group, *since)).collect();
            if step == STEPS || !self.disk.take(most) {
                break;
            }
        }
        self.awaited = answers.iter().filter(|it| **it == NameAnswer::Awaited).count();
        let is_unnamed = |answer: &NameAnswer| !matches!(answer, NameAnswer::Named(_));
        self.unnamed = (groups.iter().zip(since).zip(&answers))
            .filter(|it| is_unnamed(it.1))
            .map(|((group, since), _)| (group.path.clone(), since))
            .collect();
        answers.into_iter().map(NameAnswer::name).collect()
    }

    /// Whether a name is still to be read.
    pub(super) fn is_awaited(&self) -> bool {
        0 < self.awaited
    }

    /// The groups that wait for files that do not answer, and these files.
    pub(super) fn silence(&self) -> Option<(usize, Vec<PathBuf>)> {
        let silent = self.disk.silent();
        (self.is_awaited() && !silent.is_empty()).then_some((self.awaited, silent))
    }

    fn look_up(&mut self, group: &FoundCgroup, since: Instant) -> NameAnswer {
        match &group.class {
            FoundClass::Service { unit } => {
                NameAnswer::Named(GroupName::plain(SubjectKind::Service, unit, ""))
            }
            FoundClass::Pod { uid } => self.pod(uid, since),
            FoundClass::Container { id: ContainerId::Name(name), .. } => {
                NameAnswer::Named(GroupName::plain(SubjectKind::Container, name, ""))
            }
            FoundClass::Container { id: ContainerId::NameAndId { name, id }, .. } => {
                NameAnswer::Named(GroupName::plain(SubjectKind::Container, name, id))
            }
            FoundClass::Container { id: ContainerId::Digits(id), pod: Some(uid), .. } => {
                self.container_of_pod(id, uid, since)
            }
            FoundClass::Container { id: ContainerId::Digits(id), pod: None, .. } => {
                let description = match user_of(&group.path) {
                    Some(user) => self.container_of_user(id, user, since),
                    None => self.container(id, since),
                };
                description.map_or(NameAnswer::Awaited, |it| NameAnswer::Named(GroupName::described(id, it)))
            }
        }
    }

    fn pod(&mut self, uid: &str, since: Instant) -> NameAnswer {
        let Some(pods) = self.disk.pods(since) else { return NameAnswer::Awaited };
        match pods.get(uid) {
            Some((namespace, pod)) => NameAnswer::Named(GroupName {
                namespace: namespace.clone(),
                pod: pod.clone(),
                ..GroupName::plain(SubjectKind::Pod, &format!("{namespace}/{}", workload(pod)), uid)
            }),
            None if pods.is_empty() => NameAnswer::Named(GroupName::plain(SubjectKind::Pod, uid, uid)),
            None => NameAnswer::Nameless,
        }
    }

    fn container_of_pod(&mut self, id: &str, uid: &str, since: Instant) -> NameAnswer {
        let Some(logged) = self.disk.logged(since) else { return NameAnswer::Awaited };
        if let Some(it) = logged.get(id) {
            let name = format!("{}/{}/{}", it.namespace, workload(&it.pod), it.container);
            return NameAnswer::Named(GroupName {
                namespace: it.namespace.clone(),
                pod: it.pod.clone(),
                container: it.container.clone(),
                ..GroupName::plain(SubjectKind::Container, &name, id)
            });
        }
        // The kubelet links the log of each container but not of a sandbox.
        if !logged.is_empty() {
            return NameAnswer::Nameless;
        }
        match self.pod(uid, since) {
            NameAnswer::Named(pod) => {
                let name = format!("{}/{}", pod.name, short(id));
                let kind = SubjectKind::Container;
                NameAnswer::Named(GroupName { kind, name, id: id.to_owned(), ..pod })
            }
            other => other,
        }
    }

    /// What docker or podman says about a container; the outer `None` until both were read.
    fn container(&mut self, id: &str, since: Instant) -> Option<Option<DescribedContainer>> {
        let podman = self.disk.podman_of_root(since).map(|it| it.get(id).cloned());
        match self.disk.docker(id, None, since)? {
            Some(docker) => Some(Some(docker.clone())),
            None => podman,
        }
    }

    /// The same of docker and podman of a user.
    fn container_of_user(
        &mut self,
        id: &str,
        user: &str,
        since: Instant,
    ) -> Option<Option<DescribedContainer>> {
        let Some(home) = self.disk.homes(since)?.get(user).cloned() else { return Some(None) };
        let podman = self.disk.podman_of_home(&home, since).map(|it| it.get(id).cloned());
        match self.disk.docker(id, Some(&home), since)? {
            Some(docker) => Some(Some(docker.clone())),
            None => podman,
        }
    }
}

/// What the files say about the name of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NameAnswer {
    Named(GroupName),
    /// It is no subject, or not yet.
    Nameless,
    /// They are still to be read.
    Awaited,
}

impl NameAnswer {
    fn name(self) -> Option<GroupName> {
        match self {
            Self::Named(name) => Some(name),
            Self::Nameless | Self::Awaited => None,
        }
    }
}

impl GroupName {
    fn plain(kind: SubjectKind, name: &str, id: &str) -> Self {
        let (namespace, pod, container) = (String::new(), String::new(), String::new());
        Self { kind, name: name.to_owned(), namespace, pod, container, id: id.to_owned() }
    }

    /// A container outside of Kubernetes: its name, or the image if the name was made up, or its ID.
    fn described(id: &str, description: Option<DescribedContainer>) -> Self {
        let Some(it) = description else { return Self::plain(SubjectKind::Container, short(id), id) };
        let name = match repository(&it.image) {
            _ if !it.service.is_empty() => &it.service,
            Some(image) if it.name.is_empty() || is_generated(&it.name) => image,
            _ if it.name.is_empty() => short(id),
            _ => without_uuid(&it.name),
        };
        Self { container: it.name.clone(), ..Self::plain(SubjectKind::Container, name, id) }
    }
}

/// The user whose services a group belongs to, by UID.
fn user_of(group: &Path) -> Option<&str> {
    let names = group.iter().filter_map(|it| it.to_str());
    names.filter_map(|it| it.strip_prefix("user-")?.strip_suffix(".slice")).next()
}

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// Parses what names containers, for the fuzzer.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzzing(text: &str) {
    let _ = (short(text), user_of(Path::new(text)));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use proptest::prelude::*;

    use super::super::group_class::ContainerRuntime;
    use super::*;

    #[test]
    fn users_of_groups() {
        let path = Path::new("user.slice/user-1000.slice/user@1000.service/user.slice/libpod-00.scope");
        assert_eq!(user_of(path), Some("1000"));
        assert_eq!(user_of(Path::new("machine.slice/libpod-00.scope")), None);
    }

    #[expect(clippy::disallowed_methods, reason = "tests make files")]
    #[test]
    fn a_container_appears_with_its_name_when_a_disk_that_hangs_answers() {
        // Room for one read, which does not answer.
        let (blocking, rootfs) = (BlockingReads::with_stuck_max(1), tempfile::tempdir().unwrap());
        let (release, released) = channel::<()>();
        let other = blocking.reader::<()>();
        other.request(Path::new("/hangs"), move |_| released.recv().unwrap_or_default()).unwrap();
        let id = "ab".repeat(32);
        let config = rootfs.path().join("var/lib/docker/containers").join(&id).join("config.v2.json");
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        std::fs::write(&config, r#"{"Name":"/web","Config":{"Image":"nginx"}}"#).unwrap();
        let container = FoundCgroup {
            path: format!("system.slice/docker-{id}.scope").into(),
            class: FoundClass::Container {
                runtime: ContainerRuntime::Docker,
                id: ContainerId::Digits(id),
                pod: None,
            },
        };
        let unit = "cron.service".to_owned();
        let service = FoundCgroup { path: "cron.service".into(), class: FoundClass::Service { unit } };
        let mut names = ContainerNames::new(rootfs.path(), &blocking);
        let mut found = || {
            let found = names.of(&[&container, &service]);
            found.into_iter().map(|it| it.map(|it| it.name)).collect::<Vec<_>>()
        };
        assert_eq!(found(), [None, Some("cron.service".into())]);
        assert_eq!(found(), [None, Some("cron.service".into())]);
        drop(release);
        let named = std::iter::from_fn(|| Some(found())).find(|it| it[0].is_some());
        assert_eq!(named.unwrap()[0].as_deref(), Some("web"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[{]?.*(-[0-9a-f]*.log)?") {
            fuzzing(&text);
        }
    }
}
