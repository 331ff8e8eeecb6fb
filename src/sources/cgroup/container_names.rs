//! Names of containers and pods, from what the kubelet, docker and podman leave on disk.
//!
//! From the kubelet only names of files are read. Of the descriptions by docker and podman, only name, image and the name
//! of a service; never commands, arguments or environment. The storage of rootless podman lies in the home of its user, which
//! may be on a server that does not answer, so it is read beside the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::discovery::{FoundClass, FoundGroup};
use super::group_class::ContainerId;
use super::podman_storage::{DescribedContainer, PodmanStorage, read_small};
use super::workload::{is_generated, repository, workload};
use crate::clock;
use crate::reading::SubjectKind;
use crate::sources::blocking_reads::{BlockingReader, BlockingReads, Known};

/// Largest number of entries of a directory that are read.
const ENTRIES_MAX: usize = 8_192;
/// Digits of an ID by which a container without a name is known.
const SHORT_ID: usize = 12;

/// Reads the names.
#[derive(Debug)]
pub(super) struct ContainerNames {
    /// Links to the logs of containers, by the kubelet.
    container_logs: PathBuf,
    /// Directories with the logs of pods, by the kubelet.
    pod_logs: PathBuf,
    /// A directory for each container of docker.
    docker: PathBuf,
    /// All containers of podman.
    podman: PodmanStorage,
    /// The root of the host.
    rootfs: PathBuf,
    /// Those of users, by home.
    homes: BlockingReader<BTreeMap<String, DescribedContainer>>,
    /// Containers that wait for the answer of a home.
    asked: BTreeSet<String>,
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

/// A container of Kubernetes, from the name of its log: `POD_NAMESPACE_CONTAINER-ID.log`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LoggedContainer {
    pod: String,
    namespace: String,
    container: String,
}

/// What is on disk at one instant, each part read when it is first needed.
#[derive(Debug, Default)]
pub(super) struct NamesOnDisk {
    logged: Option<BTreeMap<String, LoggedContainer>>,
    /// Namespace and name of each pod, by UID.
    pods: Option<BTreeMap<String, (String, String)>>,
    podman: Option<BTreeMap<String, DescribedContainer>>,
    /// The home of each user, by UID.
    homes: Option<BTreeMap<String, PathBuf>>,
}

impl ContainerNames {
    pub(super) fn new(rootfs: &Path, blocking: &BlockingReads) -> Self {
        Self {
            container_logs: rootfs.join("var/log/containers"),
            pod_logs: rootfs.join("var/log/pods"),
            docker: rootfs.join("var/lib/docker/containers"),
            podman: PodmanStorage::of_root(rootfs),
            rootfs: rootfs.into(),
            homes: blocking.reader(),
            asked: BTreeSet::new(),
        }
    }

    /// Takes what was read of users' homes.
    pub(super) fn update(&mut self) {
        self.homes.update(clock::instant());
    }

    /// The name of a group. `None` for the sandbox of a pod, which only holds its namespaces, and for a pod or container
    /// that the kubelet is about to start: its identity would change a moment later.
    pub(super) fn of(&mut self, group: &FoundGroup, disk: &mut NamesOnDisk) -> Option<GroupName> {
        match &group.class {
            FoundClass::Service { unit } => Some(GroupName::plain(SubjectKind::Service, unit, "")),
            FoundClass::Pod { uid } => self.pod(uid, disk),
            FoundClass::Container { id: ContainerId::Name(name), .. } => {
                Some(GroupName::plain(SubjectKind::Container, name, ""))
            }
            FoundClass::Container { id: ContainerId::Digits(id), pod: Some(uid), .. } => {
                self.container_of_pod(id, uid, disk)
            }
            FoundClass::Container { id: ContainerId::Digits(id), pod: None, .. } => {
                match user_of(&group.path) {
                    Some(user) => self.container_of_user(id, user, disk),
                    None => Some(self.container(id, disk)),
                }
            }
        }
    }

