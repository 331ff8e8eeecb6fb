//! Messages of syslog, as RFC 3164 describes and RFC 5424 prescribes them. Anything is a message.

use crate::log_stream::LogSeverity;

/// What counts of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logs) struct SyslogMessage<'a> {
    pub(in crate::logs) severity: Option<LogSeverity>,
    /// The program and its text, without time and host.
    pub(in crate::logs) text: &'a [u8],
}

/// Largest priority: the facility 23 and the severity 7.
const PRIORITY_MAX: u16 = 191;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<'a> SyslogMessage<'a> {
    /// Reads a datagram; one without a priority is a text.
    pub(in crate::logs) fn parse(datagram: &'a [u8]) -> Self {
        let end = datagram.iter().rposition(|it| !matches!(it, b'\n' | b'\r' | 0)).map_or(0, |it| it + 1);
        let datagram = &datagram[..end];
        let Some((priority, rest)) = priority(without_length(datagram)) else {
            return Self { severity: None, text: datagram };
        };
        let severity = Some(LogSeverity::from_syslog_priority(u8::try_from(priority % 8).unwrap_or(7)));
        let text = match rest.strip_prefix(b"1 ") {
            Some(rest) => rfc5424(rest).unwrap_or(rest),
            None => rfc3164(rest),
        };
        Self { severity, text }
    }
}

/// Without the length that senders over streams put before a message.
fn without_length(datagram: &[u8]) -> &[u8] {
    let digits = datagram.iter().take_while(|it| it.is_ascii_digit()).count();
    match datagram[digits..].strip_prefix(b" ") {
        Some(rest) if digits > 0 && rest.starts_with(b"<") => rest,
        _ => datagram,
    }
}

fn priority(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let rest = datagram.strip_prefix(b"<")?;
    let digits = rest.iter().take_while(|it| it.is_ascii_digit()).count();
    let value: u16 = str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let rest = rest[digits..].strip_prefix(b">")?;
    (digits <= 3 && value <= PRIORITY_MAX).then_some((value, rest))
}

/// The part of a message behind `VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA`.
fn rfc5424(rest: &[u8]) -> Option<&[u8]> {
    let mut rest = rest;
    for _ in 0..5 {
        let space = rest.iter().position(|it| *it == b' ')?;
        rest = &rest[space + 1..];
    }
    let rest = structured_data(rest)?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    Some(rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest))
}

/// What follows `-`, or `[id name="value" …]` any number of times.
fn structured_data(rest: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = rest.strip_prefix(b"-") {
        return Some(rest);
    }
    let (mut is_inside, mut is_quoted, mut is_escaped) = (false, false, false);
    for (idx, byte) in rest.iter().enumerate() {
        match byte {
            _ if std::mem::take(&mut is_escaped) => {}
            b'\\' if is_quoted => is_escaped = true,
            b'"' if is_inside => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'[' if !is_inside => is_inside = true,
            b']' if is_inside => is_inside = false,
            _ if is_inside => {}
            b' ' if idx > 0 => return Some(&rest[idx..]),
            _ => return None,
        }
    }
    (!is_inside && !rest.is_empty()).then_some(&[])
}

/// What follows the time and the host of `Mmm dd hh:mm:ss host tag: text`; a local sender gives no host.
fn rfc3164(rest: &[u8]) -> &[u8] {
    const TIME_BYTES: usize = "Oct 11 22:14:15".len();
    let is_time = |it: &[u8]| {
        it[..3].iter().all(u8::is_ascii_alphabetic)
            && (it[3], it[6], it[9], it[12]) == (b' ', b' ', b':', b':')
            && it[13..].iter().all(u8::is_ascii_digit)
    };
    let behind_time = match rest.split_at_checked(TIME_BYTES) {
        Some((time, behind)) if is_time(time) => behind.strip_prefix(b" ").unwrap_or(behind),
        // As rsyslog and others send it, with a time of RFC 3339.
        _ => match rest.iter().position(|it| *it == b' ') {
            Some(space) if space >= 20 && rest[4] == b'-' && rest[10] == b'T' => &rest[space + 1..],
            _ => return rest,
        },
    };
    // A tag ends with a colon, or has the number of the process.
    let is_tag = |word: &[u8]| word.ends_with(b":") || word.ends_with(b"]");
    let Some(space) = behind_time.iter().position(|it| *it == b' ') else { return behind_time };
    let (first, behind) = (&behind_time[..space], &behind_time[space + 1..]);
    let second = behind.split(|it| *it == b' ').next().unwrap_or_default();
    if !is_tag(first) && is_tag(second) { behind } else { behind_time }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_a_severity_and_a_text() {
        use LogSeverity::{Error, Info, Warning};
        let check = |datagram: &[u8], severity: Option<LogSeverity>, text: &str| {
            let found = SyslogMessage::parse(datagram);
            assert_eq!((found.severity, String::from_utf8_lossy(found.text).as_ref()), (severity, text));
        };
        // The examples of the RFCs.
        let text = "su: 'su root' failed for lonvick on /dev/pts/8";
        check(format!("<34>Oct 11 22:14:15 mymachine {text}").as_bytes(), Some(Error), text);
        check(b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", Some(Info), "10.0.0.99 Use the BFG!");
        let data = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 \
                    [exampleSDID@32473 iut=\"3\" eventSource=\"Appl\\\"i]cation\"][x y=\"z\"] ";
        check(&[data.as_bytes(), BYTE_ORDER_MARK, b"An event"].concat(), Some(Info), "An event");
        check(data.trim_end().as_bytes(), Some(Info), "");
        check(b"<12>1 2003-10-11T22:14:15.003Z host app 1 - - text\n", Some(Warning), "text");
        // As glibc sends to /dev/log, and others.
        check(b"<11>Oct 11 22:14:15 app[1]: broken\0", Some(Error), "app[1]: broken");
        check(b"<11>2026-01-02T03:04:05.678Z host app: broken", Some(Error), "app: broken");
        check(b"42 <11>Oct 11 22:14:15 host app: broken", Some(Error), "app: broken");
        check(b"<6>text", Some(Info), "text");
        // Anything else is a text.
        check(b"text", None, "text");
        check(b"<192>text", None, "<192>text");
        check(b"<>text", None, "<>text");
        check(b"<1", None, "<1");
        check(b"", None, "");
        check(b"<11>1 torn", Some(Error), "torn");
    }
}
