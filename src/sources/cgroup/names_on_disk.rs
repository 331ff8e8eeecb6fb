//! What the kubelet, docker and podman leave on disk about containers, and who the users are: read beside the loop, because
//! these disks may hang.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::podman_storage::{DescribedContainer, PodmanStorage, read_small};
use crate::clock;
use crate::sources::blocking_reads::{BlockingReader, BlockingReads, PathState};

/// Largest number of entries of a directory, and of lines of a file, that are used.
const ENTRIES_MAX: usize = 8_192;

/// The readers of these files.
#[derive(Debug)]
pub(super) struct NamesOnDisk {
    /// Links to the logs of containers, by the kubelet.
    logged: FreshReads<BTreeMap<String, LoggedContainer>>,
    /// Directories with the logs of pods, by the kubelet: namespace and name of each pod, by UID.
    pods: FreshReads<BTreeMap<String, (String, String)>>,
    /// The descriptions by docker, each in a directory of its own.
    docker: FreshReads<Option<DescribedContainer>>,
    /// The containers of podman, of root and of each user.
    podman: FreshReads<BTreeMap<String, DescribedContainer>>,
    /// The home of each user, by UID.
    homes: FreshReads<BTreeMap<String, PathBuf>>,
    /// The root of the host.
    rootfs: PathBuf,
}

impl NamesOnDisk {
    pub(super) fn new(rootfs: &Path, blocking: &BlockingReads) -> Self {
        Self {
            logged: FreshReads::new(blocking),
            pods: FreshReads::new(blocking),
            docker: FreshReads::new(blocking),
            podman: FreshReads::new(blocking),
            homes: FreshReads::new(blocking),
            rootfs: rootfs.into(),
        }
    }

    /// Starts a search: each file is read once for it.
    pub(super) fn begin(&mut self) {
        let Self { logged, pods, docker, podman, homes, .. } = self;
        logged.begin();
        pods.begin();
        docker.begin();
        podman.begin();
        homes.begin();
    }

    /// Takes what arrived; waits for it up to `most`. Returns whether anything was asked since the last call.
    pub(super) fn take(&mut self, most: Duration) -> bool {
        let until = clock::instant() + most;
        let Self { logged, pods, docker, podman, homes, .. } = self;
        let asked =
            [logged.take(until), pods.take(until), docker.take(until), podman.take(until), homes.take(until)];
        asked.contains(&true)
    }

    /// Files of this search that do not answer.
    pub(super) fn silent(&self) -> Vec<PathBuf> {
        let Self { logged, pods, docker, podman, homes, .. } = self;
        [logged.silent(), pods.silent(), docker.silent(), podman.silent(), homes.silent()].concat()
    }

    /// The containers of the kubelet, by ID, as of `since` or later; `None` until they were read.
    pub(super) fn logged(&mut self, since: Instant) -> Option<&BTreeMap<String, LoggedContainer>> {
        let path = self.rootfs.join("var/log/containers");
        self.logged
            .get(&path, since, |path| names_in(path).iter().filter_map(|it| container_of_log(it)).collect())
    }

    /// Namespace and name of each pod of the kubelet, by UID; see [`Self::logged`].
    pub(super) fn pods(&mut self, since: Instant) -> Option<&BTreeMap<String, (String, String)>> {
        let path = self.rootfs.join("var/log/pods");
        self.pods
            .get(&path, since, |path| names_in(path).iter().filter_map(|it| pod_of_directory(it)).collect())
    }

    /// What docker says about a container, that of root or the one of the user with this home; see [`Self::logged`].
    pub(super) fn docker(
        &mut self,
        id: &str,
        home: Option<&Path>,
        since: Instant,
    ) -> Option<Option<&DescribedContainer>> {
        let data = home.map_or_else(|| "var/lib/docker".into(), |it| it.join(".local/share/docker"));
        let path = self.rootfs.join(data).join("containers").join(id).join("config.v2.json");
        Some(self.docker.get(&path, since, |path| docker_description(&read_small(path)?))?.as_ref())
    }

    /// The containers of root's podman, by ID; see [`Self::logged`].
    pub(super) fn podman_of_root(&mut self, since: Instant) -> Option<&BTreeMap<String, DescribedContainer>> {
        let storage = PodmanStorage::of_root(&self.rootfs);
        self.podman.get(storage.directory(), since, |it| PodmanStorage::at(it).read())
    }

    /// The containers of the podman of the user with this home; see [`Self::logged`].
    pub(super) fn podman_of_home(
        &mut self,
        home: &Path,
        since: Instant,
    ) -> Option<&BTreeMap<String, DescribedContainer>> {
        let storage = PodmanStorage::of_home(&self.rootfs.join(home));
        self.podman.get(storage.directory(), since, |it| PodmanStorage::at(it).read())
    }

    /// The home of each user, by UID, relative to the root; see [`Self::logged`].
    pub(super) fn homes(&mut self, since: Instant) -> Option<&BTreeMap<String, PathBuf>> {
        let path = self.rootfs.join("etc/passwd");
        self.homes.get(&path, since, |path| read_small(path).map(|it| homes(&it)).unwrap_or_default())
    }
}

