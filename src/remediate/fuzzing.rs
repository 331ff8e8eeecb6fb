//! The fuzzer's way to the parsers of notifications and rules.

use super::notification::Notification;
use super::plan::plan;
use super::rules::RemediationRules;

/// Rules that each alert matches.
const RULES: &str = "
rules:
- name: all
  actions:
  - log: {path: /r}
  - webhook: {url: 'http://h'}
  - github_issue: {repository: a/b, connection: {token_file: /t}}
  - kubernetes: {delete_pod: true}
";

/// Any body is refused, or planned: all its actions have a key of their lane.
pub fn notification(body: &[u8]) {
    let Ok(notification) = Notification::parse(body) else { return };
    let Ok(rules) = RemediationRules::parse(RULES) else { return };
    for action in plan(&rules, &notification) {
        assert!(action.key.starts_with(&action.lane) && action.lane.starts_with(&action.action));
    }
}

/// Any rules are refused with a short reason, or used.
pub fn rules(text: &str) {
    if let Err((_, reason)) = RemediationRules::parse(text) {
        assert!(reason.len() < 4096, "{reason}");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "reads the corpus")]

    #[test]
    fn the_corpus_is_parsed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/remediation");
        for file in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            super::notification(&bytes);
            super::rules(&String::from_utf8_lossy(&bytes));
        }
    }
}
