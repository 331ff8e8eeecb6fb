//! What a scene says of the host as a whole, in words.

use crate::culprit::FrozenScene;

/// The sockets by state, the fullest filesystem and the kernel messages; each is `None` without data.
pub fn scene_facts(scene: &FrozenScene) -> [Option<String>; 3] {
    let sockets = scene.sockets.iter().map(|it| format!("{} {}", it.count, it.state));
    let fullest = scene.mounts.first().map(|it| format!("{} {:.0} %", it.mount_point, 100.0 * it.used_ratio));
    let kernel = scene.kernel.iter().flat_map(|it| &it.0).map(|(class, count)| format!("{count} {class}"));
    [list(sockets), fullest, list(kernel)]
}

fn list(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
