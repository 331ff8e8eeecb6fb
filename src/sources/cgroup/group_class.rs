//! What a directory of the hierarchy is, by its name: the group of a container, a pod, a service, or of others.
//!
//! The names are those that runtimes give: docker, containerd, CRI-O, podman, LXC, the kubelet and systemd, each with the
//! driver `systemd` (scopes and slices) and with the driver `cgroupfs` (plain directories); also Nomad, systemd-nspawn and
//! libvirt.

use super::workload::is_uuid;

/// What the name of a directory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CgroupClass {
    /// A pod of Kubernetes; contains its containers.
    Pod {
        /// The UID, in lower case with dashes.
        uid: String,
    },
    /// A container.
    Container(ContainerRuntime, ContainerId),
    /// A systemd service, by its unit.
    Service,
    /// Contains other groups, of which some may be subjects.
    Inner,
    /// Neither a subject, nor are those below it.
    Ignored,
}

/// Who runs a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ContainerRuntime {
    Docker,
    Containerd,
    Crio,
    Podman,
    Lxc,
    Nomad,
    Nspawn,
    /// Of virtual machines and of containers.
    Libvirt,
    /// The group is named by the ID alone.
    Unknown,
}

impl ContainerRuntime {
    /// The value of the label `runtime`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Nomad => "nomad",
            Self::Nspawn => "systemd-nspawn",
            Self::Libvirt => "libvirt",
            Self::Unknown => "",
        }
    }
}

/// How a runtime identifies a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ContainerId {
    /// 64 hexadecimal digits, new for each container.
    Digits(String),
    /// A name that its user gave.
    Name(String),
    /// A name that its user gave, and an ID that is new for each container.
    NameAndId {
        /// The name.
        name: String,
        /// The ID.
        id: String,
    },
}

/// Length of the ID of a container in hexadecimal digits.
const ID_DIGITS: usize = 64;
/// Drivers of libvirt with which the names of its machines start (`virDomainDriverGenerateMachineName`).
const LIBVIRT_DRIVERS: [&str; 2] = ["qemu-", "lxc-"];

/// Where a directory lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GroupContext<'a> {
    /// The name of the directory above.
    pub(super) parent: &'a str,
    /// Whether a directory above belongs to Kubernetes.
    pub(super) in_kubernetes: bool,
    /// Whether a directory above is the slice of all users.
    pub(super) in_user_slice: bool,
}

impl<'a> GroupContext<'a> {
    /// The context of the directories in the directory `name`, which has this context.
    pub(super) fn within(self, name: &'a str) -> Self {
        Self {
            parent: name,
            in_kubernetes: self.in_kubernetes || name.contains("kubepods"),
            in_user_slice: self.in_user_slice || name == "user.slice",
        }
    }
}

/// Classifies a directory.
pub(super) fn classify(name: &str, context: GroupContext<'_>) -> CgroupClass {
    if let Some(uid) = pod_uid(name, context) {
        return CgroupClass::Pod { uid };
    }
    if let Some(container) = container(name, context) {
        return container;
    }
    if let Some(unit) = name.strip_suffix(".service") {
        // Services of users are no subjects, but rootless containers lie below them.
        let is_system = !context.in_user_slice && !unit.is_empty();
        return if is_system { CgroupClass::Service } else { CgroupClass::Inner };
    }
    CgroupClass::Inner
}

/// The UID of a pod: `kubepods-burstable-pod1b2c….slice` or `pod1b2c-…`.
fn pod_uid(name: &str, context: GroupContext<'_>) -> Option<String> {
    let uid = match name.strip_suffix(".slice") {
        Some(stem) => {
            let (before, uid) = stem.rsplit_once("-pod")?;
            before.contains("kubepods").then_some(uid)?
        }
        None => name.strip_prefix("pod").filter(|_| context.in_kubernetes)?,
    };
    let is_digit = |it: char| it.is_ascii_hexdigit() || it == '-' || it == '_';
    // Pods of a file on the node have a hash of 32 digits instead of a UID.
    let fits = matches!(uid.len(), 32 | 36) && uid.chars().all(is_digit);
    fits.then(|| uid.replace('_', "-").to_ascii_lowercase())
}

