//! What stands before a message: the priority of syslog, a time stamp, the header of klog.

use super::{LogLine, LogSeverity, logfmt};

/// Longest time stamp, in bytes.
const TIME_BYTES_MAX: usize = 40;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The severity of `<PRI>`, and the line after it and after the version of RFC 5424.
pub(super) fn priority(line: &str) -> (Option<LogSeverity>, &str) {
    let read = || {
        let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
        let number: u8 = number.parse().ok()?;
        // Facilities 0 to 23.
        (number < 192)
            .then(|| (LogSeverity::from_syslog_priority(number % 8), rest.strip_prefix("1 ").unwrap_or(rest)))
    };
    read().map_or((None, line), |(severity, rest)| (Some(severity), rest))
}

/// The line after a time stamp at its beginning: ISO 8601, syslog, Unix seconds, each also in brackets.
pub(super) fn without_time(line: &str) -> &str {
    let mut rest = line.trim_start();
    // Date and time may be two words, a month, a day and a time three.
    for _ in 0..3 {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let is_month_and_day = MONTHS.contains(&word)
            && rest
                .get(word.len()..)
                .is_some_and(|it| it.trim_start().starts_with(|it: char| it.is_ascii_digit()));
        if is_month_and_day {
            let after = rest.get(word.len()..).unwrap_or_default().trim_start();
            let day = after.bytes().take_while(u8::is_ascii_digit).count();
            rest = after.get(day..).unwrap_or_default().trim_start();
        } else if is_time(word) {
            rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        } else {
            break;
        }
    }
    rest
}

/// Whether a word is a date, a time, both, or seconds since 1970.
fn is_time(word: &str) -> bool {
    let word = word.trim_matches(['[', ']', '(', ')', ',']).trim_end_matches(':');
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_stamp =
        |it: u8| it.is_ascii_digit() || matches!(it, b'-' | b':' | b'.' | b',' | b'/' | b'+' | b'T' | b'Z');
    let has_date =
        word.matches(['-', '/']).count() >= 2 && word.bytes().next().is_some_and(|it| it.is_ascii_digit());
    let is_seconds = digits >= 10 && word.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    word.len() <= TIME_BYTES_MAX
        && word.bytes().all(is_stamp)
        && (is_seconds || (digits >= 4 && (word.matches(':').count() >= 1 || has_date)))
}

/// A line of klog, such as `E0102 03:04:05.678901 1234 pod.go:12] text`.
pub(super) fn klog(line: &str) -> Option<LogLine<'_>> {
    let severity = match line.bytes().next()? {
        b'I' | b'D' => LogSeverity::Info,
        b'W' => LogSeverity::Warning,
        b'E' | b'F' => LogSeverity::Error,
        _ => return None,
    };
    let date = line.get(1..6)?;
    if !date.ends_with(' ') || !date.bytes().take(4).all(|it| it.is_ascii_digit()) {
        return None;
    }
    let (header, message) = line.split_once("] ")?;
    if !header.contains(':') {
        return None;
    }
    // Structured lines quote their message; what follows are values.
    let message = match message.strip_prefix('"') {
        Some(quoted) => quoted.split_at(logfmt::quote_end(quoted)).0,
        None => message,
    };
    Some(LogLine { severity: Some(severity), message: message.into() })
}