    fn pod(&self, uid: &str, disk: &mut NamesOnDisk) -> Option<GroupName> {
        let pods = disk.pods.get_or_insert_with(|| {
            names_in(&self.pod_logs).into_iter().filter_map(|it| pod_of_directory(&it)).collect()
        });
        let Some((namespace, pod)) = pods.get(uid) else {
            return pods.is_empty().then(|| GroupName::plain(SubjectKind::Pod, uid, uid));
        };
        Some(GroupName {
            namespace: namespace.clone(),
            pod: pod.clone(),
            ..GroupName::plain(SubjectKind::Pod, &format!("{namespace}/{}", workload(pod)), uid)
        })
    }

    fn container_of_pod(&self, id: &str, uid: &str, disk: &mut NamesOnDisk) -> Option<GroupName> {
        let logged = disk.logged.get_or_insert_with(|| {
            names_in(&self.container_logs).into_iter().filter_map(|it| container_of_log(&it)).collect()
        });
        if let Some(it) = logged.get(id) {
            let name = format!("{}/{}/{}", it.namespace, workload(&it.pod), it.container);
            return Some(GroupName {
                namespace: it.namespace.clone(),
                pod: it.pod.clone(),
                container: it.container.clone(),
                ..GroupName::plain(SubjectKind::Container, &name, id)
            });
        }
        // The kubelet links the log of each container but not of a sandbox.
        if !logged.is_empty() {
            return None;
        }
        let pod = self.pod(uid, disk)?;
        let name = format!("{}/{}", pod.name, short(id));
        Some(GroupName { kind: SubjectKind::Container, name, id: id.to_owned(), ..pod })
    }

    fn container(&self, id: &str, disk: &mut NamesOnDisk) -> GroupName {
        let description = self.docker_container(id).or_else(|| self.podman_container(id, disk));
        GroupName::described(id, description)
    }

    /// The container of a user's podman; `None` until the user's home was read.
    fn container_of_user(&mut self, id: &str, user: &str, disk: &mut NamesOnDisk) -> Option<GroupName> {
        let homes = disk.homes.get_or_insert_with(|| {
            read_small(&self.rootfs.join("etc/passwd")).map(|it| homes(&it)).unwrap_or_default()
        });
        let Some(home) = homes.get(user) else { return Some(GroupName::described(id, None)) };
        let home = self.rootfs.join(home);
        if self.asked.len() < ENTRIES_MAX && self.asked.insert(id.to_owned()) {
            let read = |home: &Path| PodmanStorage::of_home(home).read();
            // Without a thread it has no name.
            return self.homes.ask(&home, read).is_err().then(|| GroupName::described(id, None));
        }
        let description = match self.homes.known(&home, clock::instant()) {
            Known::Answered(containers) => containers.get(id).cloned(),
            Known::Pending => return None,
            Known::Silent => None,
        };
        self.asked.remove(id);
        Some(GroupName::described(id, description))
    }

    fn docker_container(&self, id: &str) -> Option<DescribedContainer> {
        docker_description(&read_small(&self.docker.join(id).join("config.v2.json"))?)
    }

    fn podman_container(&self, id: &str, disk: &mut NamesOnDisk) -> Option<DescribedContainer> {
        disk.podman.get_or_insert_with(|| self.podman.read()).get(id).cloned()
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
            _ => &it.name,
        };
        Self { container: it.name.clone(), ..Self::plain(SubjectKind::Container, name, id) }
    }
}

/// The user whose services a group belongs to, by UID.
fn user_of(group: &Path) -> Option<&str> {
    let names = group.iter().filter_map(|it| it.to_str());
    names.filter_map(|it| it.strip_prefix("user-")?.strip_suffix(".slice")).next()
}

/// The home of each user in `passwd`, by UID, relative to the root.
fn homes(passwd: &str) -> BTreeMap<String, PathBuf> {
    let home = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let (user, home) = (fields.next()?, fields.nth(2)?);
        let is_home = user.bytes().all(|it| it.is_ascii_digit()) && home.len() > 1;
        Some((user.to_owned(), home.strip_prefix('/').filter(|_| is_home)?.into()))
    };
    passwd.lines().take(ENTRIES_MAX).filter_map(home).collect()
}

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// ID and container of a log.
fn container_of_log(file: &str) -> Option<(String, LoggedContainer)> {
    let (name, id) = file.strip_suffix(".log")?.rsplit_once('-')?;
    let mut parts = name.split('_').map(str::to_owned);
    let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
    let complete =
        parts.next().is_none() && !pod.is_empty() && !namespace.is_empty() && !container.is_empty();
    complete.then(|| (id.to_owned(), LoggedContainer { pod, namespace, container }))
}