fn container(name: &str, context: GroupContext<'_>) -> Option<CgroupClass> {
    if let Some(lxc) = name.strip_prefix("lxc.payload.").filter(|it| !it.is_empty()) {
        return Some(CgroupClass::Container(ContainerRuntime::Lxc, ContainerId::Name(lxc.to_owned())));
    }
    if name.starts_with("lxc.monitor") || name == "lxc.pivot" {
        return Some(CgroupClass::Ignored);
    }
    if ["lxc", "lxc.payload"].contains(&context.parent) {
        return Some(CgroupClass::Container(ContainerRuntime::Lxc, ContainerId::Name(name.to_owned())));
    }
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    if let Some(task) = nomad_task(stem) {
        let id = ContainerId::NameAndId { name: task.to_owned(), id: stem.to_owned() };
        return Some(CgroupClass::Container(ContainerRuntime::Nomad, id));
    }
    if let Some(machine) = name.strip_suffix(".scope").and_then(|it| it.strip_prefix("machine-")) {
        let (runtime, name) = machine_name(&unescaped(machine));
        return (!name.is_empty()).then_some(CgroupClass::Container(runtime, ContainerId::Name(name)));
    }
    let (prefix, id) = stem.rsplit_once('-').unwrap_or(("", stem));
    if id.len() != ID_DIGITS || !id.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    let runtime = match (prefix, context.parent) {
        ("docker", _) | ("", "docker") => ContainerRuntime::Docker,
        ("cri-containerd" | "nerdctl", _) => ContainerRuntime::Containerd,
        ("crio", _) => ContainerRuntime::Crio,
        ("libpod" | "libpod-payload", _) => ContainerRuntime::Podman,
        ("", _) => ContainerRuntime::Unknown,
        // The monitor of a container: crio-conmon, libpod-conmon.
        _ => return Some(CgroupClass::Ignored),
    };
    Some(CgroupClass::Container(runtime, ContainerId::Digits(id.to_ascii_lowercase())))
}

/// The name of a task of Nomad: `ALLOCATION.TASK`, as in `client/lib/cgroupslib` of Nomad.
fn nomad_task(stem: &str) -> Option<&str> {
    let (allocation, task) = stem.split_once('.')?;
    (is_uuid(allocation) && !task.is_empty()).then_some(task)
}

/// The name of a machine of systemd-machined. Libvirt puts the driver and a number before it, which is new at each start:
/// `qemu-3-web`.
fn machine_name(machine: &str) -> (ContainerRuntime, String) {
    let numbered = LIBVIRT_DRIVERS.iter().find_map(|driver| machine.strip_prefix(driver)?.split_once('-'));
    match numbered.filter(|(number, _)| number.bytes().all(|it| it.is_ascii_digit())) {
        Some((_, name)) => (ContainerRuntime::Libvirt, name.to_owned()),
        None => (ContainerRuntime::Nspawn, machine.to_owned()),
    }
}

