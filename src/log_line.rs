//! One line of a log: how serious it is, and its message without the time stamp.
//!
//! Understands JSON, logfmt, syslog, klog, access logs of web servers, and plain words in a few languages. Nothing fails: a
//! line in no known format is the message itself, and its severity is unknown.

use std::borrow::Cow;

mod access_log;
mod json_line;
mod logfmt;
mod prefix;
mod severity_words;

/// Bytes at the beginning of a line that are looked at.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// How serious a line is, by the transport or by its text; the eight of syslog in three steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogSeverity {
    /// Anything below a warning.
    Info,
    /// A warning.
    Warning,
    /// An error or worse.
    Error,
}

impl LogSeverity {
    /// From the number of syslog and journald, 0 (emergency) to 7 (debug).
    pub fn from_syslog_priority(priority: u8) -> Self {
        match priority {
            0..=3 => Self::Error,
            4 => Self::Warning,
            _ => Self::Info,
        }
    }

    /// From a number in JSON: those of pino and bunyan are 10 to 60, those of syslog 0 to 7.
    fn of_number(number: f64) -> Option<Self> {
        match number {
            50.0..=1_000.0 => Some(Self::Error),
            40.0..50.0 => Some(Self::Warning),
            10.0..40.0 => Some(Self::Info),
            0.0..=3.0 => Some(Self::Error),
            4.0 => Some(Self::Warning),
            5.0..=7.0 => Some(Self::Info),
            _ => None,
        }
    }
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The severity that the line states, or that its words suggest.
    pub severity: Option<LogSeverity>,
    /// The message without time stamp and level; not masked.
    pub message: Cow<'a, str>,
}

/// The beginning of a line as text, without colors. Bytes that are no UTF-8 become replacement characters.
pub fn text(line: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(line.get(..LINE_BYTES_MAX).unwrap_or(line));
    if !text.contains(COLOR) {
        return text;
    }
    let mut parts = text.split(COLOR);
    let first = parts.next().unwrap_or_default().to_owned();
    // Digits and semicolons, and a letter.
    let after = |it: &str| {
        it.trim_start_matches(|it: char| it.is_ascii_digit() || it == ';').get(1..).map(str::to_owned)
    };
    parts.filter_map(after).fold(first, |text, part| text + &part).into()
}

/// With what a terminal's control sequence begins.
const COLOR: &str = "\u{1b}[";

/// Takes a line apart.
pub fn parse(line: &str) -> LogLine<'_> {
    let (priority, line) = prefix::priority(line.trim());
    let line = prefix::without_time(line);
    let parsed = json_line::parse(line)
        .or_else(|| prefix::klog(line))
        .or_else(|| access_log::parse(line))
        .or_else(|| logfmt::parse(line))
        .unwrap_or_else(|| plain(line));
    // A priority of the transport may stand before any text; the text may be more serious, not less.
    LogLine { severity: parsed.severity.max(priority), ..parsed }
}

/// A line of plain words, which may begin with a level.
fn plain(line: &str) -> LogLine<'_> {
    let (level, message) = severity_words::leading_level(line);
    LogLine {
        severity: level.or_else(|| severity_words::severity_from_stems(message)),
        message: prefix::without_time(message).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &str, severity: Option<LogSeverity>, message: &str) {
        let parsed = parse(line);
        assert_eq!((parsed.severity, &*parsed.message), (severity, message), "{line}");
    }

    const ERROR: Option<LogSeverity> = Some(LogSeverity::Error);
    const WARNING: Option<LogSeverity> = Some(LogSeverity::Warning);
    const INFO: Option<LogSeverity> = Some(LogSeverity::Info);

    #[test]
    fn formats_state_their_severity() {
        check(r#"{"level":"warn","ts":1,"msg":"slow disk"}"#, WARNING, "slow disk");
        check(r#"{"severity":"CRITICAL","message":"out of space"}"#, ERROR, "out of space");
        check(r#"{"level":50,"msg":"no route"}"#, ERROR, "no route");
        check(r#"{"PRIORITY":"4","MESSAGE":"Slot is full"}"#, WARNING, "Slot is full");
        check(r#"{"a":1,"b":{"c":"x"}}"#, None, "a b");
        check(r#"time=2026-01-02T03:04:05Z level=error msg="no such host" host=a"#, ERROR, "no such host");
        check("<11>Nov 29 17:34:41 web app[12]: cannot connect", ERROR, "web app[12]: cannot connect");
        check(
            "<165>1 2026-11-29T17:34:41.003Z web app 12 - - all is well",
            INFO,
            "web app 12 - - all is well",
        );
        check(
            "E0102 03:04:05.678901   1234 pod.go:12] \"Failed to start\" pod=\"a\"",
            ERROR,
            "Failed to start",
        );
        check("I0102 03:04:05.678901       1 main.go:12] Started", INFO, "Started");
        check("2026-11-29 17:34:41,123 WARN [main] a.B - late", WARNING, "[main] a.B - late");
        check(
            "2026/11/29 17:34:41 [error] 12#0: *3 upstream timed out",
            ERROR,
            "12#0: *3 upstream timed out",
        );
        check("INFO no error here", INFO, "no error here");
    }

    #[test]
    fn access_logs_state_it_by_the_status() {
        let line = |status: u16| {
            format!(
                "10.0.0.7 - bob [29/Nov/2026:17:34:41 +0000] \"GET /a/b?key=1 HTTP/1.1\" {status} 12 \"-\" \"curl\""
            )
        };
        check(&line(200), INFO, "success GET /a/b");
        check(&line(302), INFO, "redirect GET /a/b");
        check(&line(404), WARNING, "client error GET /a/b");
        check(&line(503), ERROR, "server error GET /a/b");
    }

    #[test]
    fn colors_are_no_part_of_a_line() {
        assert_eq!(text(b"\x1b[1;31mERROR\x1b[0m no disk\x1b["), "ERROR no disk");
        assert_eq!(text(&[b'a'; LINE_BYTES_MAX + 1]).len(), LINE_BYTES_MAX);
    }

    #[test]
    fn words_suggest_a_severity() {
        check("connection failed: timeout", ERROR, "connection failed: timeout");
        check("done, 0 errors", None, "done, 0 errors");
        check("finished without error", None, "finished without error");
        check("Fehler beim Lesen", ERROR, "Fehler beim Lesen");
        check("Warnung: Platte voll", WARNING, "Platte voll");
        check("avertissement de lecture", WARNING, "avertissement de lecture");
        check("error al abrir", ERROR, "error al abrir");
        check("2026-11-29T17:34:41Z\tWARN\tslow", WARNING, "slow");
        check("błąd odczytu", ERROR, "błąd odczytu");
        check("terrors and mirrors", None, "terrors and mirrors");
        check("", None, "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let text = text(&bytes);
            let parsed = parse(&text);
            prop_assert!(parsed.message.len() <= text.len() + 32);
        }

        #[test]
        fn any_text_of_a_known_shape_is_a_line(text in r#"[<{IWE0-9]{0,4}[ :{}"=\[\]a-z0-9./-]{0,80}"#) {
            let parsed = parse(&text);
            prop_assert!(parsed.message.len() <= text.len() + 32);
        }
    }
}
