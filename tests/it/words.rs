//! Keeps retired words out of text that users read.

use std::fs;
use std::path::Path;

use crate::project_files::{files, root};

/// Each row: the retired words in lower case, matched at the start of a word; and the replacement.
const RETIRED: &[(&str, &str)] = &[
    ("under way", "current, in progress"),
    ("is odd", "anomalous"),
    ("bygone", "history, backfill"),
    ("quarantine", "anomaly_learning_weight"),
    ("onset", "start"),
    ("garbled", "corrupt, malformed"),
    ("utterly", "normal"),
    ("model card", "evaluation of a model"),
    ("its card", "its evaluation"),
    ("is told", "is reported, is notified"),
    ("told apart", "distinguished"),
    ("takes for", "treats as"),
    ("taken for", "treated as"),
    ("where there is none", "if absent"),
    ("what was", "a noun"),
    ("what is stored", "a noun"),
    ("second opinion", "second implementation"),
    ("the limit is 1", "the threshold is 1"),
    ("above the limit", "above the threshold"),
    ("bootstrap", "backfill"),
    ("tried out", "evaluated in shadow mode"),
    ("processor time", "CPU time"),
    ("is none;", "is malformed:"),
    ("nothing there", "what is missing"),
    ("sent again", "retransmitted"),
    ("of its own accord", "by itself"),
    ("goes on firing", "keeps firing"),
    ("is not as it used to be", "Anomaly on"),
    ("whoever", "the user, the service manager"),
    ("has to be", "must be"),
    ("once more", "again, reproduced"),
    ("to the last bit", "bit for bit"),
    ("knows twice as much", "has twice as many points"),
    ("candidate model", "shadow model"),
    ("cannot be:", "not possible:"),
    ("alike before", "similar episodes"),
    ("oddest", "the largest deviation"),
    ("left_out", "skipped"),
    ("was nothing", "a false alarm"),
    ("over a bound", "exceeds a maximum"),
    ("foreign input", "untrusted input"),
    ("smaller with few", "reduced while there are few"),
];

/// Files and directories that users read, besides the messages in `src`.
const READ_BY_USERS: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs",
    "prometheus",
    "grafana/dashboards",
    "helm/hostnorm/README.md",
    "helm/hostnorm/values.yaml",
    "deploy",
];

/// Extensions of text files.
const KINDS: &[&str] = &["md", "txt", "yaml", "yml", "json", "libsonnet"];

#[test]
fn retired_words_are_gone_from_what_users_read() {
    let mut found = Vec::new();
    for path in READ_BY_USERS {
        for file in files(&root().join(path)) {
            // Decision records quote rejected alternatives.
            let is_text = file.extension().is_some_and(|it| KINDS.iter().any(|kind| it == *kind));
            if is_text && !file.starts_with(root().join("docs/adr")) {
                check(&file, &fs::read_to_string(&file).unwrap(), &mut found);
            }
        }
    }
    for file in files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let is_tests = file.file_stem().is_some_and(|it| it.to_string_lossy().ends_with("test"));
        if !is_tests && file.extension().is_some_and(|it| it == "rs") {
            check(&file, &messages(code), &mut found);
        }
    }
    assert!(found.is_empty(), "{} retired words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_retired_word_is_found_with_its_line() {
    let mut found = Vec::new();
    check(Path::new("a.md"), "fine\nThe Garbled file, unsentagain\n", &mut found);
    assert_eq!(found, ["a.md:2: \"garbled\"; write: corrupt, malformed"]);
    assert_eq!(messages("let it = \"is \\\"garbled\\\"\"; // garbled\n").trim(), "is \\\"garbled\\\"");
}

fn check(file: &Path, text: &str, found: &mut Vec<String>) {
    let name = file.strip_prefix(root()).unwrap_or(file).display();
    for (idx, line) in text.lines().enumerate() {
        let line = line.to_lowercase();
        for (retired, instead) in RETIRED {
            let begins = |at: usize| !line[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_');
            if line.match_indices(retired).any(|(at, _)| begins(at)) {
                found.push(format!("{name}:{}: {retired:?}; write: {instead}", idx + 1));
            }
        }
    }
}

/// The string literals of a source file, each on its line; comments are left out.
fn messages(code: &str) -> String {
    let mut text = String::new();
    let mut is_inside = false;
    for line in code.lines() {
        let mut is_escaped = false;
        let skip = !is_inside && line.trim_start().starts_with("//");
        for character in line.chars().filter(|_| !skip) {
            let is_quote = character == '"' && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            is_inside ^= is_quote;
            if is_inside && !is_quote {
                text.push(character);
            }
        }
        text.push('\n');
    }
    text
}
