//! From the bytes of a file to messages: lines, and the frames in which container runtimes write them.

use serde::{Deserialize, Serialize};

mod cri;
mod docker;
mod line_splitter;

pub(super) use line_splitter::{LINE_BYTES_MAX, LineSplitter};

/// In which frame a runtime writes lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// The first line that is read of a file says which.
    #[default]
    Auto,
    /// No frame.
    Plain,
    /// That of containerd and CRI-O.
    Cri,
    /// That of docker's `json-file`.
    Docker,
}

/// A message of an application, without its frame and its end. Cut means that its rest was left out.
pub(super) struct LogMessage<'a> {
    pub(super) text: &'a [u8],
    pub(super) is_cut: bool,
}

/// Takes frames off, and joins the parts of messages that a runtime split.
#[derive(Debug, Clone, Default)]
pub(super) struct LogFraming {
    /// As set, or as the first line says.
    format: FileFormat,
    /// Parts so far, of standard output and of standard error.
    parts: [SplitMessageParts; 2],
}

#[derive(Debug, Clone, Default)]
struct SplitMessageParts {
    text: Vec<u8>,
    is_open: bool,
    is_cut: bool,
}

/// What a line is in its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame<T> {
    text: T,
    is_error_stream: bool,
    /// Whether the next line of the stream belongs to the message.
    is_partial: bool,
}

impl LogFraming {
    pub(super) fn new(format: FileFormat) -> Self {
        Self { format, ..Self::default() }
    }

    /// Passes on the message that ends with this line, if one does. A line without the expected frame is a message.
    pub(super) fn line(&mut self, line: &[u8], is_cut: bool, emit: &mut dyn FnMut(LogMessage<'_>)) {
        if self.format == FileFormat::Auto {
            self.format = recognized(line);
        }
        let whole = LogMessage { text: line, is_cut };
        match self.format {
            FileFormat::Auto | FileFormat::Plain => emit(whole),
            FileFormat::Cri => match cri::parse(line) {
                Some(frame) => self.frame(&frame, is_cut, emit),
                None => emit(whole),
            },
            FileFormat::Docker => match docker::parse(line) {
                Some(Frame { text, is_error_stream, is_partial }) => {
                    self.frame(&Frame { text: text.as_bytes(), is_error_stream, is_partial }, is_cut, emit);
                }
                None => emit(whole),
            },
        }
    }

    fn frame(&mut self, frame: &Frame<&[u8]>, is_cut: bool, emit: &mut dyn FnMut(LogMessage<'_>)) {
        let parts = &mut self.parts[usize::from(frame.is_error_stream)];
        if !parts.is_open && !frame.is_partial {
            return emit(LogMessage { text: frame.text, is_cut });
        }
        let room = LINE_BYTES_MAX - parts.text.len();
        parts.text.extend_from_slice(&frame.text[..frame.text.len().min(room)]);
        parts.is_cut |= is_cut || frame.text.len() > room;
        parts.is_open = true;
        if !frame.is_partial {
            parts.end(emit);
        }
    }

    /// Whether parts wait for their end.
    pub(super) fn is_pending(&self) -> bool {
        self.parts.iter().any(|it| it.is_open)
    }

    /// Bytes of the parts that wait.
    pub(super) fn pending_bytes(&self) -> usize {
        self.parts.iter().map(|it| it.text.len()).sum()
    }

    /// Passes on what waits as messages.
    pub(super) fn flush(&mut self, emit: &mut dyn FnMut(LogMessage<'_>)) {
        self.parts.iter_mut().filter(|it| it.is_open).for_each(|it| it.end(emit));
    }
}

impl SplitMessageParts {
    fn end(&mut self, emit: &mut dyn FnMut(LogMessage<'_>)) {
        let Self { text, is_cut, .. } = std::mem::take(self);
        emit(LogMessage { text: &text, is_cut });
    }
}

/// The format of a file that starts with this line.
fn recognized(line: &[u8]) -> FileFormat {
    if cri::parse(line).is_some() {
        FileFormat::Cri
    } else if docker::parse(line).is_some() {
        FileFormat::Docker
    } else {
        FileFormat::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: FileFormat, lines: &[&str], expect: &[&str]) {
        let (mut framing, mut found) = (LogFraming::new(format), Vec::new());
        for line in lines {
            framing.line(line.as_bytes(), false, &mut |it| {
                found.push(String::from_utf8_lossy(it.text).into_owned());
            });
        }
        framing.flush(&mut |it| found.push(format!("flushed {}", String::from_utf8_lossy(it.text))));
        assert_eq!(found, expect);
        assert!(!framing.is_pending() && framing.pending_bytes() == 0);
    }

    #[test]
    fn parts_of_cri_are_joined_by_stream() {
        let lines = [
            "2026-01-02T03:04:05.678901234Z stdout P one ",
            "2026-01-02T03:04:05.678901234Z stderr P three ",
            "2026-01-02T03:04:05.678901234Z stdout F two",
            "2026-01-02T03:04:05.678901234+01:00 stderr F four",
            "2026-01-02T03:04:05.678901234Z stdout F",
            "2026-01-02T03:04:05.678901234Z stdout F ",
            "no frame",
            "2026-01-02T03:04:05.678901234Z stdout P:tag five",
        ];
        check(FileFormat::Auto, &lines, &["one two", "three four", "", "", "no frame", "flushed five"]);
    }

    #[test]
    fn parts_of_docker_are_joined() {
        let lines = [
            r#"{"log":"a \u00e9\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#,
            r#"{"log":"one ","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#,
            r#"{"log":"two\r\n","stream":"stdout","attrs":{"a":"b"},"time":"2026-01-02T03:04:05Z"}"#,
            r#"{"log":"torn"#,
        ];
        check(FileFormat::Auto, &lines, &["a é", "one two", r#"{"log":"torn"#]);
    }

    #[test]
    fn the_first_line_decides_and_a_setting_comes_first() {
        let json = r#"{"log":"x\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#;
        check(FileFormat::Auto, &["{\"level\":\"info\"}", json], &["{\"level\":\"info\"}", json]);
        check(FileFormat::Plain, &[json], &[json]);
        check(FileFormat::Docker, &["start", json], &["start", "x"]);
    }

    #[test]
    fn joined_messages_are_bounded() {
        let part = format!("2026-01-02T03:04:05Z stdout P {}", "x".repeat(40_000));
        let mut framing = LogFraming::new(FileFormat::Cri);
        for _ in 0..3 {
            framing.line(part.as_bytes(), false, &mut |_| panic!("not over yet"));
        }
        assert_eq!(framing.pending_bytes(), LINE_BYTES_MAX);
        framing.line(b"2026-01-02T03:04:05Z stdout F x", false, &mut |it| {
            assert!(it.is_cut && it.text.len() == LINE_BYTES_MAX);
        });
    }
}