/// The name that systemd escaped for that of a unit, as `web\x2d1` (systemd.unit(5)).
fn unescaped(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.extend([&[byte], part.as_bytes().get(2..).unwrap_or_default()].concat()),
            None => bytes.extend([b"\\x", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "1b2c3d4e-0000-4000-8000-123456789abc";

    fn check(path: &str, expect: &CgroupClass) {
        let path = path.replace("UID", UID).replace("ID", ID).replace("U_D", &UID.replace('-', "_"));
        let mut context = GroupContext::default();
        let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
        for part in above.split('/') {
            context = context.within(part);
        }
        assert_eq!(classify(name, context), *expect, "{path}");
    }

    fn digits(runtime: ContainerRuntime) -> CgroupClass {
        CgroupClass::Container(runtime, ContainerId::Digits(ID.into()))
    }

    #[test]
    fn containers_of_each_runtime_and_driver() {
        for (path, runtime) in [
            ("system.slice/docker-ID.scope", ContainerRuntime::Docker),
            ("docker/ID", ContainerRuntime::Docker),
            ("kubepods.slice/kubepods-podU_D.slice/cri-containerd-ID.scope", ContainerRuntime::Containerd),
            ("kubepods/besteffort/podUID/ID", ContainerRuntime::Unknown),
            ("kubepods.slice/kubepods-podU_D.slice/crio-ID.scope", ContainerRuntime::Crio),
            ("kubepods/podUID/crio-ID", ContainerRuntime::Crio),
            ("machine.slice/libpod-ID.scope", ContainerRuntime::Podman),
            (
                "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
                ContainerRuntime::Podman,
            ),
            ("system.slice/nerdctl-ID.scope", ContainerRuntime::Containerd),
            // A quadlet of a user, a pod of podman, ECS in versions 1 and 2, and a docker with a parent of its own.
            (
                "user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-ID",
                ContainerRuntime::Podman,
            ),
            ("machine.slice/machine-libpod_pod_ID.slice/libpod-ID.scope", ContainerRuntime::Podman),
            ("ecs/0123456789abcdef0123456789abcdef/ID", ContainerRuntime::Unknown),
            ("ecstasks.slice/ecstasks-0123456789abcdef.slice/docker-ID.scope", ContainerRuntime::Docker),
            ("batch/ID", ContainerRuntime::Unknown),
            // k3s without root.
            (
                "user.slice/user-1000.slice/user@1000.service/k3s-rootless.service/kubepods/podUID/ID",
                ContainerRuntime::Unknown,
            ),
        ] {
            check(path, &digits(runtime));
        }
    }

    #[test]
    fn containers_of_lxc_have_names() {
        for path in ["lxc/web-1", "lxc.payload/web-1", "lxc.payload.web-1"] {
            check(path, &CgroupClass::Container(ContainerRuntime::Lxc, ContainerId::Name("web-1".into())));
        }
        check("lxc.monitor.web-1", &CgroupClass::Ignored);
    }

    #[test]
    fn machines_of_systemd_have_names() {
        for (path, runtime, name) in [
            ("machine.slice/machine-web.scope", ContainerRuntime::Nspawn, "web"),
            ("machine.slice/machine-web\\x2d1.scope", ContainerRuntime::Nspawn, "web-1"),
            ("machine.slice/machine-qemu\\x2d3\\x2ddb\\x2d1.scope", ContainerRuntime::Libvirt, "db-1"),
            ("machine.slice/machine-lxc\\x2d77\\x2ddb.scope", ContainerRuntime::Libvirt, "db"),
            ("machine.slice/machine-qemu\\x2dtest\\x2d1.scope", ContainerRuntime::Nspawn, "qemu-test-1"),
            ("machine.slice/machine-a\\xzz\\x2.scope", ContainerRuntime::Nspawn, "a\\xzz\\x2"),
        ] {
            check(path, &CgroupClass::Container(runtime, ContainerId::Name(name.into())));
        }
        check("machine.slice/machine-.scope", &CgroupClass::Inner);
        check("machine.slice/systemd-nspawn@web.service", &CgroupClass::Service);
    }

    #[test]
    fn tasks_of_nomad_have_names() {
        for (directory, scope) in
            [("nomad", ""), ("nomad.slice", ".scope"), ("nomad.slice/share.slice", ".scope")]
        {
            let id = ContainerId::NameAndId { name: "api.v1".into(), id: format!("{UID}.api.v1") };
            let expect = CgroupClass::Container(ContainerRuntime::Nomad, id);
            check(&format!("{directory}/UID.api.v1{scope}"), &expect);
        }
        for path in ["nomad.slice/UID.scope", "nomad.slice/share.slice/web.task.scope"] {
            check(path, &CgroupClass::Inner);
        }
    }

    #[test]
    fn pods_of_each_driver() {
        let pod = CgroupClass::Pod { uid: UID.into() };
        check("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice", &pod);
        check("kubepods.slice/kubepods-podU_D.slice", &pod);
        check("kubepods/burstable/podUID", &pod);
        check("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_D.slice", &pod);
        let hash = "0123456789abcdef0123456789abcdef";
        check(&format!("kubepods/burstable/pod{hash}"), &CgroupClass::Pod { uid: hash.into() });
        check("elsewhere/podUID", &CgroupClass::Inner);
        check("kubepods/podcast", &CgroupClass::Inner);
    }

    #[test]
    fn services_but_not_those_of_users() {
        check("system.slice/ssh.service", &CgroupClass::Service);
        check("system.slice/system-getty.slice/getty@tty1.service", &CgroupClass::Service);
        check("user.slice/user-1000.slice/user@1000.service", &CgroupClass::Inner);
        check(
            "user.slice/user-1000.slice/user@1000.service/app.slice/dbus-broker.service",
            &CgroupClass::Inner,
        );
        check("user.slice/user-1000.slice/session-3.scope", &CgroupClass::Inner);
        check("init.scope", &CgroupClass::Inner);
    }

    #[test]
    fn monitors_of_containers_are_no_subjects() {
        check("machine.slice/libpod-conmon-ID.scope", &CgroupClass::Ignored);
        check("kubepods.slice/crio-conmon-ID.scope", &CgroupClass::Ignored);
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(parent in ".*", name in "(lxc|pod|libpod-|docker-|machine-)?.*(.scope|.slice|.service)?") {
            let _ = classify(&name, GroupContext::default().within(&parent));
        }
    }
}
