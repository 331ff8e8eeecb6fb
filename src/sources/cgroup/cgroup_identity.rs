//! The identity of each group over restarts: kind and name, and a number where several groups have one name.
//!
//! n groups of one name, such as replicas on one node, have the numbers 1 to n. When one goes, the group with the highest
//! number takes its number: after a rolling update the new pod is where the old one was, with all that was learned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::container_names::GroupName;
use crate::reading::{Subject, SubjectKind, with_name_hash};

/// Largest length of a name in bytes, with room for a number within that of a label.
const NAME_BYTES_MAX: usize = 120;
/// Bytes of the mark of a name that was cut: a tilde and 12 digits.
const MARK_BYTES: usize = 13;

/// A group with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedGroup {
    pub(super) path: PathBuf,
    pub(super) kind: SubjectKind,
    pub(super) name: String,
}

impl NamedGroup {
    pub(super) fn new(path: PathBuf, name: &GroupName) -> Self {
        Self { path, kind: name.kind, name: name.name.clone() }
    }
}

/// Subjects of the groups.
#[derive(Debug, Default)]
pub(super) struct CgroupIdentities {
    /// Paths in the order of their numbers, by kind and name.
    slots: BTreeMap<(SubjectKind, String), Vec<PathBuf>>,
}

impl CgroupIdentities {
    /// Gives each group its subject, in the order of `groups`.
    pub(super) fn assign(&mut self, groups: &[NamedGroup]) -> Vec<Subject> {
        let mut present: BTreeMap<(SubjectKind, String), Vec<&Path>> = BTreeMap::new();
        for it in groups {
            present.entry((it.kind, shown(&it.name))).or_default().push(&it.path);
        }
        self.slots.retain(|key, _| present.contains_key(key));
        for (key, paths) in &present {
            update(self.slots.entry(key.clone()).or_default(), paths);
        }
        let subject = |it: &NamedGroup| {
            let key = (it.kind, shown(&it.name));
            let place =
                self.slots.get(&key).and_then(|it_slots| it_slots.iter().position(|path| *path == it.path));
            match place {
                None | Some(0) => subject_of(it.kind, &key.1),
                Some(place) => subject_of(it.kind, &format!("{}#{}", key.1, place + 1)),
            }
        };
        groups.iter().map(subject).collect()
    }
}

/// Removes paths that are gone, filling each place with the last path, and appends new ones.
fn update(slots: &mut Vec<PathBuf>, present: &[&Path]) {
    let mut place = 0;
    while place < slots.len() {
        if slots.get(place).is_some_and(|it| present.contains(&it.as_path())) {
            place += 1;
        } else {
            slots.swap_remove(place);
        }
    }
    for path in present {
        if !slots.iter().any(|it| it == path) {
            slots.push((*path).to_owned());
        }
    }
}

/// A name as a label: without control characters and the mark of numbers, never empty. One that is too long is cut and ends
/// with a hash of the whole, so that two that begin alike stay distinct.
pub(super) fn shown(name: &str) -> String {
    let allowed = |it: char| !it.is_control() && it != '#';
    let name: String = name.chars().map(|it| if allowed(it) { it } else { '_' }).collect();
    if name.len() <= NAME_BYTES_MAX {
        return if name.is_empty() { "_".to_owned() } else { name };
    }
    let kept = name.get(..name.floor_char_boundary(NAME_BYTES_MAX - MARK_BYTES)).unwrap_or_default();
    with_name_hash(kept, name.as_bytes())
}

fn subject_of(kind: SubjectKind, name: &str) -> Subject {
    let name: Arc<str> = name.into();
    match kind {
        SubjectKind::Pod => Subject::Pod(name),
        SubjectKind::Service => Subject::Service(name),
        _ => Subject::Container(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(identities: &mut CgroupIdentities, paths: &[&str], expect: &[&str]) {
        let groups: Vec<NamedGroup> = paths.iter().map(|path| named(path, "web")).collect();
        let subjects = identities.assign(&groups);
        assert_eq!(subjects.iter().map(Subject::name).collect::<Vec<_>>(), expect, "{paths:?}");
    }

    fn named(path: &str, name: &str) -> NamedGroup {
        NamedGroup { path: path.into(), kind: SubjectKind::Container, name: name.into() }
    }

    #[test]
    fn a_replaced_group_has_the_identity_of_the_old_one() {
        let mut identities = CgroupIdentities::default();
        check(&mut identities, &["/a"], &["web"]);
        check(&mut identities, &["/b"], &["web"]);
        // A rolling update: the new one starts before the old one ends.
        check(&mut identities, &["/b", "/c"], &["web", "web#2"]);
        check(&mut identities, &["/c"], &["web"]);
        check(&mut identities, &[], &[]);
    }

    #[test]
    fn replicas_keep_their_numbers_as_long_as_possible() {
        let mut identities = CgroupIdentities::default();
        check(&mut identities, &["/a", "/b", "/c"], &["web", "web#2", "web#3"]);
        check(&mut identities, &["/b", "/c"], &["web#2", "web"]);
        check(&mut identities, &["/b", "/c", "/d"], &["web#2", "web", "web#3"]);
    }

    #[test]
    fn odd_names_are_labels() {
        assert_eq!(shown("a\nb\u{7f}#2"), "a_b__2");
        assert_eq!(shown(""), "_");
        let [one, other] = ["é", "è"].map(|end| shown(&("é".repeat(100) + end)));
        assert!(one != other && one.len().max(other.len()) <= NAME_BYTES_MAX, "{one} {other}");
    }

    proptest! {
        #[test]
        fn subjects_are_distinct_and_numbered_without_gaps(
            steps in prop::collection::vec(prop::collection::btree_set(0u8..12, 0..12), 1..8),
        ) {
            let mut identities = CgroupIdentities::default();
            for step in steps {
                let groups: Vec<_> =
                    step.iter().map(|it| named(&format!("/{it}"), ["a", "b"][usize::from(it % 2)])).collect();
                let subjects = identities.assign(&groups);
                for name in ["a", "b"] {
                    let of_name = groups.iter().filter(|it| it.name == name).count();
                    for number in 1..=of_name {
                        let wanted = if number == 1 { name.to_owned() } else { format!("{name}#{number}") };
                        prop_assert_eq!(subjects.iter().filter(|it| it.name() == wanted).count(), 1);
                    }
                }
                prop_assert_eq!(subjects.len(), groups.len());
            }
        }
    }
}
