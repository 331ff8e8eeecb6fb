//! Entries for tests and the fuzzer.

use super::framing::{FileFormat, Framing, LINE_BYTES_MAX, LineSplitter};
use super::syslog::SyslogMessage;

/// Takes bytes as a file of each format, whole and in two pieces, and as a message of syslog. The pieces make no difference.
pub fn log_framing(bytes: &[u8]) {
    let (first, rest) = bytes.split_at(bytes.first().map_or(0, |it| usize::from(*it)).min(bytes.len()));
    for format in [FileFormat::Auto, FileFormat::Plain, FileFormat::Cri, FileFormat::Docker] {
        let whole = messages(format, &[bytes]);
        assert_eq!(whole, messages(format, &[first, rest]));
        assert!(whole.iter().all(|it| it.len() <= LINE_BYTES_MAX));
    }
    let message = SyslogMessage::parse(bytes);
    assert!(message.text.len() <= bytes.len());
}

fn messages(format: FileFormat, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut splitter, mut framing, mut found) = (LineSplitter::default(), Framing::new(format), Vec::new());
    for piece in pieces {
        splitter.push(piece, |line, _, is_cut| {
            framing.line(line, is_cut, &mut |it| found.push(it.text.to_owned()));
        });
    }
    if let Some((line, is_cut)) = splitter.take() {
        framing.line(&line, is_cut, &mut |it| found.push(it.text.to_owned()));
    }
    framing.flush(&mut |it| found.push(it.text.to_owned()));
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::log_framing;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads the corpus")]
    fn the_corpus_is_accepted() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/log_framing");
        let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|it| it.unwrap().path()).collect();
        assert!(!files.is_empty());
        files.iter().for_each(|it| log_framing(&std::fs::read(it).unwrap()));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            log_framing(&bytes);
        }

        #[test]
        fn almost_frames(lines in proptest::collection::vec(prop_oneof![
            "2026-01-02T03:04:05Z std(out|err) [PFX](:t)? ?.{0,9}",
            "\\{\"log\":\".{0,9}(\\\\n)?\",\"stream\":\"stdout\",\"time\":\"t\"\\}",
            "<[0-9]{0,4}>(1 )?(Oct 11 22:14:15 )?.{0,20}",
        ], 0..9)) {
            log_framing(lines.join("\n").as_bytes());
        }
    }
}
