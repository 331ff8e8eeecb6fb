//! Reads the settings file.

use std::collections::BTreeMap;
use std::path::Path;

use figment::value::{Dict, Value};

use crate::whole_file;
use crate::yaml_text;

/// Largest settings file, in bytes; a larger one is a wrong path.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest path of a key whose line is remembered, in bytes; no setting has a longer one.
const PATH_BYTES_MAX: usize = 200;

/// A parsed settings file.
pub(super) struct SettingsFile {
    pub(super) text: String,
    pub(super) settings: Dict,
}

impl SettingsFile {
    /// Reads and parses it; an error has the line, if known, and the reason.
    pub(super) fn read(path: &Path) -> Result<Self, (Option<usize>, String)> {
        let text = whole_file::text(path, FILE_BYTES_MAX).map_err(|sentence| (None, sentence))?;
        let document = yaml_text::parse(&text)
            .map_err(|(line, reason)| (line, format!("is not valid YAML: {reason}")))?;
        match Value::serialize(document) {
            Ok(Value::Dict(_, settings)) => Ok(Self { text, settings }),
            Ok(Value::Empty(..)) => Ok(Self { text, settings: Dict::new() }),
            Ok(_) => Err((None, "holds no settings; expected lines such as \"interval: 1s\"".into())),
            Err(_) => Err((None, "has a key that is not text".into())),
        }
    }
}

/// The lines of the keys of a file in block style.
pub(super) struct YamlKeyLines(BTreeMap<String, usize>);

impl YamlKeyLines {
    pub(super) fn of(text: &str) -> Self {
        let mut lines = BTreeMap::new();
        // Indentation of the keys above the line, and the length of their path.
        let mut above: Vec<(usize, usize)> = Vec::new();
        let mut path = String::new();
        for (idx, line) in text.lines().enumerate() {
            let trimmed = line.trim_start();
            let Some((name, _)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with(['#', '-'])) else {
                continue;
            };
            let indent = line.len() - trimmed.len();
            while above.pop_if(|(other, _)| *other >= indent).is_some() {}
            path.truncate(above.last().map_or(0, |(_, length)| *length));
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name.trim().trim_matches(['"', '\'']));
            above.push((indent, path.len()));
            if path.len() <= PATH_BYTES_MAX {
                lines.entry(path.clone()).or_insert(idx + 1);
            }
        }
        Self(lines)
    }

    /// The line of a key, counted from 1; in flow style, that of its parent.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        let mut path = key;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_a_line() {
        let text = "# web:\na: 1\nweb:\n  # x: 1\n  list:\n    - a: b\n  \"path\": x\nflow: {y: 1}\n";
        for (key, line) in [
            ("a", Some(2)),
            ("web.list", Some(5)),
            ("web.path", Some(7)),
            ("flow.y", Some(8)),
            ("web.x", Some(3)),
            ("z", None),
        ] {
            assert_eq!(YamlKeyLines::of(text).line_of(key), line, "{key}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_parsed_or_refused(text in "([a-z_]{0,9}: ?|  |- |\n|\\PC){0,40}") {
            let _ = YamlKeyLines::of(&text).line_of("web.listen_address");
            let _ = yaml_serde::from_str::<yaml_serde::Value>(&text);
        }
    }
}
