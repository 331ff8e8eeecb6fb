//! The fuzzer's way to the parsers of the files of processes and of the kernel's log.

use super::process_files::{parse_io, parse_stat};
use super::{container_or_service, kernel_log};

/// Parses a file of a process, or a record of the kernel's log. The first byte chooses the parser.
///
/// # Panics
/// If the parser fails, or returns what no content may cause.
pub fn parse(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let is_text =
        |text: &str| !text.is_empty() && text.chars().count() <= 128 && !text.contains(char::is_control);
    match choice % 4 {
        0 => assert!(parse_stat(bytes).is_none_or(|it| is_text(&it.command))),
        1 => {
            let _ = parse_io(bytes);
        }
        2 => assert!(container_or_service::parse(bytes).is_none_or(|it| is_text(&it.name))),
        _ => assert!(kernel_log::parse(bytes).is_none_or(|it| is_text(it.class.name()))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_parsed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/process_files");
        for file in std::fs::read_dir(corpus).unwrap() {
            super::parse(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
