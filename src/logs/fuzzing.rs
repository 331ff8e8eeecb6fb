//! Entries for tests and the fuzzer.

use super::framing::{FileFormat, LINE_BYTES_MAX, LineSplitter, LogFraming};
use super::remote_log::{LogCursor, RemoteLogError};
use super::syslog::SyslogMessage;
use super::{loki, victorialogs};

/// Longest message about a response; it shortens what the server wrote.
const MESSAGE_CHARS_MAX: usize = 600;

/// Parses a response of a server with logs, or a stored position. The first byte chooses which.
///
/// # Panics
/// If a line has a time before 1970, a line counts twice, or a message is long.
pub fn remote_logs(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let outcome = match choice % 3 {
        0 => loki::response::lines(body),
        1 => victorialogs::response::lines(body),
        _ => {
            let position = LogCursor::from_text(&String::from_utf8_lossy(body));
            assert!(position.is_none_or(|it| LogCursor::from_text(&it.to_text()).is_some()));
            return;
        }
    };
    match outcome {
        Ok(lines) => {
            let mut cursor = LogCursor::new(0, 0);
            assert!(lines.iter().all(|it| it.at >= 0));
            let _ = lines.iter().filter(|it| cursor.take(it)).count();
            assert!(lines.iter().all(|it| !cursor.take(it)));
        }
        Err(kind) => {
            let message = RemoteLogError { url: "http://h".into(), kind, retry_after: None }.to_string();
            assert!(message.chars().count() <= MESSAGE_CHARS_MAX && !message.contains('\n'), "{message:?}");
        }
    }
}

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
    let (mut splitter, mut framing, mut found) =
        (LineSplitter::default(), LogFraming::new(format), Vec::new());
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

    use super::{log_framing, remote_logs};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads the corpus")]
    fn the_corpus_of_remote_logs_is_parsed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/remote_logs");
        for file in std::fs::read_dir(corpus).unwrap() {
            remote_logs(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }

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
        fn any_response(choice in 0..3u8, body in proptest::collection::vec(any::<u8>(), 0..300)) {
            remote_logs(&[&[choice], body.as_slice()].concat());
        }

        #[test]
        fn almost_responses(body in concat![
            r#"(\{"data":)?(\{"resultType":"(streams|matrix)",)?("result":\[)?(\{"stream":\{("level":"(error|x)")?\},)?"#,
            r#"("values":\[)?(\["[0-9-]{1,21}","x"(,(\{"level":("warn"|7)\}|1))?\],?){0,3}(\])?(\}){0,3}(\])?(\}){0,2}"#,
        ]) {
            remote_logs(&[b"\0", body.as_bytes()].concat());
        }

        #[test]
        fn almost_rows(body in concat![
            r#"((\{"_time":"20[0-9]{2}-0[0-9]-1[0-9]T0[0-9]:00:00(\.[0-9]{1,10})?(Z|\+01:00)?")(,"level":("error"|[0-9]))?"#,
            r#"(,"_msg":"x")?\}?\n?){0,3}"#,
        ]) {
            remote_logs(&[b"\x01", body.as_bytes()].concat());
        }

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
