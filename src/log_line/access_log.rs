//! Access logs of web servers, in the common and the combined format.

use super::{LogLine, LogSeverity};

/// Class of the status, method and path as message, such as `server error GET /cart`; `None` if it is no such line. The class
/// comes first, because the first word always tells templates apart.
pub(super) fn parse(line: &str) -> Option<LogLine<'_>> {
    let (before, rest) = line.split_once("] \"")?;
    if !before.contains('[') {
        return None;
    }
    let (request, rest) = rest.split_once("\" ")?;
    let status = rest.get(..3)?.parse::<u16>().ok()?;
    let ends = rest.as_bytes().get(3).is_none_or(|it| *it == b' ');
    let (severity, class) = match status {
        100..=299 => (LogSeverity::Info, "success"),
        300..=399 => (LogSeverity::Info, "redirect"),
        400..=499 => (LogSeverity::Warning, "client error"),
        500..=599 => (LogSeverity::Error, "server error"),
        _ => return None,
    };
    if !ends {
        return None;
    }
    let mut words = request.split(' ');
    // A request that is not HTTP has no method; its bytes are of no use.
    let is_method = |it: &&str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_uppercase());
    let message = match (words.next().filter(is_method), words.next()) {
        (Some(method), Some(target)) => {
            let path = target.split(['?', '#']).next().unwrap_or_default();
            format!("{class} {method} {path}")
        }
        _ => format!("{class} malformed request"),
    };
    Some(LogLine { severity: Some(severity), message: message.into() })
}
