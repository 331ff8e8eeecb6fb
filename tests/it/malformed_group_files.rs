//! Nothing of a control group is lost silently: what its files lack is counted, in each version of control groups.

use std::fs;
use std::path::Path;

use hostnorm::reading::{MetricSample, Reading, Timestamp};
use hostnorm::sources::CgroupSettings;

use crate::cgroup::{CgroupHost, Version};

const GROUP: &str = "system.slice/ssh.service";

/// The values of the group, and the number of things that are not shown.
fn read(host: &CgroupHost) -> (Reading, usize) {
    let mut reading = host.open(CgroupSettings::default()).read_all(Timestamp(0.0));
    let omitted = reading.collections.remove(0).omitted;
    (reading, omitted)
}

/// Reads with other content of a file, and checks that something is counted if a value is lost.
fn check(host: &CgroupHost, sound: &Reading, file: &Path, content: &str) {
    let kept = fs::read_to_string(file).unwrap();
    fs::write(file, content).unwrap();
    let (reading, omitted) = read(host);
    fs::write(file, kept).unwrap();
    let samples = |it: &Reading| it.subjects.values().flat_map(|it| it.iter().cloned()).collect::<Vec<_>>();
    let found = samples(&reading);
    let is_lost =
        |it: &MetricSample| !found.iter().any(|other| other.metric == it.metric && other.labels == it.labels);
    let lost: Vec<_> = samples(sound).into_iter().filter(is_lost).map(|it| it.metric.name).collect();
    assert!(lost.is_empty() || 0 < omitted, "{lost:?} is not counted; {}:\n{content}", file.display());
}

#[test]
fn what_a_file_of_a_group_lacks_is_counted() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let host = CgroupHost::new(version);
        host.add(GROUP);
        let (sound, omitted) = read(&host);
        assert_eq!(omitted, 0, "{version:?}");
        for file in host.files(GROUP) {
            let text = fs::read_to_string(&file).unwrap();
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            for (idx, line) in lines.iter().enumerate() {
                let with = |line: &str| [&lines[..idx].concat(), line, &lines[idx + 1..].concat()].concat();
                check(&host, &sound, &file, &with(""));
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                for (count, word) in words.iter().enumerate() {
                    check(&host, &sound, &file, &with(&format!("{}\n", words[..count].join(" "))));
                    check(&host, &sound, &file, &with(&line.replacen(word, "another", 1)));
                }
            }
        }
    }
}