/// UID, namespace and name of a pod, from the directory of its logs: `NAMESPACE_POD_UID`.
fn pod_of_directory(name: &str) -> Option<(String, (String, String))> {
    let mut parts = name.split('_').map(str::to_owned);
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let complete = parts.next().is_none() && !namespace.is_empty() && !pod.is_empty() && !uid.is_empty();
    complete.then_some((uid, (namespace, pod)))
}

/// Docker's description of one container.
fn docker_description(text: &str) -> Option<DescribedContainer> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Description {
        #[serde(default)]
        name: String,
        #[serde(default)]
        config: Option<Config>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        #[serde(default)]
        image: String,
        #[serde(default)]
        labels: Option<Labels>,
    }
    #[derive(Deserialize, Default)]
    struct Labels {
        #[serde(default, rename = "com.docker.swarm.service.name")]
        service: String,
    }
    let it: Description = serde_json::from_str(text).ok()?;
    let config = it.config.unwrap_or_default();
    Some(DescribedContainer {
        name: it.name.trim_start_matches('/').to_owned(),
        image: config.image,
        service: config.labels.unwrap_or_default().service,
    })
}

/// Names of the entries of a directory; none if it cannot be read.
#[expect(clippy::disallowed_methods, reason = "lists the directories of the kubelet")]
fn names_in(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().take(ENTRIES_MAX);
    entries.flatten().filter_map(|it| it.file_name().into_string().ok()).collect()
}

/// Parses what names containers, for the fuzzer.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzzing(text: &str) {
    let _ = (container_of_log(text), pod_of_directory(text), docker_description(text));
    let _ = (homes(text), user_of(Path::new(text)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_the_kubelet() {
        let id = "0".repeat(64);
        let found = container_of_log(&format!("checkout-5dd5756b68-x7k2p_shop_app-{id}.log"));
        let expect = LoggedContainer {
            pod: "checkout-5dd5756b68-x7k2p".into(),
            namespace: "shop".into(),
            container: "app".into(),
        };
        assert_eq!(found, Some((id, expect)));
        assert_eq!(
            pod_of_directory("shop_db-0_1b2c3d4e"),
            Some(("1b2c3d4e".into(), ("shop".into(), "db-0".into())))
        );
        for name in ["", ".log", "a_b-1.log", "a_b_c_d-1.log", "_b_c-1.log", "a_b_c.log"] {
            assert_eq!(container_of_log(name), None, "{name}");
        }
        for name in ["", "a_b", "a_b_c_d", "__"] {
            assert_eq!(pod_of_directory(name), None, "{name}");
        }
    }

    #[test]
    fn descriptions_of_docker() {
        let docker = r#"{"Name":"/web","Args":["--password","secret"],"Config":{"Image":"nginx:1.27","Env":["A=b"],
            "Labels":{"com.docker.swarm.service.name":"shop_web"}}}"#;
        let expect =
            DescribedContainer { name: "web".into(), image: "nginx:1.27".into(), service: "shop_web".into() };
        assert_eq!(docker_description(docker), Some(expect));
        assert_eq!(docker_description(r#"{"Config":{"Labels":null}}"#), Some(DescribedContainer::default()));
        assert_eq!(docker_description("{"), None);
    }

    #[test]
    fn homes_of_users() {
        let path = Path::new("user.slice/user-1000.slice/user@1000.service/user.slice/libpod-00.scope");
        assert_eq!(user_of(path), Some("1000"));
        assert_eq!(user_of(Path::new("machine.slice/libpod-00.scope")), None);
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbad:x:1\nbob:x:7:7::rel:/\nnone:x:8:8::/:/\n";
        let expect = [("0", "root"), ("1000", "home/ann")].map(|(user, home)| (user.to_owned(), home.into()));
        assert_eq!(homes(passwd), BTreeMap::from(expect));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[{]?.*(-[0-9a-f]*.log)?") {
            let _ = (container_of_log(&text), pod_of_directory(&text), short(&text));
            let _ = (docker_description(&text), homes(&text), user_of(Path::new(&text)));
        }
    }
}
