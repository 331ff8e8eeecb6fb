//! Values of a reading that belong to the scene of an episode: sockets by state, and the fullest filesystems.

use super::{filesystem, tcp};
use crate::culprit::{SceneMount, SocketCount};
use crate::reading::Reading;
use crate::signal::share;

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

/// The filesystems with the largest used share of their space, the fullest first.
pub fn fullest_mounts(reading: &Reading) -> Vec<SceneMount> {
    let Some(host) = reading.host_values() else { return Vec::new() };
    let mounts = host.each(&filesystem::SIZE).filter_map(|size| {
        let free = host.get_by(&filesystem::FREE, &size.labels)?;
        let mount_point = size.labels.values().get(1)?.to_string();
        Some(SceneMount { mount_point, used_ratio: share(size.value - free, size.value)? })
    });
    let mut mounts: Vec<SceneMount> = mounts.collect();
    mounts.sort_by(|one, other| other.used_ratio.total_cmp(&one.used_ratio));
    mounts.truncate(MOUNTS_MAX);
    mounts
}
