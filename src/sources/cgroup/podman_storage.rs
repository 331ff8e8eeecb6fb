//! What podman and docker say about containers, in files of their storage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::sources::kernel_file;

/// Largest number of containers of one storage.
const CONTAINERS_MAX: usize = 8_192;
/// Largest size of a description in bytes.
const DESCRIPTION_BYTES_MAX: u64 = 4 << 20;

/// What a runtime says about a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DescribedContainer {
    pub(super) name: String,
    pub(super) image: String,
    /// A service of docker swarm, or family and container of ECS, whose containers have names with an ID.
    pub(super) service: String,
}

/// The containers of one user of podman.
#[derive(Debug)]
pub(super) struct PodmanStorage(PathBuf);

/// Files that describe containers: those that stay, and those that a boot removes.
const FILES: [&str; 2] = ["containers.json", "volatile-containers.json"];

impl PodmanStorage {
    /// The storage of root.
    pub(super) fn of_root(rootfs: &Path) -> Self {
        Self(rootfs.join("var/lib/containers/storage/overlay-containers"))
    }

    /// The storage of the user with this home.
    pub(super) fn of_home(home: &Path) -> Self {
        Self(home.join(".local/share/containers/storage/overlay-containers"))
    }

    /// The storage in this directory.
    pub(super) fn at(directory: &Path) -> Self {
        Self(directory.into())
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    /// Its containers, by ID; none if it cannot be read.
    pub(super) fn read(&self) -> BTreeMap<String, DescribedContainer> {
        FILES.iter().filter_map(|it| read_small(&self.0.join(it))).flat_map(|it| descriptions(&it)).collect()
    }
}

/// Podman's descriptions of all containers, by ID.
pub(super) fn descriptions(text: &str) -> BTreeMap<String, DescribedContainer> {
    #[derive(Deserialize)]
    struct Description {
        id: String,
        #[serde(default)]
        names: Option<Vec<String>>,
        /// JSON in a text.
        #[serde(default)]
        metadata: Option<String>,
    }
    #[derive(Deserialize, Default)]
    struct Metadata {
        #[serde(default, rename = "image-name")]
        image: String,
    }
    let all: Vec<Description> = serde_json::from_str(text).unwrap_or_default();
    let described = all.into_iter().take(CONTAINERS_MAX).map(|it| {
        let metadata = it.metadata.and_then(|text| serde_json::from_str::<Metadata>(&text).ok());
        let name = it.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let image = metadata.unwrap_or_default().image;
        (it.id, DescribedContainer { name, image, service: String::new() })
    });
    described.collect()
}

/// The text of a file; `None` if it cannot be read, is too large or no text.
pub(super) fn read_small(path: &Path) -> Option<String> {
    use std::io::Read;
    // A pipe in place of the file would block.
    let metadata =
        std::fs::metadata(path).ok().filter(|it| it.is_file() && it.len() <= DESCRIPTION_BYTES_MAX)?;
    let mut text = String::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    kernel_file::open(path).ok()?.take(DESCRIPTION_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn descriptions_of_podman() {
        let podman = r#"[{"id":"00ff","names":["db"],"metadata":"{\"image-name\":\"docker.io/library/postgres:17\"}"},
            {"id":"11ee","names":null,"metadata":"none"}]"#;
        let found = descriptions(podman);
        assert_eq!(found["00ff"].name, "db");
        assert_eq!(found["00ff"].image, "docker.io/library/postgres:17");
        assert_eq!(found["11ee"], DescribedContainer::default());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[{]?.*") {
            let _ = descriptions(&text);
        }
    }
}
