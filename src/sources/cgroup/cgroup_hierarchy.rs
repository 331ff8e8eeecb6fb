//! Where the control groups are mounted: one hierarchy (v2), one for each controller (v1), or both (hybrid).

use std::path::{Path, PathBuf};

/// One hierarchy with the files that are read in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hierarchy {
    /// Version 2.
    Unified,
    /// Version 1, controller `cpu`.
    Cpu,
    /// Version 1, controller `cpuacct`.
    CpuUsage,
    /// Version 1, controller `memory`.
    Memory,
    /// Version 1, controller `blkio`.
    BlockIo,
    /// Version 1, controller `pids`.
    Tasks,
}

/// Directories of the controllers of version 1 below the root, in the order in which they are tried.
static CONTROLLERS: [(Hierarchy, &[&str]); 5] = [
    (Hierarchy::Cpu, &["cpu", "cpu,cpuacct", "cpuacct,cpu"]),
    (Hierarchy::CpuUsage, &["cpuacct", "cpu,cpuacct", "cpuacct,cpu"]),
    (Hierarchy::Memory, &["memory"]),
    (Hierarchy::BlockIo, &["blkio"]),
    (Hierarchy::Tasks, &["pids"]),
];

/// The mounted hierarchies, with their directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchies(Vec<(Hierarchy, PathBuf)>);

impl Hierarchies {
    /// The hierarchies below this root; `None` if it has no hierarchy.
    pub(super) fn find(root: &Path) -> Option<Self> {
        let is_unified = |it: &PathBuf| it.join("cgroup.controllers").exists();
        // A root of version 2 contains the groups themselves, among which one could be named like a controller.
        if is_unified(&root.to_owned()) {
            return Some(Self(vec![(Hierarchy::Unified, root.to_owned())]));
        }
        let unified = Some(root.join("unified")).filter(is_unified).map(|it| (Hierarchy::Unified, it));
        let controllers = CONTROLLERS.iter().filter_map(|(hierarchy, names)| {
            let directory = names.iter().map(|it| root.join(it)).find(|it| it.is_dir())?;
            Some((*hierarchy, directory))
        });
        let found: Vec<_> = unified.into_iter().chain(controllers).collect();
        (!found.is_empty()).then_some(Self(found))
    }

    /// The directory of a hierarchy.
    pub(super) fn directory(&self, of: Hierarchy) -> Option<&Path> {
        self.0.iter().find(|(it, _)| *it == of).map(|(_, directory)| directory.as_path())
    }

    /// Each directory once: two controllers may share one.
    pub(super) fn directories(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = self.0.iter().map(|(_, it)| it.as_path()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make directories")]

    use super::*;

    fn check(paths: &[&str], expect: &[(Hierarchy, &str)]) {
        let dir = tempfile::tempdir().unwrap();
        for path in paths {
            let path = dir.path().join(path);
            match path.extension() {
                Some(_) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, "").unwrap();
                }
                None => std::fs::create_dir_all(path).unwrap(),
            }
        }
        let found = Hierarchies::find(dir.path());
        let expect: Vec<_> = expect.iter().map(|(it, path)| (*it, dir.path().join(path))).collect();
        assert_eq!(found.map_or(Vec::new(), |it| it.0), expect);
    }

    #[test]
    fn one_hierarchy_several_or_both() {
        use Hierarchy::{BlockIo, Cpu, CpuUsage, Memory, Tasks, Unified};
        check(&["cgroup.controllers", "memory"], &[(Unified, "")]);
        check(
            &["cpu,cpuacct", "memory", "blkio", "pids"],
            &[
                (Cpu, "cpu,cpuacct"),
                (CpuUsage, "cpu,cpuacct"),
                (Memory, "memory"),
                (BlockIo, "blkio"),
                (Tasks, "pids"),
            ],
        );
        check(
            &["unified/cgroup.controllers", "cpu", "cpuacct"],
            &[(Unified, "unified"), (Cpu, "cpu"), (CpuUsage, "cpuacct")],
        );
        check(&["unrelated"], &[]);
    }
}
