//! The fuzzer's way to the parser of the list of silences.

use super::response;
use crate::silence::TargetLabels;

/// Parses a response of Alertmanager and compares its silences with the labels of a host.
///
/// # Panics
/// If the parser fails, a time is not finite, or a message is long.
pub fn parse(bytes: &[u8]) {
    let target = TargetLabels::new(&["team=db".to_owned()], "web-1").unwrap_or_default();
    match response::parse(bytes) {
        Ok(parsed) => {
            for silence in parsed.silences {
                assert!(silence.starts.0.is_finite() && silence.ends.0.is_finite());
                let _ = silence.fit(&target);
            }
            parsed.refused.iter().for_each(|it| check_text(it));
        }
        Err(error) => check_text(&error.to_string()),
    }
}

/// What a server wrote is shown on one line, shortened.
fn check_text(text: &str) {
    assert!(text.chars().count() <= 400 && !text.contains('\n'), "{text:?}");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_parsed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/silences");
        for file in std::fs::read_dir(corpus).unwrap() {
            super::parse(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
