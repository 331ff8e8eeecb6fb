//! The fuzzer's way to the parsers of control groups: files of groups, names of directories, descriptions of containers.

use std::path::Path;

use super::group_class::{GroupContext, classify};
use super::group_values::CgroupValues;
use super::{cgroup_identity, container_names, file_table, names_on_disk, parse, podman_storage, workload};
use crate::reading::{LABEL_BYTES_MAX, SubjectValues};
use crate::sources::kernel_file::KernelText;

/// Longest message; a line of the file is shortened to 80 characters.
const MESSAGE_CHARS_MAX: usize = 600;

/// Parses a file of a group, or a name. The first byte chooses the parser.
///
/// # Panics
/// If the parser fails, or returns what no content may cause.
pub fn parse(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let choice = usize::from(*choice);
    match choice.checked_sub(file_table::FILE_COUNT) {
        None => file(choice, text),
        Some(0) => {
            let _ = parse::first_process(KernelText::of(Path::new("/group/file"), text));
        }
        Some(1) => {
            let text = KernelText::of(Path::new("/group/file"), text);
            if let Ok((bytes, _)) = parse::network_bytes(text) {
                // What the kernel cannot mean is no number, which the reading takes as missing.
                assert!(bytes.iter().all(|it| *it >= 0.0 || !it.is_finite()), "{bytes:?}");
            }
        }
        Some(2) => names(text),
        _ => {
            container_names::fuzzing(text);
            names_on_disk::fuzzing(text);
        }
    }
}

/// One file of a group; values that it sets are finite and not negative.
fn file(choice: usize, text: &str) {
    let mut values = CgroupValues::default();
    let text = KernelText::of(Path::new("/group/file"), text);
    if let Err(error) = file_table::parse(choice, text, &mut values) {
        let message = error.to_string();
        assert!(message.contains("/group/file") && message.chars().count() <= MESSAGE_CHARS_MAX, "{message}");
    }
    let mut set = SubjectValues::default();
    values.set(&mut set);
    assert!(set.iter().all(|it| it.value.is_finite() && it.value >= 0.0), "{set:?}");
}

/// A path of a group, and a name of its subject.
fn names(text: &str) {
    let (above, name) = text.rsplit_once('/').unwrap_or(("", text));
    let context = above.split('/').fold(GroupContext::default(), |it, name| it.within(name));
    let _ = classify(name, context);
    let _ = (workload::workload(text), workload::repository(text), workload::is_generated(text));
    let shown = cgroup_identity::shown(text);
    assert!(!shown.is_empty() && shown.len() < LABEL_BYTES_MAX && !shown.contains(char::is_control));
    let _ = podman_storage::descriptions(text);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_parsed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/cgroups");
        for file in std::fs::read_dir(corpus).unwrap() {
            super::parse(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