/// Reads files beside the loop, each once for a search.
#[derive(Debug)]
struct FreshReads<T> {
    /// Each answer with the time at which its read began.
    reader: BlockingReader<(Instant, T)>,
    /// Files of this search.
    asked: BTreeSet<PathBuf>,
    /// Whether one was asked since the answers were taken.
    is_asked: bool,
}

impl<T: Send + 'static> FreshReads<T> {
    fn new(blocking: &BlockingReads) -> Self {
        Self { reader: blocking.reader(), asked: BTreeSet::new(), is_asked: false }
    }

    fn begin(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        self.reader.keep(|path| asked.contains(path));
    }

    /// The newest answer of a file that was read at `since` or later; asks for it if this search did not yet.
    fn get(
        &mut self,
        path: &Path,
        since: Instant,
        read: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Option<&T> {
        if self.asked.insert(path.to_owned()) {
            self.is_asked = true;
            // Without a thread there is no answer; the next search tries again.
            let _ = self.reader.request(path, move |path| (clock::instant(), read(path)));
        }
        match self.reader.known(path, clock::instant()) {
            PathState::Answered((at, value)) if since <= *at => Some(value),
            _ => None,
        }
    }

    fn take(&mut self, until: Instant) -> bool {
        let was_asked = std::mem::take(&mut self.is_asked);
        if was_asked {
            self.reader.wait(until.saturating_duration_since(clock::instant()));
        }
        self.reader.update(clock::instant());
        was_asked
    }

    fn silent(&self) -> Vec<PathBuf> {
        let now = clock::instant();
        let is_silent = |path: &&PathBuf| matches!(self.reader.known(path, now), PathState::Silent);
        self.asked.iter().filter(is_silent).cloned().collect()
    }
}

/// A container of Kubernetes, from the name of its log: `POD_NAMESPACE_CONTAINER-ID.log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LoggedContainer {
    pub(super) pod: String,
    pub(super) namespace: String,
    pub(super) container: String,
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
        swarm_service: String,
        #[serde(default, rename = "com.amazonaws.ecs.task-definition-family")]
        ecs_family: String,
        #[serde(default, rename = "com.amazonaws.ecs.container-name")]
        ecs_container: String,
    }
    let it: Description = serde_json::from_str(text).ok()?;
    let config = it.config.unwrap_or_default();
    let Labels { swarm_service, ecs_family, ecs_container } = config.labels.unwrap_or_default();
    let is_of_ecs = !ecs_family.is_empty() && !ecs_container.is_empty();
    Some(DescribedContainer {
        name: it.name.trim_start_matches('/').to_owned(),
        image: config.image,
        service: if is_of_ecs { format!("{ecs_family}/{ecs_container}") } else { swarm_service },
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
    let _ = (container_of_log(text), pod_of_directory(text), docker_description(text), homes(text));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

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
        let ecs = r#"{"Name":"/ecs-shop-12-web-c4e2a1f4b0d3c2a1a301","Config":{"Labels":{
            "com.amazonaws.ecs.task-definition-family":"shop","com.amazonaws.ecs.container-name":"web"}}}"#;
        assert_eq!(docker_description(ecs).unwrap().service, "shop/web");
        assert_eq!(docker_description(r#"{"Config":{"Labels":null}}"#), Some(DescribedContainer::default()));
        assert_eq!(docker_description("{"), None);
    }

    #[test]
    fn homes_of_users() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbad:x:1\nbob:x:7:7::rel:/\nnone:x:8:8::/:/\n";
        let passwd = passwd.replacen("0:0::", "0:0:root:", 1);
        let expect = [("0", "root"), ("1000", "home/ann")].map(|(user, home)| (user.to_owned(), home.into()));
        assert_eq!(homes(&passwd), BTreeMap::from(expect));
    }

    #[test]
    fn an_answer_from_before_a_container_says_nothing_about_it() {
        let path = Path::new("/names");
        let mut reads = FreshReads::new(&BlockingReads::default());
        let mut get = |since, value| {
            reads.begin();
            reads.get(path, since, move |_| value);
            reads.take(clock::instant() + Duration::from_secs(60));
            reads.get(path, since, |_| 0).copied()
        };
        let start = clock::instant();
        assert_eq!(get(start, 1), Some(1));
        assert_eq!(get(clock::instant() + Duration::from_secs(60), 2), None);
        assert_eq!(get(start, 3), Some(3));
    }

    #[test]
    fn a_file_that_hangs_keeps_nobody_waiting_and_is_named() {
        let mut reads = FreshReads::new(&BlockingReads::default());
        let (release, released) = channel::<()>();
        let start = clock::instant();
        let get = |reads: &mut FreshReads<u8>| reads.get(Path::new("/hangs"), start, |_| 0).copied();
        reads.get(Path::new("/hangs"), start, move |_| released.recv().map_or(7, |()| 0));
        reads.take(clock::instant());
        assert_eq!((get(&mut reads), reads.silent()), (None, Vec::new()));
        let late = clock::instant() + Duration::from_secs(60);
        while get(&mut reads).is_none() && reads.silent().is_empty() {
            reads.reader.update(late);
            std::thread::yield_now();
        }
        assert_eq!(reads.silent(), [PathBuf::from("/hangs")]);
        drop(release);
        while get(&mut reads).is_none() {
            reads.take(clock::instant());
            std::thread::yield_now();
        }
        assert_eq!((get(&mut reads), reads.silent()), (Some(7), Vec::new()));
    }
}
