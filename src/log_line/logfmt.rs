//! Lines of `name=value`.

use super::{LogLine, severity_words};

/// `None` if it states no level.
pub(super) fn parse(line: &str) -> Option<LogLine<'_>> {
    let severity =
        ["level", "lvl", "severity"].iter().find_map(|it| value(line, it)).and_then(severity_words::level)?;
    let message = value(line, "msg").or_else(|| value(line, "message")).unwrap_or(line);
    Some(LogLine { severity: Some(severity), message: message.into() })
}

/// The value of a name, without its quotes.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (start, _) = line.match_indices(name).find(|(at, _)| {
        let before = line.get(..*at).and_then(|it| it.chars().next_back());
        let after = line.get(at + name.len()..).is_some_and(|it| it.starts_with('='));
        after && before.is_none_or(|it| it == ' ')
    })?;
    let rest = line.get(start + name.len() + 1..)?;
    match rest.strip_prefix('"') {
        Some(quoted) => Some(quoted.split_at(quote_end(quoted)).0),
        None => rest.split(' ').next(),
    }
}

/// Where a quoted text ends; at the end of the line if its quote is missing.
pub(super) fn quote_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !escaped => return at,
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    text.len()
}
