//! The container or service of a process, from its line in `/proc/[pid]/cgroup` (cgroups(7)).
//!
//! The path says the name of a service, its unit, and of an LXC container. Of others it says the ID; their names come from
//! the source of control groups, so that a culprit has the name of its subject. One without a name has the first twelve digits
//! of its ID, as `docker ps` shows them.

use std::collections::BTreeMap;

use crate::culprit::{ContainerOrService, ContainerOrServiceKind};

/// Length of a full container ID, in hexadecimal digits.
const ID_DIGITS: usize = 64;
/// Length of the short ID.
const SHORT_DIGITS: usize = 12;
/// Longest name, in characters.
const NAME_MAX: usize = 128;

/// The names of the containers of which the paths say only the ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerNames(BTreeMap<String, String>);

impl OwnerNames {
    /// From pairs of the ID of a container and the name of its subject.
    pub fn new(names: impl Iterator<Item = (String, String)>) -> Self {
        Self(names.filter_map(|(id, name)| Some((id.get(..SHORT_DIGITS)?.to_owned(), name))).collect())
    }

    /// The owner with the name of its subject, where that is known.
    pub(super) fn owner(&self, owner: &ContainerOrService) -> ContainerOrService {
        let is_container = owner.kind == ContainerOrServiceKind::Container;
        let name = self.0.get(&owner.name).filter(|_| is_container).unwrap_or(&owner.name);
        ContainerOrService { kind: owner.kind, name: name.clone() }
    }
}

/// The owner of a process with these control groups; `None` for a process of no container and no service.
pub(super) fn parse(bytes: &[u8]) -> Option<ContainerOrService> {
    let text = String::from_utf8_lossy(bytes);
    // `0::/path` is the unified hierarchy, `4:memory:/path` one of version 1. A container is in all of them.
    let paths = || text.lines().filter_map(|it| it.splitn(3, ':').nth(2));
    let found = paths().find_map(container).map(|name| (ContainerOrServiceKind::Container, name));
    let found =
        found.or_else(|| paths().find_map(service).map(|name| (ContainerOrServiceKind::Service, name)));
    let (kind, name) = found?;
    let clean = name.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).take(NAME_MAX);
    Some(ContainerOrService { kind, name: clean.collect() })
}

/// The innermost container of a path.
fn container(path: &str) -> Option<&str> {
    let mut parents = path.rsplit('/').peekable();
    while let Some(part) = parents.next() {
        // `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>.scope`, `libpod-<id>.scope`, or `<id>`.
        let name = part.strip_suffix(".scope").unwrap_or(part);
        let last = name.rsplit('-').next().unwrap_or(name);
        if last.len() == ID_DIGITS && last.bytes().all(|it| it.is_ascii_hexdigit()) {
            return last.get(..SHORT_DIGITS);
        }
        let lxc = part.strip_prefix("lxc.payload.");
        let lxc = lxc.or_else(|| (parents.peek() == Some(&"lxc")).then_some(part));
        if let Some(name) = lxc.filter(|it| !it.is_empty()) {
            return Some(name);
        }
    }
    None
}

/// The innermost service of a path.
fn service(path: &str) -> Option<&str> {
    let unit = path.rsplit('/').find(|it| it.ends_with(".service"))?;
    // The service of a user's session holds whatever the user starts.
    (unit != ".service" && !unit.starts_with("user@")).then_some(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<(ContainerOrServiceKind, &str)>) {
        let found = parse(text.as_bytes());
        assert_eq!(found.as_ref().map(|it| (it.kind, it.name.as_str())), expected, "{text}");
    }

    #[test]
    fn names_containers_and_services() {
        use ContainerOrServiceKind::{Container, Service};
        let id = "0123456789abcdef".repeat(4);
        let short = "0123456789ab";
        for (path, expected) in [
            ("/".into(), None),
            ("/user.slice/user-1000.slice/session-3.scope".into(), None),
            ("/user.slice/user-1000.slice/user@1000.service/init.scope".into(), None),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service".into(),
                Some((Service, "syncthing.service")),
            ),
            ("/system.slice/nginx.service".into(), Some((Service, "nginx.service"))),
            (
                "/system.slice/system-getty.slice/getty@tty1.service".into(),
                Some((Service, "getty@tty1.service")),
            ),
            (format!("/system.slice/docker-{id}.scope"), Some((Container, short))),
            (format!("/docker/{id}"), Some((Container, short))),
            (format!("/machine.slice/libpod-{id}.scope/container"), Some((Container, short))),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-{id}.scope"
                ),
                Some((Container, short)),
            ),
            (format!("/kubepods/besteffort/pod12-34/{id}"), Some((Container, short))),
            (format!("/../../kubepods/burstable/pod1/crio-{id}.scope"), Some((Container, short))),
            ("/lxc/web".into(), Some((Container, "web"))),
            ("/lxc.payload.db/system.slice/mysql.service".into(), Some((Container, "db"))),
            ("/lxc.payload.".into(), None),
        ] {
            check(&format!("0::{path}\n"), expected);
            check(&format!("12:pids:{path}\n1:name=systemd:{path}\n0::/\n"), expected);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_path_makes_it_panic(text in "([0-9:/-]|lxc|[a-f0-9]{64}|\\.scope|\\.service|é){0,20}") {
            if let Some(it) = parse(text.as_bytes()) {
                prop_assert!(!it.name.is_empty() && it.name.chars().count() <= NAME_MAX);
            }
        }
    }
}
