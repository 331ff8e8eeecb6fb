//! The fuzzer's way to the lines of a log.

use super::LogStream;
use crate::log_line;
use crate::log_mask::{MASKED_BYTES_MAX, mask};
use crate::reading::Timestamp;

/// Takes each line of the input, a second after the other.
///
/// # Panics
/// If a mask is too long or not its own mask, or a figure is not finite.
pub fn lines(bytes: &[u8]) {
    let stream = LogStream::new("fuzzed");
    let mut at = 0.0;
    for line in bytes.split(|it| *it == b'\n') {
        let text = log_line::text(line);
        let masked = mask(&log_line::parse(&text).message);
        assert!(masked.len() <= MASKED_BYTES_MAX && !masked.contains('\n'), "{masked}");
        assert_eq!(mask(&masked), masked);
        stream.line(line, None, Timestamp(at));
        at += 1.0;
    }
    let recent = stream.recent(Timestamp(at));
    let figures =
        [recent.error_share, recent.warning_share, recent.entropy, recent.mean_length.unwrap_or(0.0)];
    assert!(figures.iter().all(|it| it.is_finite() && *it >= 0.0), "{recent:?}");
    assert!(stream.notable_templates().iter().all(|it| it.text.len() <= MASKED_BYTES_MAX));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_read() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/log_lines");
        for file in std::fs::read_dir(corpus).unwrap() {
            super::lines(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
