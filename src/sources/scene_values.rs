//! Values of a reading that belong to the scene of an episode: sockets by state, the fullest filesystems, and names and totals
//! of containers and services.

use std::collections::BTreeMap;

use super::cgroup::group_values;
use super::{filesystem, tcp};
use crate::culprit::{ContainerOrService, ContainerOrServiceKind, ContainerTotals, SceneMount, SocketCount};
use crate::reading::{Reading, SubjectKind};

/// Largest number of filesystems in a scene.
const MOUNTS_MAX: usize = 10;

/// The number of sockets in each state that the reading has.
pub fn socket_counts(reading: &Reading) -> Vec<SocketCount> {
    let Some(host) = reading.host_values() else { return Vec::new() };
    let counts = tcp::STATES.iter().filter_map(|(state, metric)| {
        Some(SocketCount { state: (*state).to_owned(), count: host.get(metric)? })
    });
    counts.collect()
}

/// The writable filesystems with the largest used share of their space, the fullest first.
pub fn fullest_mounts(reading: &Reading) -> Vec<SceneMount> {
    let Some(host) = reading.host_values() else { return Vec::new() };
    let mounts = filesystem::space_used(host).into_iter();
    let mounts = mounts
        .map(|(mount_point, used_ratio)| SceneMount { mount_point: mount_point.to_owned(), used_ratio });
    let mut mounts: Vec<SceneMount> = mounts.collect();
    mounts.sort_by(|one, other| other.used_ratio.total_cmp(&one.used_ratio));
    mounts.truncate(MOUNTS_MAX);
    mounts
}

/// The ID of each container with the name of its subject.
pub fn container_names(reading: &Reading) -> impl Iterator<Item = (String, String)> {
    let containers = reading.subjects.iter().filter(|(it, _)| it.kind() == SubjectKind::Container);
    containers.flat_map(|(subject, values)| {
        let ids = values.each(&group_values::INFO).filter_map(|it| it.labels.values().last());
        ids.map(|id| (id.to_string(), subject.name().to_owned()))
    })
}

/// What each container and service has used so far, from its control group. Pods are left out, because they consist of
/// containers.
pub fn container_totals(reading: &Reading) -> BTreeMap<ContainerOrService, ContainerTotals> {
    let totals = reading.subjects.iter().filter_map(|(subject, values)| {
        let kind = match subject.kind() {
            SubjectKind::Container => ContainerOrServiceKind::Container,
            SubjectKind::Service => ContainerOrServiceKind::Service,
            _ => return None,
        };
        let bytes = [&group_values::READ, &group_values::WRITTEN].map(|it| values.get(it));
        let totals = ContainerTotals {
            cpu_seconds: values.get(&group_values::CPU),
            memory_bytes: values.get(&group_values::WORKING_SET),
            disk_bytes: bytes[0].zip(bytes[1]).map(|(read, written)| read + written),
        };
        Some((ContainerOrService { kind, name: subject.name().to_owned() }, totals))
    });
    totals.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{MetricLabels, Timestamp};

    #[test]
    fn mounts_are_as_full_as_the_signal_says() {
        let mut reading = Reading::new(Timestamp(0.0));
        // 100 GB, of which 5 GB are reserved for root.
        for (point, free, read_only) in [("/", 25.0, 0.0), ("/data", 65.0, 0.0), ("/cdrom", 5.0, 1.0)] {
            let labels = MetricLabels::new(["/dev/sda1", point, "ext4"]);
            let host = reading.host();
            host.set_by(&filesystem::SIZE, &labels, 100e9);
            host.set_by(&filesystem::FREE, &labels, free * 1e9);
            host.set_by(&filesystem::AVAILABLE, &labels, (free - 5.0) * 1e9);
            host.set_by(&filesystem::READ_ONLY, &labels, read_only);
        }
        let found = fullest_mounts(&reading);
        let found: Vec<_> =
            found.iter().map(|it| (&*it.mount_point, (it.used_ratio * 1e3).round())).collect();
        assert_eq!(found, [("/", 789.0), ("/data", 368.0)]);
    }
}
