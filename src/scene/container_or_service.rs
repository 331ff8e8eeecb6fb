//! The container or service of a process, from its line in `/proc/[pid]/cgroup` (cgroups(7)).
//!
//! The path says the name of a service, its unit, and the names of some containers. Of others it says the ID; their names come
//! from the source of control groups, so that a culprit has the name of its subject. One without a name has the first twelve
//! digits of its ID, as `docker ps` shows them.

use std::collections::BTreeMap;

use crate::culprit::{ContainerOrService, ContainerOrServiceKind};
use crate::sources;

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
        let short = |id: String| if id.len() == ID_DIGITS { id[..SHORT_DIGITS].to_owned() } else { id };
        Self(names.filter(|(id, _)| !id.is_empty()).map(|(id, name)| (short(id), name)).collect())
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
    let paths = text.lines().filter_map(|it| it.splitn(3, ':').nth(2));
    let mut found: Option<ContainerOrService> = None;
    for owner in paths.filter_map(sources::group_owner) {
        if owner.kind == ContainerOrServiceKind::Container {
            found = Some(owner);
            break;
        }
        found.get_or_insert(owner);
    }
    let ContainerOrService { kind, name } = found?;
    let clean = name.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).take(NAME_MAX);
    Some(ContainerOrService { kind, name: clean.collect() })
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
            // A container in a service, and one in a container: the outer one is the subject.
            (format!("/system.slice/web.service/libpod-payload-{id}"), Some((Service, "web.service"))),
            (format!("/lxc.payload.db/docker/{id}"), Some((Container, "db"))),
            (
                format!(
                    "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-{id}"
                ),
                Some((Container, short)),
            ),
            ("/machine.slice/machine-web\\x2d1.scope/payload".into(), Some((Container, "web-1"))),
            (
                "/nomad.slice/share.slice/1b2c3d4e-0000-4000-8000-123456789abc.api.scope".into(),
                Some((Container, "1b2c3d4e-0000-4000-8000-123456789abc.api")),
            ),
            (format!("/ecs/0123456789abcdef/{id}"), Some((Container, short))),
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
